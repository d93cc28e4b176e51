// The page: which place the address names, the bar above it, the theme.

import { currentSession, logOut, openSession, readOnly } from "./api.js";
import { redrawAll } from "./chart.js";
import { failed, h, say, show } from "./dom.js";

const PLACES = [
  ["#/", "Experiments", "experiments"],
  ["#/compare", "Compare", "compare"],
  ["#/nodes", "Nodes", "nodes"],
];
const PAGES = {
  "": () => import("./pages/list.js"),
  new: () => import("./pages/create.js"),
  experiments: () => import("./pages/experiment.js"),
  compare: () => import("./pages/compare.js"),
  nodes: () => import("./pages/nodes.js"),
  login: () => import("./pages/login.js"),
};

const main = document.getElementById("main");
let leave = () => {};
let turn = 0;

/** The address: {place, id, tab, query}. */
function here() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [place = "", id = "", tab = ""] = path.split("/").map(decoded);
  return { place, id, tab, query: new URLSearchParams(query) };
}

/** What a part of the address means; itself where it is no encoding of anything. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function go() {
  const mine = ++turn;
  leave();
  leave = () => {};
  // What lies open belongs to the place that is left.
  document.querySelectorAll("dialog").forEach((box) => box.close());
  const at = here();
  const session = currentSession();
  if (session.login_required && at.place !== "login") {
    location.replace(`#/login?to=${encodeURIComponent(location.hash)}`);
    return;
  }
  if (session.shared && at.place !== "experiments") {
    location.replace(`#/experiments/${encodeURIComponent(session.shared)}`);
    return;
  }
  bar(at);
  show(main, h("p", { class: "loading" }, "Loading …"));
  try {
    const page = await (PAGES[at.place] || PAGES[""])();
    const left = await page.open(main, at, () => mine === turn);
    if (mine === turn) leave = left || (() => {});
    else left?.();
  } catch (error) {
    if (mine === turn) show(main, failed(error, go));
  }
}

function bar(at) {
  const place = ["", "new"].includes(at.place) || !PAGES[at.place] ? "experiments" : at.place;
  show(
    document.querySelector(".places"),
    readOnly()
      ? h("a", { "aria-current": "page", href: location.hash }, "Shared, read-only")
      : at.place === "login"
        ? []
        : PLACES.map(([href, text, key]) => h("a", { href, "aria-current": key === place && "page" }, text)),
  );
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  show(
    document.querySelector(".bar-end"),
    h(
      "a",
      { class: "button quiet wide-only", href: "/api/v1/docs", target: "_blank", rel: "noopener" },
      "API",
    ),
    h(
      "button",
      {
        class: "quiet icon",
        "aria-label": `Switch to the ${theme === "dark" ? "light" : "dark"} theme`,
        title: "Light or dark",
        onclick: () => switchTheme(theme === "dark" ? "light" : "dark"),
      },
      theme === "dark" ? "☀" : "☾",
    ),
    currentSession().logged_in &&
      h(
        "button",
        {
          class: "quiet",
          onclick: async () => {
            await logOut();
            location.hash = "#/login";
          },
        },
        "Log out",
      ),
  );
}

function switchTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("paretune-theme", theme);
  } catch {
    /* lasts as long as the page, then */
  }
  bar(here());
  redrawAll();
}

addEventListener("hashchange", (event) => {
  const path = (address) => new URL(address).hash.split("?")[0];
  // A change of the query alone is the page's own: it keeps its place in there.
  if (path(event.newURL) !== path(event.oldURL)) go().then(() => main.focus({ preventScroll: true }));
});
addEventListener("logged-out", async () => {
  await openSession().catch(() => {});
  if (currentSession().login_required) go();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  bar(here());
  redrawAll();
});
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.message) say(event.reason.message, true);
});

openSession().then(go, (error) =>
  show(
    main,
    failed(error, () => location.reload()),
  ),
);
