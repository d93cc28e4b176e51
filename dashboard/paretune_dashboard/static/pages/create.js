// A new experiment: from a form or from YAML; either becomes the other.

import { below, address, get, newRequestId, post } from "../api.js";
import { choice, h, say, show } from "../dom.js";

const EXAMPLE = `name: my network
parameters:
  - {name: learning_rate, type: double, min: 1.0e-4, max: 1.0e-1, log: true}
  - {name: layers, type: int, min: 1, max: 6}
  - {name: activation, type: categorical, choices: [relu, gelu]}
metrics:
  - {name: accuracy, goal: maximize}
  - {name: inference_ms, goal: minimize, unit: ms}
observation_budget: 60
`;
const POLICIES = ["auto", "gp", "tpe", "sobol", "random", "grid", "nsga2"].map((name) => [name, name]);

export async function open(main, at, current) {
  document.title = "New experiment · paretune";
  const from = at.query.get("from");
  const start = from ? await (await fetch(address(below(from, "/yaml")))).text() : EXAMPLE;
  const { workloads } = await get("/workloads").catch(() => ({ workloads: [] }));
  if (!current()) return;
  const note = h("div", { role: "alert" });
  const yaml = h("textarea", { rows: 22, spellcheck: "false", "aria-label": "YAML" }, start);
  yaml.value = start;
  const form = formOf(workloads);
  const body = h("div", {});
  let mode = from ? "yaml" : "form";
  const names = { form: "Form", yaml: "YAML" };
  const buttons = Object.keys(names).map((key) =>
    h(
      "button",
      {
        "aria-pressed": "false",
        onclick: () => {
          if (key === "yaml" && mode === "form" && form.touched()) yaml.value = form.yaml();
          mode = key;
          draw();
        },
      },
      names[key],
    ),
  );
  function draw() {
    buttons.forEach((button, k) =>
      button.setAttribute("aria-pressed", String(Object.keys(names)[k] === mode)),
    );
    show(
      body,
      mode === "form"
        ? form.element
        : [
            yaml,
            h(
              "p",
              { class: "small muted" },
              "The same format as ",
              h("code", {}, "paretune run FILE.yaml"),
              " reads.",
            ),
          ],
    );
  }
  const create = h(
    "button",
    {
      class: "primary",
      onclick: async () => {
        create.disabled = true;
        try {
          const { experiment } = await post("/parse", { yaml: mode === "form" ? form.yaml() : yaml.value });
          const made = await post("/experiments", { experiment, request_id: newRequestId() });
          say(`${made.experiment.name} is there.`);
          location.hash = `#/experiments/${encodeURIComponent(made.experiment.id)}`;
        } catch (error) {
          show(note, h("p", { class: "notice bad" }, error.message));
          create.disabled = false;
        }
      },
    },
    "Create",
  );
  show(
    main,
    h(
      "div",
      { class: "head" },
      h("h1", { class: "grow" }, from ? "Duplicate" : "New experiment"),
      h("div", { class: "segments", role: "group", "aria-label": "How to describe it" }, buttons),
    ),
    h(
      "div",
      { class: "card stack" },
      body,
      note,
      h("div", { class: "row" }, create, h("a", { class: "button", href: "#/" }, "Cancel")),
    ),
  );
  draw();
}

const quote = (text) => JSON.stringify(String(text));

function formOf(workloads) {
  let touched = false;
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
  let policy = "auto";
  const parameters = h("div", { class: "stack tight" }),
    metrics = h("div", { class: "stack tight" });
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
          onclick: () => line.remove(),
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
          onclick: () => line.remove(),
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
  workload.addEventListener("change", () => {
    const chosen = workloads.find((one) => one.name === workload.value);
    if (!chosen) return;
    // A built-in workload knows what it understands and what it reports.
    show(
      parameters,
      chosen.parameters.map((one) => {
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
      chosen.metrics.map((one) =>
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
  });
  const add = (box, line, text) => h("button", { type: "button", onclick: () => box.append(line()) }, text);
  const element = h(
    "div",
    {
      class: "stack",
      oninput: () => {
        touched = true;
      },
    },
    h(
      "div",
      { class: "split" },
      field("Name", name),
      field("Workload", workload),
      field("Observations planned", budget),
      field("Trials at once", width),
    ),
    choice("Policy", POLICIES, policy, (value) => {
      policy = value;
      touched = true;
    }),
    h("h3", {}, "Parameters"),
    parameters,
    h("div", {}, add(parameters, parameterLine, "Add a parameter")),
    h("h3", {}, "Metrics"),
    metrics,
    h("div", {}, add(metrics, metricLine, "Add a metric")),
  );
  return {
    element,
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
        `policy: ${policy}`,
      ]
        .filter(Boolean)
        .join("\n") + "\n",
  };
}
