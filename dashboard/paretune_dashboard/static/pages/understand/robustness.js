// How the front bears small changes.

import { below, get } from "../../api.js";
import { h, show } from "../../dom.js";
import { number, share, title } from "../../format.js";
import { asked, card } from "./card.js";

export function robustness(page) {
  const body = h("div", {});
  const open = asked(body, async () => {
    const { points } = await get(below(page.id, "/robustness"));
    show(
      body,
      h(
        "p",
        { class: "small muted" },
        "Each parameter changed by up to 5 % of its range: what stays of a configuration of the front. In the order of the front.",
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
            points.slice(0, 12).map((point, k) => {
              const ordinal = page.front?.ordinals[k];
              return h(
                "tr",
                {
                  class: "link",
                  tabindex: "0",
                  onclick: () => ordinal && page.openTrial(ordinal),
                  onkeydown: (event) => event.key === "Enter" && ordinal && page.openTrial(ordinal),
                },
                h("td", {}, ordinal ?? k + 1),
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
    );
  });
  return { element: card("How robust is the front?", "span-6", body), open };
}
