// A new experiment: from a form or from YAML; each becomes the other, where the form can hold it.

import { below, get, getText, newRequestId, post } from "../api.js";
import { h, say, show } from "../dom.js";
import { formOf } from "./create/form.js";

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

export async function open(main, at, current) {
  document.title = "New experiment · paretune";
  const from = at.query.get("from");
  const start = from ? await getText(below(from, "/yaml")) : EXAMPLE;
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
        onclick: async () => {
          if (key === mode) return;
          show(note);
          if (key === "yaml" && form.touched()) yaml.value = form.yaml();
          if (key === "form" && !(await fillForm())) return;
          mode = key;
          draw();
        },
      },
      names[key],
    ),
  );
  /** Whether the form holds what the YAML says now; what it cannot hold is told. */
  async function fillForm() {
    try {
      const { experiment } = await post("/parse", { yaml: yaml.value });
      form.fill(experiment);
      const again = await post("/parse", { yaml: form.yaml() });
      const lost = Object.keys({ ...experiment, ...again.experiment }).filter(
        (name) => JSON.stringify(experiment[name]) !== JSON.stringify(again.experiment[name]),
      );
      if (!lost.length) return true;
      complain(`The form cannot hold all of this: ${lost.join(", ").replaceAll("_", " ")}. Go on in YAML.`);
    } catch (error) {
      complain(error.message);
    }
    return false;
  }
  const complain = (text) => show(note, h("p", { class: "notice bad" }, text));

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
          complain(error.message);
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
