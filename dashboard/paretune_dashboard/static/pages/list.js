// All experiments: what there is, how far it is, what it found.

import { below, get, newRequestId, patch } from "../api.js";
import { spark } from "../charts/spark.js";
import { choice, empty, h, say, show, update } from "../dom.js";
import { ago, count, number, plural, stateOf } from "../format.js";
import { metricsOf } from "../model.js";

const PAGE = 60;
const REFRESH = 5000;
const STATES = [
  ["", "All but archived"],
  ["ACTIVE", "Active"],
  ["PAUSED", "Paused"],
  ["FINISHED", "Finished"],
  ["ARCHIVED", "Archived"],
];
const ALL = ["ACTIVE", "PAUSED", "FINISHED", "ARCHIVED"];

export async function open(main, at, current) {
  document.title = "Experiments · paretune";
  const wanted = { text: "", state: "" };
  let experiments = [],
    next = "",
    sums = new Map(),
    timer = 0;
  const body = h("div", {}),
    rows = h("tbody"),
    names = ["Experiment", "Progress", "Hypervolume", "Best values", "State", ""];
  const head = h(
    "tr",
    {},
    names.map((name, k) => h("th", { scope: "col", class: k === 2 && "wide-only" }, name)),
  );
  const table = h("div", { class: "card scroll" }, h("table", {}, h("thead", {}, head), rows));
  const more = h("button", { class: "hidden", onclick: () => load(false) }, "Show more");
  const search = h("input", {
    type: "search",
    placeholder: "Search by name, id, label or metric",
    "aria-label": "Search experiments",
    oninput: () => {
      wanted.text = search.value;
      draw();
    },
  });
  show(
    main,
    h(
      "div",
      { class: "head" },
      h("h1", { class: "grow" }, "Experiments"),
      h("a", { class: "button primary", href: "#/new" }, "New experiment"),
    ),
    h(
      "div",
      { class: "controls" },
      h("div", { class: "grow" }, search),
      choice(
        "State",
        STATES,
        "",
        (value) => {
          wanted.state = value;
          load(true);
        },
        true,
      ),
    ),
    body,
    h("div", { class: "row" }, more),
  );
  search.style.setProperty("width", "min(420px, 100%)");

  async function load(fresh) {
    const states = wanted.state
      ? [`EXPERIMENT_STATE_${wanted.state}`]
      : ALL.slice(0, 3).map((state) => `EXPERIMENT_STATE_${state}`);
    const reply = await get("/experiments", { page_size: PAGE, states, page_token: fresh ? "" : next });
    if (!current()) return;
    experiments = fresh ? reply.experiments : [...experiments, ...reply.experiments];
    next = reply.next_page_token;
    more.classList.toggle("hidden", !next);
    draw();
    summarize(reply.experiments);
  }

  async function summarize(page) {
    // A few at a time: the list is there already, and each of these costs the Optimizer a look at a history.
    const waiting = page.filter((one) => sums.get(one.id)?.etag !== key(one));
    const worker = async () => {
      for (let one = waiting.shift(); one && current(); one = waiting.shift()) {
        try {
          const [front, curve] = await Promise.all([
            get(below(one.id, "/charts/front"), { quick: true }),
            get(below(one.id, "/charts/hypervolume"), { points: 40 }),
          ]);
          sums.set(one.id, { etag: key(one), front, curve });
        } catch {
          sums.set(one.id, { etag: key(one) });
        }
        draw();
      }
    };
    await Promise.all([worker(), worker()]);
  }
  const key = (one) => `${one.etag} ${one.progress?.observations}`;

  function draw() {
    if (!current()) return;
    const text = wanted.text.trim().toLowerCase();
    const found = experiments.filter(
      (one) =>
        !text ||
        [
          one.name,
          one.id,
          ...Object.values(one.labels || {}),
          ...one.metrics.map((m) => m.name),
          one.workload?.name || "",
        ].some((word) => word.toLowerCase().includes(text)),
    );
    if (!experiments.length) {
      update(
        body,
        h(
          "div",
          { class: "card" },
          wanted.state
            ? empty("None in this state")
            : empty(
                "No experiments yet",
                h("p", {}, "Create one here, or from a terminal:"),
                h("pre", {}, "paretune run examples/digits.yaml"),
                h("a", { class: "button primary", href: "#/new" }, "New experiment"),
              ),
        ),
      );
      return;
    }
    if (!found.length) {
      update(
        body,
        h(
          "div",
          { class: "card" },
          empty(
            "Nothing matches",
            h("p", {}, `No loaded experiment has “${wanted.text}” in its name, id, labels or metrics.`),
          ),
        ),
      );
      return;
    }
    if (!table.isConnected) show(body, table);
    update(rows, found.map(line));
  }

  function line(one) {
    const progress = one.progress || {},
      done = Number(progress.observations || 0),
      budget = Number(one.observation_budget || 0);
    const failures = done - Number(progress.ok || 0),
      width = budget || done || 1;
    const sum = sums.get(one.id);
    const bar = h(
      "div",
      {
        class: "meter",
        role: "img",
        "aria-label": `${done} observations${budget ? ` of ${budget}` : ""}, ${failures} without a measurement`,
      },
      h("i"),
      h("i", { class: "bad" }),
    );
    bar.children[0].style.width = `${Math.min(100, ((done - failures) / width) * 100)}%`;
    bar.children[1].style.width = `${Math.min(100, (failures / width) * 100)}%`;
    return h(
      "tr",
      { "data-key": one.id },
      h(
        "td",
        {},
        h("a", { class: "name", href: `#/experiments/${encodeURIComponent(one.id)}` }, one.name),
        h(
          "div",
          { class: "small muted" },
          `${one.id} · ${one.workload?.name ? `${one.workload.name} · ` : ""}${ago(one.create_time)}`,
        ),
      ),
      h(
        "td",
        {},
        h(
          "div",
          { class: "small" },
          `${count(done)}${budget ? ` / ${count(budget)}` : ""}`,
          failures > 0 && h("span", { class: "muted" }, ` · ${failures} failed`),
        ),
        bar,
      ),
      h(
        "td",
        { class: "wide-only" },
        sum?.curve
          ? h(
              "div",
              { class: "row tight" },
              spark(sum.curve.hypervolumes, `Hypervolume of ${one.name}`),
              h("span", { class: "small" }, number(sum.front.hypervolume, 3)),
            )
          : h("span", { class: "faint small" }, sum ? "–" : "…"),
      ),
      h("td", { class: "small" }, best(one, sum)),
      h("td", {}, chip(one)),
      h("td", { class: "num" }, actions(one)),
    );
  }

  function best(one, sum) {
    if (!sum?.front?.ordinals.length) return h("span", { class: "faint" }, "–");
    return metricsOf(one)
      .filter((metric) => metric.optimized)
      .slice(0, 4)
      .map((metric) => {
        const values = sum.front.values.flatMap((point) =>
          point.filter(([name]) => name === metric.name).map(([, value]) => value),
        );
        const top = values.length ? (metric.maximize ? Math.max(...values) : Math.min(...values)) : null;
        return h(
          "div",
          {},
          h("span", { class: "muted" }, `${metric.name} `),
          `${number(top)} ${metric.unit}`,
        );
      });
  }

  function actions(one) {
    const state = stateOf(one);
    const to = (word, label) => h("button", { class: "quiet", onclick: () => change(one.id, word) }, label);
    return h(
      "div",
      { class: "row tight unbroken" },
      state === "active" && to("PAUSED", "Pause"),
      state === "paused" && to("ACTIVE", "Resume"),
      h("a", { class: "button quiet", href: `#/new?from=${encodeURIComponent(one.id)}` }, "Duplicate"),
      state === "archived" ? to("PAUSED", "Restore") : to("ARCHIVED", "Archive"),
    );
  }

  async function change(id, state) {
    // As it was read last: the row may have been drawn before.
    const one = experiments.find((other) => other.id === id);
    try {
      await setState(one, state);
      say(`${one.name}: ${state.toLowerCase()}.`);
    } catch (error) {
      say(error.message, true);
    }
    load(true);
  }

  await load(true);
  const again = async () => {
    if (!current()) return;
    if (document.visibilityState === "visible" && experiments.length <= PAGE)
      await load(true).catch(() => {});
    timer = setTimeout(again, REFRESH);
  };
  timer = setTimeout(again, REFRESH);
  return () => clearTimeout(timer);
}

/** Set the state of an experiment; refused when somebody else changed it meanwhile. */
export function setState(experiment, state) {
  return patch(below(experiment.id), {
    experiment: { etag: experiment.etag, state: `EXPERIMENT_STATE_${state}` },
    update_mask: "state",
    request_id: newRequestId(),
  });
}

/** The state as a chip. */
export function chip(experiment) {
  const state = stateOf(experiment),
    done = Number(experiment.progress?.observations || 0),
    budget = Number(experiment.observation_budget || 0);
  const leased = Number(experiment.progress?.leased || 0);
  if (state === "active" && budget && done >= budget)
    return Number(experiment.progress.ok || 0)
      ? h("span", { class: "chip good" }, "budget used")
      : h("span", { class: "chip bad" }, "budget used, all failed");
  if (state === "active" && leased)
    return h(
      "span",
      { class: "chip good" },
      h("i", { class: "dot live" }),
      `${plural(leased, "trial")} running`,
    );
  return h(
    "span",
    { class: `chip ${state === "active" ? "good" : state === "paused" ? "warn" : ""}` },
    state,
  );
}
