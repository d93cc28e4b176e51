// The front as a list.

import { empty, h, show } from "../../dom.js";
import { chance, count, number, title, withError } from "../../format.js";

/** The list of efficient trials, with draw(). */
export function efficientOf(page) {
  const { trials } = page;
  const list = h("div", {});
  let all = false;
  function drawList() {
    const front = page.front;
    if (!front?.ordinals.length) {
      show(
        list,
        empty(
          "Nothing efficient yet",
          h(
            "p",
            {},
            page.frontError
              ? page.frontError.message
              : "The first trial that is measured and feasible will be.",
          ),
        ),
      );
      return;
    }
    show(
      list,
      h(
        "div",
        { class: "scroll" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Trial", ...trials.metrics.map(title), "Contribution", "P(efficient)"].map((name) =>
                h("th", { scope: "col" }, name),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            front.ordinals.slice(0, all ? 500 : 12).map((ordinal, k) => {
              const row = trials.at.get(ordinal),
                values = new Map(front.values[k]);
              return h(
                "tr",
                {
                  class: "link",
                  "data-key": ordinal,
                  tabindex: "0",
                  onclick: () => page.openTrial(ordinal),
                  onkeydown: (event) => event.key === "Enter" && page.openTrial(ordinal),
                },
                h("td", {}, ordinal),
                trials.metrics.map((metric) =>
                  h(
                    "td",
                    {},
                    withError(
                      values.get(metric.name) ?? null,
                      row === undefined ? null : trials.stddevs[metric.index][row],
                    ),
                  ),
                ),
                h("td", {}, number(front.contributions[k], 3)),
                h("td", {}, chance(front.probabilities[k])),
              );
            }),
          ),
        ),
      ),
      front.ordinals.length > 12 &&
        !all &&
        h(
          "button",
          {
            class: "quiet",
            onclick: () => {
              all = true;
              drawList();
            },
          },
          `Show all ${count(front.ordinals.length)}`,
        ),
    );
  }
  return { element: list, draw: drawList };
}
