// A configuration of one's own, and what would come of it.

import { below, post } from "../../api.js";
import { debounced, h, show } from "../../dom.js";
import { share, withError } from "../../format.js";
import { configurationForm } from "../configuration.js";
import { card } from "./card.js";

/** A configuration of one's own, and what would come of it. */
export function whatIf(page) {
  const answer = h("div", { role: "status" });
  const start = page.front?.ordinals.length
    ? new Map(
        page.trials
          .assignments(page.trials.at.get(page.front.ordinals[0]) ?? 0)
          .map(([parameter, value]) => [parameter.name, value]),
      )
    : null;
  const ask = debounced(async () => {
    try {
      const { predictions } = await post(below(page.id, "/predict"), {
        configurations: [{ assignments: form.assignments() }],
      });
      const one = predictions[0],
        units = new Map(page.trials.metrics.map((metric) => [metric.name, metric.unit]));
      show(
        answer,
        h(
          "dl",
          { class: "facts" },
          one.metrics.map((metric) => [
            h("dt", {}, metric.metric),
            h(
              "dd",
              {},
              h("strong", {}, withError(metric.mean, metric.stddev)),
              ` ${units.get(metric.metric) || ""}`,
            ),
          ]),
          h("dt", {}, "feasible"),
          h("dd", {}, share(Number(one.feasibility || 0))),
          one.probability_efficient !== undefined &&
            one.probability_efficient !== null && [
              h("dt", {}, "on the front"),
              h("dd", {}, share(Number(one.probability_efficient))),
            ],
        ),
      );
    } catch (error) {
      show(answer, h("p", { class: "notice plain" }, error.message));
    }
  }, 150);
  const form = configurationForm(page.trials, start, ask);
  return {
    element: card(
      "What if?",
      "span-6",
      h("p", { class: "small muted" }, "Turn the knobs; the model answers at once."),
      form.element,
      h("h3", { class: "gap" }, "It would give"),
      answer,
    ),
    open: ask,
  };
}
