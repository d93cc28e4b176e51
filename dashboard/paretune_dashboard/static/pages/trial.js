// One trial, everything about it, in a drawer.

import { below, get, readOnly } from "../api.js";
import { dialog, h, say, show } from "../dom.js";
import { bare, chance, clock, duration, number, share, withError } from "../format.js";
import { plainValue } from "../model.js";
import { amend } from "./amend.js";
import { attempts, curves, facts, lines, printed, section, why } from "./drawer.js";
import { queue } from "./trials.js";

export async function openTrial(page, ordinal) {
  const body = h("div", { class: "stack" }, h("p", { class: "loading" }, "Loading …"));
  dialog(`Trial ${ordinal}`, body, "drawer");
  const load = async () => {
    try {
      draw(body, page, await get(below(page.id, `/trials/${ordinal}`)), load);
    } catch (error) {
      show(body, h("p", { class: "notice bad" }, error.message));
    }
  };
  await load();
}

function draw(body, page, { observation, suggestion, checkpoints, history, log_tail, log_time }, again) {
  const units = new Map(page.trials.metrics.map((metric) => [metric.name, metric.unit]));
  const kind = bare(observation.outcome?.kind, "OUTCOME_KIND_"),
    ok = kind === "ok";
  const place = page.front?.ordinals.indexOf(Number(observation.ordinal)) ?? -1;
  const probability = page.front?.probabilities[place] ?? null;
  const isLog = ([name]) => /^(log|traceback|stderr|output)/.test(name);
  const notes = Object.entries(observation.metadata || {});
  const logs = notes.filter(isLog);
  const assignments = new Map(
    Object.entries(observation.assignments || {}).map(([name, value]) => [name, plainValue(value)]),
  );
  const measured = (values) =>
    values.map((value) => [
      value.metric,
      `${withError(value.value, value.stddev ?? null)} ${units.get(value.metric) || ""}`,
    ]);
  const took = (new Date(observation.create_time) - new Date(observation.start_time)) / 1000;
  show(
    body,
    h(
      "div",
      { class: "row" },
      h("span", { class: `chip ${ok ? "good" : "bad"}` }, kind),
      place >= 0 &&
        h(
          "span",
          { class: "chip front" },
          probability === null ? "efficient" : `efficient, P = ${chance(probability)}`,
        ),
      suggestion?.attempt > 1 && h("span", { class: "chip warn" }, `attempt ${suggestion.attempt}`),
      observation.amendments?.length > 0 && h("span", { class: "chip warn" }, "amended"),
    ),
    observation.outcome?.reason &&
      h("p", { class: `notice ${ok ? "plain" : "bad"}` }, observation.outcome.reason),
    observation.values?.length > 0 && section("Measured", facts(measured(observation.values))),
    !readOnly() &&
      h(
        "div",
        {},
        h(
          "button",
          { onclick: () => amend(page, observation, () => page.refreshFront().then(again, again)) },
          "Amend …",
        ),
      ),
    amendments(observation, measured),
    section(
      "Configuration",
      facts(
        [...assignments].map(([name, value]) => [name, typeof value === "number" ? number(value, 6) : value]),
      ),
      !readOnly() &&
        h("button", { onclick: () => queue(page, assignments) }, "Queue it again, or a variation"),
    ),
    place >= 0 && robust(page, observation),
    suggestion && why(suggestion, observation.values),
    checkpoints?.length > 0 && curves(checkpoints),
    logs.length > 0 ? logs.map(([, text]) => printed(text)) : log_tail && printed(log_tail, log_time),
    suggestion && attempts(history),
    notes.length > logs.length && section("Notes", facts(notes.filter((note) => !isLog(note)))),
    section(
      "Record",
      facts(
        [
          ["observation", observation.id],
          ["suggestion", observation.suggestion_id || "none: reported by itself"],
          ["worker", observation.worker || "–"],
          observation.start_time && ["started", clock(observation.start_time)],
          ["recorded", clock(observation.create_time)],
          observation.start_time && ["took", duration(took)],
        ].filter(Boolean),
      ),
    ),
  );
}

/** What the trial was before it was amended: who changed it when, and why. */
function amendments(observation, measured) {
  if (!observation.amendments?.length) return null;
  return section(
    "Amended",
    observation.amendments.map((one) => {
      const kind = bare(one.former_outcome?.kind, "OUTCOME_KIND_");
      const former = (one.former_values || []).length
        ? measured(one.former_values)
            .map(([metric, text]) => `${metric} ${text}`.trim())
            .join(", ")
        : "no values";
      return h(
        "div",
        { class: "notice plain" },
        h("p", {}, h("strong", {}, one.reason)),
        h("p", { class: "small" }, `Before: ${kind}, ${former}.`),
        h(
          "p",
          { class: "small muted" },
          [clock(one.create_time), one.author && `by ${one.author}`, one.token && `token ${one.token}`]
            .filter(Boolean)
            .join(", "),
        ),
      );
    }),
  );
}

/** How this configuration of the front bears small changes; asked for, because it costs the model a while. */
function robust(page, observation) {
  const out = h("div", {});
  const ask = async () => {
    show(out, h("p", { class: "muted small" }, "Asking the model …"));
    try {
      const { points } = await get(below(page.id, "/robustness"));
      const point = points.find((one) => one.observation_id === observation.id);
      if (!point) {
        show(out, h("p", { class: "notice plain" }, "It left the front meanwhile."));
        return;
      }
      const rows = point.metrics.map((one) => [
        one.metric,
        number(one.nominal),
        number(one.mean),
        number(one.worst),
      ]);
      show(
        out,
        lines([["Metric", "Here", "Nearby", "Bad case"], ...rows]),
        h(
          "p",
          { class: "small muted" },
          "Of its neighbours, all parameters changed by up to 5 % of their ranges, ",
          `${share(Number(point.probability_within_slack || 0))} are as good within a twentieth of the front's range, `,
          `and ${share(Number(point.feasibility || 0))} are feasible.`,
        ),
      );
    } catch (error) {
      show(out);
      say(error.message, true);
    }
  };
  return section("Robustness", out, h("button", { onclick: ask }, "What do small changes do to it?"));
}
