// A part of the page, and how it asks the model.

import { h, show } from "../../dom.js";

export const card = (name, span, ...content) =>
  h("section", { class: `card ${span}`, "aria-label": name }, h("header", {}, h("h2", {}, name)), content);

/** A part that asks the Optimizer, and says what is missing when it cannot answer. */
export function asked(body, work, waiting = "Asking the model …") {
  return async () => {
    // What was told before stays, with the keyboard in it, until there is something else to tell.
    if (!body.hasChildNodes()) show(body, h("p", { class: "muted" }, waiting));
    body.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      show(
        body,
        h(
          "p",
          { class: "notice plain" },
          error.reason === "TOO_FEW_OBSERVATIONS"
            ? `${error.message} Come back when more trials are in.`
            : error.message,
        ),
      );
    }
    body.setAttribute("aria-busy", "false");
  };
}
