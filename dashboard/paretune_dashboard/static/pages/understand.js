// Why the front looks as it does: parallel coordinates, importance, what the model expects, what to take.

import { empty, h, show } from "../dom.js";
import { coordinates } from "./understand/coordinates.js";
import { expectations } from "./understand/expectations.js";
import { insight } from "./understand/importance.js";
import { recommendation } from "./understand/recommendation.js";
import { robustness } from "./understand/robustness.js";
import { whatIf } from "./understand/whatif.js";

export function open(body, page) {
  if (page.trials.total < 2) {
    show(
      body,
      h(
        "div",
        { class: "card" },
        empty(
          "Too little to understand yet",
          h("p", {}, "A few trials have to be measured first. This page fills by itself when you come back."),
        ),
      ),
    );
    return;
  }
  const parts = [
    coordinates(page),
    insight(page),
    recommendation(page),
    expectations(page),
    whatIf(page),
    robustness(page),
  ];
  show(
    body,
    h(
      "div",
      { class: "grid" },
      parts.map((part) => part.element),
    ),
  );
  parts.forEach((part) => part.open?.());
  page.listeners.add((what) => parts.forEach((part) => part.hear?.(what)));
}
