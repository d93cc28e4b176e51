// One trial, everything about it, in a drawer.

import { below, get, post, readOnly } from "../api.js";
import { chart } from "../chart.js";
import { curveOption } from "../charts/curve.js";
import { dialog, h, say, show } from "../dom.js";
import { bare, clock, duration, number, policyOf, share, withError } from "../format.js";
import { plainValue } from "../model.js";
import { queue } from "./trials.js";

export async function openTrial(page, ordinal) {
  const body = h("div", { class: "stack" }, h("p", { class: "loading" }, "Loading …"));
  dialog(`Trial ${ordinal}`, body, "drawer");
  try {
    draw(body, page, await get(below(page.id, `/trials/${ordinal}`)));
  } catch (error) { show(body, h("p", { class: "notice bad" }, error.message)); }
}

function draw(body, page, { observation, suggestion, checkpoints, history }) {
  const metrics = new Map(page.trials.metrics.map((metric) => [metric.name, metric]));
  const kind = bare(observation.outcome?.kind, "OUTCOME_KIND_"), ok = kind === "ok";
  const efficient = page.front?.ordinals.indexOf(Number(observation.ordinal)) ?? -1;
  const log = Object.entries(observation.metadata || {}).filter(([name]) => /^(log|traceback|stderr|output)/.test(name));
  const notes = Object.entries(observation.metadata || {}).filter(([name]) => !log.some(([other]) => other === name));
  const assignments = new Map(Object.entries(observation.assignments || {}).map(([name, value]) => [name, plainValue(value)]));
  show(body,
    h("div", { class: "row" }, h("span", { class: `chip ${ok ? "good" : "bad"}` }, kind), efficient >= 0 && h("span", { class: "chip front" }, `efficient, P = ${page.front.probabilities[efficient].toFixed(2)}`),
      suggestion && suggestion.attempt > 1 && h("span", { class: "chip warn" }, `attempt ${suggestion.attempt}`)),
    observation.outcome?.reason && h("p", { class: `notice ${ok ? "plain" : "bad"}` }, observation.outcome.reason),
    observation.values?.length > 0 && section("Measured", facts(observation.values.map((value) => [value.metric, `${withError(value.value, value.stddev ?? null)} ${metrics.get(value.metric)?.unit || ""}`]))),
    section("Configuration", facts([...assignments].map(([name, value]) => [name, typeof value === "number" ? number(value, 6) : value])),
      !readOnly() && h("button", { onclick: () => queue(page, assignments) }, "Queue it again, or a variation")),
    why(page, suggestion, metrics, observation),
    checkpoints?.length > 0 && curves(checkpoints, metrics),
    log.length > 0 && section("Log, its end", log.map(([name, text]) => h("pre", { "aria-label": name }, text))),
    attempts(suggestion, observation, history),
    notes.length > 0 && section("Notes", facts(notes)),
    section("Record", facts([["observation", observation.id], ["suggestion", observation.suggestion_id || "none: reported by itself"], ["worker", observation.worker || "–"],
      observation.start_time && ["started", clock(observation.start_time)], ["recorded", clock(observation.create_time)],
      observation.start_time && ["took", duration((new Date(observation.create_time) - new Date(observation.start_time)) / 1000)]].filter(Boolean))));
}

const section = (name, ...content) => h("section", { class: "stack tight" }, h("h3", {}, name), content);
const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

/** Where the suggestion came from, and how what was measured compares with what was expected. */
function why(page, suggestion, metrics, observation) {
  if (!suggestion) return null;
  const from = suggestion.provenance || {}, policy = policyOf(from.policy);
  const seen = Number(from.observation_count || 0);
  const by = from.policy === "POLICY_UNSPECIFIED" || !from.policy ? "A person queued it."
    : `${policy.toUpperCase()} suggested it after ${seen} observations${from.model_age && parseFloat(from.model_age) >= 1 ? `, with a model ${duration(parseFloat(from.model_age))} old` : ""}.`;
  const measured = new Map((observation.values || []).map((value) => [value.metric, value]));
  const rows = (from.predictions || []).map((one) => {
    const value = measured.get(one.metric)?.value;
    const off = value === undefined || !one.stddev ? null : (value - one.mean) / one.stddev;
    return h("tr", {}, h("td", {}, one.metric), h("td", {}, withError(one.mean, one.stddev)), h("td", {}, number(value ?? null)), h("td", { class: "num muted" }, off === null ? "–" : `${off > 0 ? "+" : "−"}${Math.abs(off).toFixed(1)} σ`));
  });
  return section("Why this suggestion", h("p", {}, by, from.feasibility !== undefined && from.feasibility !== null && ` Expected to be feasible with probability ${share(Number(from.feasibility))}.`),
    from.fallback_reason && h("p", { class: "notice" }, from.fallback_reason),
    Number(from.repeats || 0) > 0 && h("p", {}, `Measured again on purpose: ${from.repeats} measurements before.`),
    rows.length > 0 && h("table", {}, h("thead", {}, h("tr", {}, ["Metric", "Expected", "Measured", ""].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

function curves(checkpoints, metrics) {
  const names = [...new Set(checkpoints.flatMap((one) => one.values.map((value) => value.metric)))];
  const figures = names.map((name) => {
    const figure = chart({ label: `${name} over steps`, kind: "low" });
    const attempts = [...new Set(checkpoints.map((one) => one.attempt))];
    const lines = attempts.map((attempt) => ({ name: attempts.length > 1 ? `attempt ${attempt}` : name, points: checkpoints.filter((one) => one.attempt === attempt).flatMap((one) => one.values.filter((value) => value.metric === name).map((value) => [Number(one.step), value.value])) }));
    requestAnimationFrame(() => figure.update({ option: (p) => curveOption(p, { lines, xName: "step", yName: "" }), table: () => ({ columns: ["Step", name], rows: lines.flatMap((line) => line.points.map(([step, value]) => [step, number(value)])) }) }));
    return [h("p", { class: "small muted" }, name), figure];
  });
  return section("Checkpoints", figures);
}

function attempts(suggestion, observation, history) {
  if (!suggestion) return null;
  const rows = history?.length ? history.map((one) => [clock(one.time), one.text]) : [[clock(suggestion.create_time), "suggested"], [clock(observation.create_time), `observed by ${observation.worker || "a worker"}, attempt ${observation.attempt || suggestion.attempt}`]];
  return section("Attempts and leases", facts(rows), Number(suggestion.attempt) > 1 && !history?.length && h("p", { class: "small muted" }, `It was handed out ${suggestion.attempt} times.`));
}
