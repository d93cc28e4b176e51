// The trial to take: by weights, by limits, or at the knee.

import { below, post } from "../../api.js";
import { debounced, h, show } from "../../dom.js";
import { number, withError } from "../../format.js";
import { plainValue } from "../../model.js";
import { card } from "./card.js";

/** The trial to take: by weights or limits. */
export function recommendation(page) {
  const { trials } = page,
    metrics = trials.optimized,
    out = h("div", { role: "status" });
  let mode = "weights";
  const weights = new Map(metrics.map((metric) => [metric.name, 50])),
    limits = new Map(),
    area = h("div", { class: "stack tight" });
  const ask = debounced(async () => {
    if (page.front && !page.front.ordinals.length) {
      show(out, h("p", { class: "notice plain" }, "Nothing feasible was observed yet."));
      return;
    }
    const preference =
      mode === "knee"
        ? { knee: {} }
        : mode === "weights"
          ? {
              weights: {
                weights: Object.fromEntries([...weights].map(([name, value]) => [name, value / 100])),
              },
            }
          : {
              limits: {
                metric: metrics[0].name,
                limits: Object.fromEntries([...limits].filter(([name]) => name !== metrics[0].name)),
              },
            };
    try {
      const found = await post(below(page.id, "/recommend"), preference),
        observation = found.point.observation;
      show(
        out,
        h("p", { class: "notice good" }, h("strong", {}, `Trial ${observation.ordinal}. `), found.reason),
        h(
          "dl",
          { class: "facts" },
          found.expected.map((one) => [
            h("dt", {}, one.metric),
            h("dd", {}, withError(one.mean, one.stddev)),
          ]),
        ),
        h(
          "p",
          { class: "small muted" },
          Object.entries(observation.assignments)
            .map(
              ([name, value]) =>
                `${name} ${typeof plainValue(value) === "number" ? number(plainValue(value)) : plainValue(value)}`,
            )
            .join(" · "),
        ),
        h("button", { onclick: () => page.openTrial(Number(observation.ordinal)) }, "Open the trial"),
      );
    } catch (error) {
      show(out, h("p", { class: "notice plain" }, error.message));
    }
  }, 120);
  function sliders() {
    if (mode === "knee") {
      show(
        area,
        h(
          "p",
          { class: "muted small" },
          "Where giving up a little of one metric stops gaining much of another.",
        ),
      );
      return;
    }
    show(
      area,
      metrics.slice(mode === "limits" ? 1 : 0).map((metric) => {
        const values = trials.values[metric.index].filter((value) => value !== null);
        if (mode === "limits" && !values.length) return null;
        const low = values.reduce((a, b) => Math.min(a, b), Infinity),
          high = values.reduce((a, b) => Math.max(a, b), -Infinity);
        const limit = limits.get(metric.name) ?? (metric.maximize ? low : high);
        if (mode === "limits") limits.set(metric.name, limit);
        const input =
          mode === "weights"
            ? h("input", { type: "range", min: 0, max: 100, value: weights.get(metric.name) })
            : h("input", { type: "range", min: low, max: high, step: (high - low) / 200 || 1, value: limit });
        const said = h("output", {}, mode === "weights" ? weights.get(metric.name) : number(limit, 3));
        input.addEventListener("input", () => {
          (mode === "weights" ? weights : limits).set(metric.name, Number(input.value));
          said.textContent = mode === "weights" ? input.value : number(Number(input.value), 3);
          ask();
        });
        return h(
          "label",
          { class: "slider" },
          mode === "weights" ? metric.name : `${metric.name} ${metric.maximize ? "at least" : "at most"}`,
          input,
          said,
        );
      }),
      mode === "limits" &&
        h("p", { class: "muted small" }, `the best ${metrics[0].name} within these limits`),
    );
  }
  const modes = metrics.length > 1 ? ["weights", "limits", "knee"] : ["weights"];
  const buttons = modes.map((name) =>
    h(
      "button",
      {
        "aria-pressed": String(name === mode),
        onclick: () => {
          mode = name;
          buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(modes[k] === mode)));
          sliders();
          ask();
        },
      },
      { weights: "By weights", limits: "By limits", knee: "At the knee" }[name],
    ),
  );
  sliders();
  return {
    element: card(
      "Which one to take?",
      "span-6",
      h(
        "div",
        { class: "stack" },
        h("div", {}, h("div", { class: "segments", role: "group", "aria-label": "How to choose" }, buttons)),
        area,
        out,
      ),
    ),
    open: ask,
  };
}
