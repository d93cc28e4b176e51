// The experiment while it runs: metric space, the front, how the hypervolume grows, what is in training.

import { below, get } from "../api.js";
import { chart, tableOf } from "../chart.js";
import { curveOption } from "../charts/curve.js";
import { spaceOption } from "../charts/space.js";
import { check, choice, debounced, h, show, svg } from "../dom.js";
import { ago, count, number, plural, title, withError } from "../format.js";
import { OK } from "../model.js";

export function open(body, page) {
  const settings = { x: 0, y: 1, bars: true, zoom: true, logX: false, logY: false, until: 0 };
  const { trials } = page;
  const optimized = trials.optimized;
  settings.x = (optimized[1] || trials.metrics.find((metric) => metric.index !== optimized[0].index) || optimized[0]).index;
  settings.y = optimized[0].index;
  const tiles = h("div", { class: "tiles" }), controls = h("div", { class: "controls" }), running = h("div", {}), list = h("div", {}), key = h("div", { class: "legend" });
  const space = chart({ label: "Trials in metric space", kind: "tall", events: { click: (event) => event.data?.ordinal && page.openTrial(event.data.ordinal) } });
  const volume = chart({ label: "Hypervolume over observations", kind: "low" });
  show(body, tiles, h("div", { class: "grid" },
    h("section", { class: "card span-8", "aria-label": "Metric space" }, h("header", {}, h("h2", {}, "Metric space")), controls, space, key),
    h("div", { class: "span-4 stack" },
      h("section", { class: "card", "aria-label": "Hypervolume" }, h("header", {}, h("h2", {}, "Hypervolume")), volume),
      h("section", { class: "card", "aria-label": "In training" }, h("header", {}, h("h2", {}, "In training")), running)),
    h("section", { class: "card span-12", "aria-label": "Front" }, h("header", {}, h("h2", {}, "Efficient trials")), list)));

  const names = trials.metrics.map((metric) => [metric.index, metric.name]);
  show(controls,
    choice("Horizontal", names, settings.x, (value) => { settings.x = Number(value); drawSpace(); }, true), h("span", { class: "muted" }, "×"),
    choice("Vertical", names, settings.y, (value) => { settings.y = Number(value); drawSpace(); }, true),
    check("Errors", settings.bars, (on) => { settings.bars = on; drawSpace(); }),
    check("Focus on the front", settings.zoom, (on) => { settings.zoom = on; drawSpace(); }));

  function drawSpace() {
    const x = trials.metrics[settings.x], y = trials.metrics[settings.y];
    const front = new Set(page.front?.ordinals || []);
    space.update({
      label: `${y.name} against ${x.name}: ${plural(trials.total, "trial")}, ${front.size} of them efficient`,
      option: (p) => spaceOption(p, { trials, x, y, front, reference: Object.fromEntries(page.front?.reference_point || []), selected: page.selected, ...settings, x, y }),
      table: () => ({ columns: ["Trial", "Efficient", ...trials.metrics.map(title)], rows: trials.ordinals.map((ordinal, row) => [ordinal, front.has(ordinal) ? "yes" : "", ...trials.metrics.map((metric) => withNumber(trials.values[metric.index][row]))]) }),
    });
  }
  const withNumber = (value) => (value === null ? null : number(value));

  function drawVolume() {
    const curve = page.curve;
    volume.update({
      option: (p) => curveOption(p, { lines: [{ name: "hypervolume", step: true, points: curve ? curve.observations.map((n, k) => [n, curve.hypervolumes[k]]) : [] }], xName: "observations", yName: "" }),
      table: () => ({ columns: ["Observations", "Hypervolume"], rows: curve ? curve.observations.map((n, k) => [n, number(curve.hypervolumes[k], 6)]) : [] }),
    });
  }

  function drawTiles() {
    const progress = page.experiment.progress || {}, done = Number(progress.observations || 0), budget = Number(page.experiment.observation_budget || 0);
    const tile = (label, value, note) => h("div", { class: "tile" }, h("div", { class: "label" }, label), h("div", { class: "value" }, value), h("div", { class: "note" }, note || "\u00a0"));
    show(tiles,
      tile("Observations", count(done), budget ? `of ${count(budget)} planned` : "no budget set"),
      tile("Efficient", page.front ? count(page.front.ordinals.length) : "…", "trials on the front"),
      tile("Hypervolume", page.front ? number(page.front.hypervolume) : "…", "against the reference point"),
      tile("Without a measurement", count(done - Number(progress.ok || 0)), `${progress.infeasible || 0} infeasible, ${progress.crashed || 0} crashed`),
      ...optimized.slice(0, 3).map((metric) => {
        const values = trials.values[metric.index].filter((value, row) => value !== null && trials.outcomes[row] === OK);
        const best = values.length ? values.reduce((a, b) => (metric.maximize ? Math.max(a, b) : Math.min(a, b))) : null;
        return tile(`Best ${metric.name}`, number(best), metric.unit || (metric.maximize ? "largest" : "smallest"));
      }));
  }

  function drawRunning() {
    const active = trials.active;
    show(running, active.length ? h("table", {}, h("tbody", {}, active.slice(0, 8).map((one) => {
      const leased = one.state.endsWith("LEASED"), step = one.checkpoint?.step;
      return h("tr", {}, h("td", {}, `№ ${one.ordinal}`), h("td", {}, leased ? [h("i", { class: "dot live" }), " ", one.lease?.worker] : "waiting for a worker"),
        h("td", { class: "num muted small" }, step ? `step ${step}` : ago(one.update_time)));
    }))) : h("p", { class: "muted" }, "Nothing is in training now."));
  }

  function drawList() {
    const front = page.front;
    if (!front?.ordinals.length) { show(list, h("p", { class: "muted" }, "Nothing efficient yet: the first measured trial will be.")); return; }
    show(list, h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Trial", ...trials.metrics.map(title), "Contribution", "P(efficient)"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, front.ordinals.slice(0, 50).map((ordinal, k) => {
        const row = trials.at.get(ordinal), values = new Map(front.values[k]);
        return h("tr", { class: "link", tabindex: "0", onclick: () => page.openTrial(ordinal), onkeydown: (event) => event.key === "Enter" && page.openTrial(ordinal) },
          h("td", {}, ordinal), trials.metrics.map((metric) => h("td", {}, row === undefined ? number(values.get(metric.name)) : withError(values.get(metric.name), trials.stddevs[metric.index][row]))),
          h("td", {}, number(front.contributions[k], 3)), h("td", {}, front.probabilities[k].toFixed(2)));
      })))));
  }

  const draw = { trials() { drawTiles(); drawSpace(); drawRunning(); }, experiment() { drawTiles(); drawRunning(); drawSpace(); }, front() { drawTiles(); drawSpace(); drawVolume(); drawList(); }, selection: drawSpace };
  page.listeners.add((what) => draw[what]());
  draw.trials();
  draw.front();
}
