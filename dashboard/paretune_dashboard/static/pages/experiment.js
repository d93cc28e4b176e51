// One experiment: what all its tabs share, kept live.

import { below, follow, get, post, readOnly } from "../api.js";
import { debounced, dialog, h, say, show, update } from "../dom.js";
import { ago, policyOf, stateOf } from "../format.js";
import { Trials } from "../model.js";
import { chip, setState } from "./list.js";

const PATIENT = 2000;
const TABS = [
  ["", "Overview", () => import("./overview.js")],
  ["understand", "Understand", () => import("./understand.js")],
  ["trials", "Trials", () => import("./trials.js")],
  ["settings", "Settings", () => import("./settings.js")],
];

export async function open(main, at, current) {
  const page = { id: at.id, query: at.query, selected: null, current, listeners: new Set(), version: 0 };
  page.trials = new Trials(await get(below(at.id, "/charts/trials")));
  if (!current()) return;
  page.experiment = page.trials.experiment;
  document.title = `${page.experiment.name} · paretune`;
  const head = h("div", {}),
    note = h("div", {}),
    body = h("div", {});
  show(main, head, note, tabs(at), body);

  /** Tell the tab what changed: "trials", "front", "experiment", "selection". */
  page.tell = (what) => page.listeners.forEach((listener) => listener(what));
  page.select = (ordinals) => {
    page.selected = ordinals && ordinals.size ? ordinals : null;
    page.tell("selection");
  };
  page.openTrial = async (ordinal) => (await import("./trial.js")).openTrial(page, ordinal);
  page.openRunning = async (suggestion) => (await import("./running.js")).openRunning(page, suggestion);
  // The gateway may be reading the trials still: what the Store counts is known at once.
  const isLong = () =>
    Math.max(page.trials.total, Number(page.experiment.progress?.observations || 0)) > PATIENT;
  page.refreshFront = async () => {
    // The probabilities of being efficient cost a look at everything: not in a long history.
    const quick = isLong();
    const [front, curve] = await Promise.all([
      get(below(page.id, "/charts/front"), { slack: page.slack || 0, quick }),
      get(below(page.id, "/charts/hypervolume")),
    ]);
    if (!current()) return;
    page.front = front;
    page.curve = curve;
    page.tell("front");
  };
  page.reload = debounced(async () => {
    page.trials.replace(await get(below(at.id, "/charts/trials")));
    page.version++;
    page.tell("trials");
  }, 300);
  const refresh = throttled(() => page.refreshFront().catch((error) => say(error.message, true)), 250);

  let online = true;
  const drawHead = () => update(head, heading(page, online));
  drawHead();
  const tab = TABS.find(([key]) => key === at.tab) || TABS[0];
  const module = await tab[2]();
  // Not waited for: with a long history the Optimizer may be reading it still, and the points are here.
  const front = page.refreshFront().catch((error) => {
    page.frontError = error;
    page.tell("front");
  });
  if (!isLong()) await front;
  if (!current()) return;
  const left = await module.open(body, page);
  const stream = follow(at.id, page.trials.total, {
    message(data) {
      page.experiment = page.trials.experiment = data.experiment;
      page.trials.active = data.active;
      const grew = page.trials.add(data.rows);
      if (data.reload) page.reload();
      drawHead();
      page.tell(grew ? "trials" : "experiment");
      if (grew || data.reload) refresh();
    },
    error(error) {
      show(note, h("p", { class: "notice bad", role: "alert" }, error.message));
    },
    state(now) {
      if (now !== online) {
        online = now;
        drawHead();
      }
    },
  });
  return () => {
    stream.close();
    left?.();
    page.listeners.clear();
  };
}

function tabs(at) {
  return h(
    "nav",
    { class: "tabs", "aria-label": "Views of the experiment" },
    TABS.map(([key, text]) =>
      h(
        "a",
        {
          href: `#/experiments/${encodeURIComponent(at.id)}${key && `/${key}`}`,
          "aria-current": (TABS.some(([k]) => k === at.tab) ? at.tab : "") === key && "page",
        },
        text,
      ),
    ),
  );
}

function heading(page, online) {
  const { experiment } = page,
    state = stateOf(experiment);
  const act = (word, label, kind = "") =>
    h(
      "button",
      {
        class: kind,
        onclick: async () => {
          try {
            await setState(page.experiment, word);
          } catch (error) {
            say(error.message, true);
          }
        },
      },
      label,
    );
  return h(
    "div",
    { class: "head" },
    h(
      "div",
      { class: "grow" },
      h(
        "div",
        { class: "row" },
        h("h1", {}, experiment.name),
        chip(experiment),
        h(
          "span",
          { class: `chip ${online ? "" : "warn"}`, title: online ? "Changes appear by themselves" : "" },
          h("i", { class: online ? "dot live" : "dot" }),
          online ? "live" : "connecting …",
        ),
      ),
      h(
        "p",
        { class: "sub" },
        [
          experiment.id,
          experiment.workload?.name,
          `policy ${policyOf(experiment.policy)}`,
          `created ${ago(experiment.create_time)}`,
        ]
          .filter(Boolean)
          .join(" · "),
      ),
    ),
    !readOnly() &&
      h(
        "div",
        { class: "row tight" },
        state === "active"
          ? act("PAUSED", "Pause")
          : state === "paused"
            ? act("ACTIVE", "Resume")
            : act("ACTIVE", "Reopen"),
        h("button", { onclick: () => shareLink(page) }, "Share"),
        h("a", { class: "button", href: `#/compare?ids=${encodeURIComponent(page.id)}` }, "Compare"),
        h(
          "a",
          {
            class: "button",
            href: `/api/v1/experiments/${encodeURIComponent(page.id)}/report`,
            download: `${page.id}.html`,
          },
          "Report",
        ),
      ),
  );
}

async function shareLink(page) {
  try {
    const made = await post(below(page.id, "/share"));
    const link = new URL(made.path, location.href).href;
    const field = h("input", { readOnly: true, value: link, "aria-label": "Link" });
    field.style.setProperty("width", "100%");
    dialog("Share, read-only", [
      h(
        "p",
        { class: "muted" },
        `Whoever opens this link within ${Math.round(made.seconds / 86400)} days sees this experiment, live, and can change nothing.`,
      ),
      field,
      h(
        "button",
        {
          class: "primary",
          onclick: async () => {
            field.select();
            await navigator.clipboard?.writeText(link);
            say("Copied.");
          },
        },
        "Copy",
      ),
    ]);
  } catch (error) {
    say(error.message, true);
  }
}

/** At once, then at most every `ms` while calls go on; never two at a time. */
function throttled(work, ms) {
  let running = false,
    again = false;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    await work();
    await new Promise((resolve) => setTimeout(resolve, ms));
    running = false;
    if (again) {
      again = false;
      run();
    }
  };
}
