// What an experiment searches, and the few things that may be changed while it runs.

import { address, below, newRequestId, patch, readOnly } from "../api.js";
import { h, say, show } from "../dom.js";
import { bare, clock, duration, number, policyOf } from "../format.js";

export function open(body, page) {
  const draw = () => {
    const { experiment } = page,
      { metrics, parameters } = page.trials;
    const table = (columns, rows) =>
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
              columns.map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            {},
            rows.map((row) =>
              h(
                "tr",
                {},
                row.map((cell) => h("td", {}, cell ?? "–")),
              ),
            ),
          ),
        ),
      );
    show(
      body,
      h(
        "div",
        { class: "grid" },
        h(
          "section",
          { class: "card span-7" },
          h("header", {}, h("h2", {}, "Metrics")),
          table(
            ["Name", "Goal", "Role", "Threshold", "Unit"],
            metrics.map((metric) => [
              metric.name,
              metric.maximize ? "maximize" : "minimize",
              { STRATEGY_CONSTRAIN: "constraint", STRATEGY_STORE: "recorded only" }[metric.strategy] ||
                "optimized",
              metric.limit !== undefined
                ? number(metric.limit)
                : metric.relative
                  ? `${metric.relative.factor} × baseline`
                  : null,
              metric.unit,
            ]),
          ),
        ),
        h(
          "section",
          { class: "card span-5" },
          h("header", {}, h("h2", {}, "Facts")),
          h(
            "dl",
            { class: "facts" },
            [
              ["Id", experiment.id],
              ["Project", experiment.project],
              ["Policy", policyOf(experiment.policy)],
              ["Seed", experiment.seed],
              ["Measures again", experiment.remeasure ? "where that tells more" : "never"],
              ["Workload", experiment.workload?.name || "none: your own workers"],
              ...Object.entries(experiment.workload?.settings || {}),
              ["Fidelity", fidelity(experiment.fidelity)],
              ["Early stopping", earlyStopping(experiment.early_stopping)],
              ["Lease", lease(experiment.lease_policy)],
              ["Created", clock(experiment.create_time)],
              ["Changed", clock(experiment.update_time)],
              ...Object.entries(experiment.labels || {}).map(([key, value]) => [`label ${key}`, value]),
              ...Object.entries(experiment.metadata || {}),
            ]
              .filter(([, value]) => value !== undefined && value !== "")
              .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
          ),
        ),
        h(
          "section",
          { class: "card span-7" },
          h("header", {}, h("h2", {}, "Parameters")),
          table(
            ["Name", "Kind", "Values", "Only when"],
            parameters.map((parameter) => [
              parameter.name,
              parameter.kind,
              parameter.choices
                ? parameter.choices.join(", ")
                : parameter.grid
                  ? parameter.grid.map((value) => number(value)).join(", ")
                  : `${number(parameter.min)} to ${number(parameter.max)}${parameter.log ? ", logarithmic" : ""}`,
              parameter.condition
                ? `${parameter.condition.parent} is ${parameter.condition.values.map((value) => Object.values(value)[0]).join(" or ")}`
                : null,
            ]),
          ),
          constraints(experiment.linear_constraints || []),
        ),
        h(
          "section",
          { class: "card span-5" },
          h("header", {}, h("h2", {}, "Change")),
          !readOnly() ? changes(page) : h("p", { class: "muted" }, "This link is read-only."),
          h(
            "p",
            { class: "small" },
            h(
              "a",
              { href: address(below(page.id, "/yaml")), download: `${page.id}.yaml` },
              "Download as YAML",
            ),
          ),
        ),
      ),
    );
  };
  draw();
}

function constraints(all) {
  if (!all.length) return null;
  return [
    h("h3", { class: "gap" }, "Linear constraints"),
    all.map((one) => h("p", {}, h("code", {}, inequality(one)))),
  ];
}

/** A linear constraint as one writes it: 2 a − b <= 1. */
function inequality({ terms, upper_bound }) {
  const sum = terms.map(({ parameter, weight }, k) => {
    const size = Math.abs(weight),
      sign = weight < 0 ? (k ? " − " : "−") : k ? " + " : "";
    return `${sign}${size === 1 ? "" : `${number(size, 6)} `}${parameter}`;
  });
  return `${sum.join("")} <= ${number(upper_bound, 6)}`;
}

const fidelity = (one) => (one ? `${one.name}, ${one.min} to ${one.max}` : "the workload's own");

function earlyStopping(one) {
  if (!one) return "never";
  const rules = one.rules.map((rule) => bare(rule, "EARLY_STOPPING_RULE_"));
  return [
    rules.join(", "),
    rules.some((rule) => rule !== "halving") && `with probability ${number(one.confidence || 0.9)}`,
    rules.includes("halving") && `one in ${one.reduction || 3} goes on`,
    Number(one.min_step) > 0 && `from step ${one.min_step}`,
  ]
    .filter(Boolean)
    .join("; ");
}

const lease = (one) =>
  `${duration(parseFloat(one?.ttl ?? 60))} without a sign of life, ${one?.max_attempts || 3} attempts`;

function changes(page) {
  const { experiment } = page;
  const name = h("input", { value: experiment.name }),
    budget = h("input", { type: "number", min: 0, value: experiment.observation_budget }),
    width = h("input", { type: "number", min: 0, value: experiment.parallelism });
  return h(
    "form",
    {
      class: "stack tight",
      onsubmit: async (event) => {
        event.preventDefault();
        try {
          const reply = await patch(below(page.id), {
            experiment: {
              etag: page.experiment.etag,
              name: name.value,
              observation_budget: budget.value || "0",
              parallelism: Number(width.value || 0),
            },
            update_mask: "name,observationBudget,parallelism",
            request_id: newRequestId(),
          });
          page.experiment = reply.experiment;
          say("Saved.");
        } catch (error) {
          say(error.message, true);
        }
      },
    },
    h("label", { class: "field" }, "Name", name),
    h("label", { class: "field" }, "Observations planned (0: open)", budget),
    h("label", { class: "field" }, "Trials at once", width),
    h("button", { class: "primary" }, "Save"),
  );
}
