// Amending a recorded result: new values or another outcome, with a reason that stays with it.

import { newRequestId, post } from "../api.js";
import { dialog, h, say, show } from "../dom.js";

const OUTCOMES = [
  ["OUTCOME_KIND_OK", "ok: it counts"],
  ["OUTCOME_KIND_INFEASIBLE", "infeasible: the configuration cannot work"],
  ["OUTCOME_KIND_CRASHED", "crashed: the result leaves the search"],
  ["OUTCOME_KIND_STOPPED_EARLY", "stopped early"],
];

/** Ask for the new numbers and why, and send them; `done` is called when they are recorded. */
export function amend(page, observation, done) {
  const known = new Map((observation.values || []).map((value) => [value.metric, value]));
  const field = (label, value) =>
    h("input", { type: "number", step: "any", value: value ?? "", "aria-label": label });
  const rows = page.trials.metrics.map((metric) => {
    const value = known.get(metric.name);
    return {
      metric,
      value: field(metric.name, value?.value),
      error: field(`error of ${metric.name}`, value?.stddev),
    };
  });
  const outcome = h(
    "select",
    {},
    OUTCOMES.map(([kind, text]) =>
      h("option", { value: kind, selected: kind === (observation.outcome?.kind || OUTCOMES[0][0]) }, text),
    ),
  );
  const said = h("input", {
    value: observation.outcome?.reason || "",
    placeholder: "for infeasible and crashed",
  });
  const reason = h("input", {
    required: true,
    maxlength: 1000,
    placeholder: "measured again on a quiet machine",
  });
  const author = h("input", {
    maxlength: 200,
    placeholder: "your name",
    value: sessionStorage.getItem("author") || "",
  });
  const note = h("div", { role: "alert" });
  const values = () =>
    rows
      .filter(({ value }) => value.value !== "")
      .map(({ metric, value, error }) => ({
        metric: metric.name,
        value: Number(value.value),
        ...(error.value === "" ? {} : { stddev: Number(error.value) }),
      }));
  const box = dialog(`Amend trial ${observation.ordinal}`, [
    h(
      "p",
      { class: "muted" },
      "Everybody sees the new values from then on, the model too. The former ones stay with the trial.",
    ),
    rows.map(({ metric, value, error }) =>
      h(
        "div",
        { class: "split" },
        h("label", { class: "field" }, metric.name, metric.unit && ` [${metric.unit}]`, value),
        h("label", { class: "field" }, "standard error", error),
      ),
    ),
    h("label", { class: "field" }, "Outcome", outcome),
    h("label", { class: "field" }, "What happened", said),
    h("label", { class: "field" }, "Why do you amend it?", reason),
    h("label", { class: "field" }, "Who are you?", author),
    note,
    h(
      "button",
      {
        class: "primary",
        onclick: async () => {
          const kind = outcome.value;
          try {
            await post(`/observations/${encodeURIComponent(observation.id)}/amend`, {
              values: values(),
              outcome: { ...observation.outcome, kind, reason: kind === OUTCOMES[0][0] ? "" : said.value },
              reason: reason.value,
              author: author.value,
              amendment_count: (observation.amendments || []).length,
              request_id: newRequestId(),
            });
          } catch (error) {
            show(note, h("p", { class: "notice bad" }, error.message));
            return;
          }
          sessionStorage.setItem("author", author.value);
          box.close();
          say(`Trial ${observation.ordinal} is amended.`);
          done();
        },
      },
      "Amend",
    ),
  ]);
}
