// What the drawers of a finished trial and of one in training have in common.

import { chart } from "../chart.js";
import { curveOption } from "../charts/curve.js";
import { h } from "../dom.js";
import { bare, clock, duration, number, policyOf, share, withError } from "../format.js";

export const section = (name, ...content) =>
  h("section", { class: "stack tight" }, h("h3", {}, name), content);
export const facts = (pairs) =>
  h(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );

/** A table of rows of cells; the first row is its head. */
export function lines([names, ...rows]) {
  return h(
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
          names.map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}

/** Where the suggestion came from, and how what was measured compares with what was expected. */
export function why(suggestion, values = []) {
  const from = suggestion.provenance || {};
  const policy = policyOf(from.policy).toUpperCase(),
    seen = Number(from.observation_count || 0);
  const age = parseFloat(from.model_age || 0);
  const by =
    from.policy === "POLICY_UNSPECIFIED" || !from.policy
      ? "A person queued it."
      : `${policy} suggested it after ${seen} observations${age >= 1 ? `, with a model ${duration(age)} old` : ""}.`;
  const feasible = from.feasibility ?? null;
  const measured = new Map(values.map((value) => [value.metric, value]));
  const rows = (from.predictions || []).map((one) => {
    const value = measured.get(one.metric)?.value;
    const off = value === undefined || !one.stddev ? null : (value - one.mean) / one.stddev;
    const far = off === null ? "–" : `${off > 0 ? "+" : "−"}${Math.abs(off).toFixed(1)} σ`;
    return [one.metric, withError(one.mean, one.stddev), number(value ?? null), far];
  });
  return section(
    "Why this suggestion",
    h(
      "p",
      {},
      by,
      feasible !== null && ` Expected to be feasible with probability ${share(Number(feasible))}.`,
    ),
    from.fallback_reason && h("p", { class: "notice" }, from.fallback_reason),
    Number(from.repeats || 0) > 0 &&
      h("p", {}, `Measured again on purpose: ${from.repeats} measurements before.`),
    rows.length > 0 && lines([["Metric", "Expected", "Measured", "Off by"], ...rows]),
  );
}

/** One curve per metric over the steps of a training, one line per attempt. */
export function curves(checkpoints) {
  const names = [...new Set(checkpoints.flatMap((one) => one.values.map((value) => value.metric)))];
  const attempts = [...new Set(checkpoints.map((one) => one.attempt))];
  const along = (name, attempt) =>
    checkpoints
      .filter((one) => one.attempt === attempt)
      .flatMap((one) =>
        one.values.filter((value) => value.metric === name).map((value) => [Number(one.step), value.value]),
      );
  return section(
    "Checkpoints",
    names.map((name) => {
      const figure = chart({ label: `${name} over steps`, kind: "low" });
      const drawn = attempts.map((attempt) => ({
        name: attempts.length > 1 ? `attempt ${attempt}` : name,
        points: along(name, attempt),
      }));
      requestAnimationFrame(() =>
        figure.update({
          option: (p) => curveOption(p, { lines: drawn, xName: "step", yName: "" }),
          table: () => ({
            columns: ["Step", name],
            rows: drawn.flatMap((line) => line.points.map(([step, value]) => [step, number(value)])),
          }),
        }),
      );
      return [h("p", { class: "small muted" }, name), figure];
    }),
  );
}

/** Who held a suggestion when, and how that ended. */
export function attempts(history) {
  let holder = "";
  return section(
    "Attempts and leases",
    facts(
      (history || []).map(({ create_time: time, suggestion }) => {
        const state = bare(suggestion.state, "SUGGESTION_STATE_"),
          former = holder;
        holder = suggestion.lease?.worker || "";
        const asked = suggestion.stop_reason ? `; asked to stop: ${suggestion.stop_reason}` : "";
        const words =
          state === "leased"
            ? `held by ${holder}, attempt ${suggestion.attempt}${asked}`
            : state === "queued"
              ? former
                ? `back in the queue: ${former} gave it up or fell silent`
                : "queued"
              : state;
        return [clock(time), words];
      }),
    ),
  );
}

/** The end of what a training printed. */
export function printed(text, time) {
  return section(
    "Log, its end",
    h("pre", { "aria-label": "log", tabindex: "0" }, text),
    time && h("p", { class: "small muted" }, `as told at ${clock(time)}, with a heartbeat`),
  );
}
