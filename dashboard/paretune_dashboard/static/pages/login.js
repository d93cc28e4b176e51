// Log in with an access token.

import { logIn } from "../api.js";
import { h, show } from "../dom.js";

export function open(main, at) {
  document.title = "Log in · paretune";
  const token = h("input", {
    type: "password",
    id: "token",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
  });
  token.style.setProperty("width", "100%");
  const note = h("div", { role: "alert" });
  const button = h("button", { class: "primary", type: "submit" }, "Log in");
  const form = h(
    "form",
    {
      class: "stack",
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        try {
          await logIn(token.value.trim());
          const to = at.query.get("to") || "";
          location.hash = to.startsWith("#/") && !to.startsWith("#/login") ? to : "#/";
        } catch (error) {
          show(note, h("p", { class: "notice bad" }, error.message));
          button.disabled = false;
          token.select();
        }
      },
    },
    h("label", { class: "field" }, "Access token", token),
    note,
    button,
  );
  show(
    main,
    h(
      "div",
      { class: "login card stack" },
      h("h1", {}, "Log in"),
      h(
        "p",
        { class: "muted" },
        "These services ask for a token. Whoever runs them can make one for you; it stays in this dashboard's memory and is sent to the services alone.",
      ),
      form,
    ),
  );
  token.focus();
}
