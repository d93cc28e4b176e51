// A form for one configuration: a field per parameter, in its range.

import { h, show } from "../dom.js";
import { number } from "../format.js";
import { wireValue } from "../model.js";

/** {element, assignments(), complain(error)}; `given` maps names to values; `onchange` hears every change. */
export function configurationForm(trials, given = null, onchange = () => {}) {
  const note = h("div", { role: "alert" });
  const fields = new Map();
  const lines = trials.parameters.map((parameter) => {
    const start = given?.get(parameter.name) ?? parameter.fallback ?? middle(parameter);
    const input =
      parameter.choices || parameter.grid
        ? h(
            "select",
            {},
            (parameter.choices || parameter.grid).map((value) =>
              h("option", { value, selected: String(value) === String(start) }, value),
            ),
          )
        : h("input", {
            type: "number",
            value: start,
            min: parameter.min,
            max: parameter.max,
            step: parameter.kind === "int" ? 1 : "any",
          });
    const line = h(
      "label",
      { class: "field" },
      h(
        "span",
        {},
        parameter.name,
        !parameter.choices &&
          h("span", { class: "faint" }, `  ${number(parameter.min)} to ${number(parameter.max)}`),
      ),
      input,
    );
    input.addEventListener("input", () => {
      active();
      onchange();
    });
    fields.set(parameter.name, { parameter, input, line });
    return line;
  });

  /** A conditional parameter counts only while its parent has one of the values. */
  function isActive(parameter) {
    if (!parameter.condition) return true;
    const parent = fields.get(parameter.condition.parent);
    if (!parent || !isActive(parent.parameter)) return false;
    return parameter.condition.values.some(
      (value) =>
        String(value.string_value ?? value.int_value ?? value.double_value) === String(parent.input.value),
    );
  }
  function active() {
    for (const { parameter, line } of fields.values()) line.classList.toggle("hidden", !isActive(parameter));
  }
  active();
  return {
    element: h("div", { class: "stack tight" }, h("div", { class: "split" }, lines), note),
    assignments: () =>
      Object.fromEntries(
        [...fields.values()]
          .filter(({ parameter }) => isActive(parameter))
          .map(({ parameter, input }) => [parameter.name, wireValue(parameter, input.value)]),
      ),
    complain: (error) => show(note, h("p", { class: "notice bad" }, error.message)),
  };
}

function middle(parameter) {
  if (parameter.choices) return parameter.choices[0];
  const value = parameter.log
    ? Math.sqrt(parameter.min * parameter.max)
    : (parameter.min + parameter.max) / 2;
  return parameter.kind === "int" ? Math.round(value) : Number(value.toPrecision(4));
}
