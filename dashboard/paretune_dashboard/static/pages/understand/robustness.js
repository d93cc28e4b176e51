// How the front bears small changes.

import { below, get } from "../../api.js";
import { h, show } from "../../dom.js";
import { number, share, title } from "../../format.js";
import { asked, card } from "./card.js";

const FEW = 12;
/** Lines that the Optimizer sends. */
const MOST = 200;

export function robustness(page) {
  const body = h("div", {});
  // By the id of the observation: the front that the page knows may be an older or a newer one.
  const ordinals = new Map();
  let points = null,
    all = false;
  const open = asked(body, async () => {
    ({ points } = await get(below(page.id, "/robustness")));
    draw();
  });
  function draw() {
    if (!points) return;
    page.front?.ids.forEach((id, k) => ordinals.set(id, page.front.ordinals[k]));
    show(
      body,
      h(
        "p",
        { class: "small muted" },
        "Each parameter changed by up to 5 % of its range: what stays of a configuration of the front. In the order of the front",
        page.front?.ordinals.length > MOST && `, the ${points.length} that contribute most`,
        ".",
      ),
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
              [
                "Trial",
                ...page.trials.optimized.flatMap((metric) => [title(metric), "bad case"]),
                "Still good",
                "Feasible",
              ].map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            {},
            points.slice(0, all ? MOST : FEW).map((point) => {
              const ordinal = ordinals.get(point.observation_id);
              return h(
                "tr",
                ordinal
                  ? {
                      class: "link",
                      "data-key": ordinal,
                      tabindex: "0",
                      onclick: () => page.openTrial(ordinal),
                      onkeydown: (event) => event.key === "Enter" && page.openTrial(ordinal),
                    }
                  : {},
                h("td", {}, ordinal ?? "…"),
                page.trials.optimized.flatMap((metric) => {
                  const one = point.metrics.find((m) => m.metric === metric.name);
                  return [h("td", {}, number(one?.nominal)), h("td", { class: "muted" }, number(one?.worst))];
                }),
                h("td", {}, share(Number(point.probability_within_slack || 0))),
                h("td", {}, share(Number(point.feasibility || 0))),
              );
            }),
          ),
        ),
      ),
      points.length > FEW &&
        !all &&
        h(
          "button",
          {
            class: "quiet",
            onclick: () => {
              all = true;
              draw();
            },
          },
          `Show all ${points.length}`,
        ),
    );
  }
  const hear = (what) => what === "front" && draw();
  return { element: card("How robust is the front?", "span-6", body), open, hear };
}
