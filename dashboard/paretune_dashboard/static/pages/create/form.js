// A new experiment as a form: the fields most need, a line for each parameter and metric.

import { h, show } from "../../dom.js";
import { policyOf } from "../../format.js";

const POLICIES = ["auto", "gp", "tpe", "sobol", "random", "grid", "nsga2"];
const quote = (text) => JSON.stringify(String(text));

/** {element, yaml(), fill(experiment), touched()}: whether somebody changed something since it was filled. */
export function formOf(workloads) {
  let touched = false;
  const touch = () => {
    touched = true;
  };
  const field = (label, input) => h("label", { class: "field" }, label, input);
  const name = h("input", { value: "my network", required: true }),
    budget = h("input", { type: "number", min: 0, value: 60 }),
    width = h("input", { type: "number", min: 1, value: 1 });
  const workload = h(
    "select",
    {},
    h("option", { value: "" }, "none: my own workers"),
    workloads.map((one) => h("option", { value: one.name }, `${one.name} — ${one.summary}`)),
  );
  const policy = h(
    "select",
    {},
    POLICIES.map((one) => h("option", { value: one }, one)),
  );
  const parameters = h("div", { class: "stack tight" }),
    metrics = h("div", { class: "stack tight" });
  const removed = (line) => {
    line.remove();
    touch();
  };
  const lines = (box) => [...box.children].map((line) => line.read());

  function parameterLine({ name = "", kind = "double", min = 0, max = 1, log = false, choices = "" } = {}) {
    const inputs = {
      name: h("input", { value: name, placeholder: "name", "aria-label": "Parameter name" }),
      min: h("input", { value: min, "aria-label": "Smallest", inputmode: "decimal" }),
      max: h("input", { value: max, "aria-label": "Largest", inputmode: "decimal" }),
      log: h("input", { type: "checkbox", checked: log }),
      choices: h("input", { value: choices, placeholder: "one, two, three", "aria-label": "Choices" }),
    };
    const ends = h(
      "span",
      { class: "row tight" },
      inputs.min,
      "to",
      inputs.max,
      h("label", { class: "check" }, inputs.log, "log"),
    );
    const type = h(
      "select",
      { "aria-label": "Kind" },
      ["double", "int", "categorical"].map((one) => h("option", { value: one, selected: one === kind }, one)),
    );
    const swap = () => {
      ends.classList.toggle("hidden", type.value === "categorical");
      inputs.choices.classList.toggle("hidden", type.value !== "categorical");
    };
    type.addEventListener("change", swap);
    for (const one of [inputs.min, inputs.max]) one.style.width = "7.5em";
    const line = h(
      "div",
      { class: "row tight" },
      inputs.name,
      type,
      ends,
      inputs.choices,
      h(
        "button",
        {
          class: "quiet icon",
          type: "button",
          "aria-label": "Remove the parameter",
          onclick: () => removed(line),
        },
        "✕",
      ),
    );
    swap();
    line.read = () =>
      type.value === "categorical"
        ? `  - {name: ${quote(inputs.name.value)}, type: categorical, choices: [${inputs.choices.value
            .split(",")
            .map((one) => quote(one.trim()))
            .join(", ")}]}`
        : `  - {name: ${quote(inputs.name.value)}, type: ${type.value}, min: ${inputs.min.value || "null"}, max: ${inputs.max.value || "null"}${inputs.log.checked ? ", log: true" : ""}}`;
    return line;
  }
  function metricLine({
    name = "",
    goal = "maximize",
    unit = "",
    strategy = "optimize",
    threshold = "",
  } = {}) {
    const inputs = {
      name: h("input", { value: name, placeholder: "name", "aria-label": "Metric name" }),
      threshold: h("input", {
        value: threshold,
        placeholder: "threshold",
        "aria-label": "Threshold",
        inputmode: "decimal",
      }),
      unit: h("input", { value: unit, placeholder: "unit", "aria-label": "Unit" }),
    };
    const pick = (label, options, value) =>
      h(
        "select",
        { "aria-label": label },
        options.map((one) => h("option", { value: one, selected: one === value }, one)),
      );
    const direction = pick("Goal", ["maximize", "minimize"], goal),
      role = pick("Role", ["optimize", "constrain", "store"], strategy);
    inputs.threshold.style.width = "8em";
    inputs.unit.style.width = "5em";
    const line = h(
      "div",
      { class: "row tight" },
      inputs.name,
      direction,
      role,
      inputs.threshold,
      inputs.unit,
      h(
        "button",
        {
          class: "quiet icon",
          type: "button",
          "aria-label": "Remove the metric",
          onclick: () => removed(line),
        },
        "✕",
      ),
    );
    line.read = () =>
      `  - {name: ${quote(inputs.name.value)}, goal: ${direction.value}${role.value === "optimize" ? "" : `, strategy: ${role.value}`}${inputs.threshold.value ? `, threshold: ${inputs.threshold.value}` : ""}${inputs.unit.value ? `, unit: ${quote(inputs.unit.value)}` : ""}}`;
    return line;
  }
  parameters.append(
    parameterLine({ name: "learning_rate", min: "1e-4", max: "1e-1", log: true }),
    parameterLine({ name: "layers", kind: "int", min: 1, max: 6 }),
    parameterLine({ name: "activation", kind: "categorical", choices: "relu, gelu" }),
  );
  metrics.append(
    metricLine({ name: "accuracy" }),
    metricLine({ name: "inference_ms", goal: "minimize", unit: "ms" }),
  );
  /** Lines for the parameters and metrics of an experiment, or of a workload. */
  function searched(one) {
    show(
      parameters,
      one.parameters.map((one) => {
        const domain = one.double_domain || one.int_domain;
        return parameterLine({
          name: one.name,
          kind: one.double_domain ? "double" : one.int_domain ? "int" : "categorical",
          min: domain?.min,
          max: domain?.max,
          log: domain?.log,
          choices: (one.categorical_domain?.choices || []).join(", "),
        });
      }),
    );
    show(
      metrics,
      one.metrics.map((one) =>
        metricLine({
          name: one.name,
          goal: one.goal.replace("GOAL_", "").toLowerCase(),
          unit: one.unit,
          strategy: (one.strategy || "STRATEGY_OPTIMIZE")
            .replace("STRATEGY_", "")
            .replace("UNSPECIFIED", "OPTIMIZE")
            .toLowerCase(),
          threshold: one.threshold?.absolute ?? "",
        }),
      ),
    );
  }
  workload.addEventListener("change", () => {
    const chosen = workloads.find((one) => one.name === workload.value);
    // A built-in workload knows what it understands and what it reports.
    if (chosen) searched(chosen);
  });
  function fill(experiment) {
    name.value = experiment.name;
    budget.value = experiment.observation_budget;
    width.value = experiment.parallelism || 1;
    workload.value = experiment.workload?.name || "";
    policy.value = policyOf(experiment.policy);
    searched(experiment);
    touched = false;
  }
  const add = (box, line, text) => {
    const append = () => {
      box.append(line());
      touch();
    };
    return h("button", { type: "button", onclick: append }, text);
  };
  const element = h(
    "div",
    { class: "stack", oninput: touch },
    h(
      "div",
      { class: "split" },
      field("Name", name),
      field("Workload", workload),
      field("Observations planned", budget),
      field("Trials at once", width),
    ),
    field("Policy", policy),
    h("h3", {}, "Parameters"),
    parameters,
    h("div", {}, add(parameters, parameterLine, "Add a parameter")),
    h("h3", {}, "Metrics"),
    metrics,
    h("div", {}, add(metrics, metricLine, "Add a metric")),
  );
  return {
    element,
    fill,
    touched: () => touched,
    yaml: () =>
      [
        `name: ${quote(name.value)}`,
        workload.value && `workload: ${quote(workload.value)}`,
        "parameters:",
        ...lines(parameters),
        "metrics:",
        ...lines(metrics),
        `observation_budget: ${budget.value || 0}`,
        `parallelism: ${width.value || 1}`,
        `policy: ${policy.value}`,
      ]
        .filter(Boolean)
        .join("\n") + "\n",
  };
}
