// Why the front looks as it does: parallel coordinates, importance, what the model expects, what to take.

import { below, get, post } from "../api.js";
import { chart } from "../chart.js";
import { barsOption, contourOption, sliceOption } from "../charts/bars.js";
import { axesOf, linesOf, parallelOption } from "../charts/parallel.js";
import { spaceOption } from "../charts/space.js";
import { check, choice, debounced, empty, h, say, show } from "../dom.js";
import { count, number, plural, share, title, withError } from "../format.js";
import { plainValue, wireValue } from "../model.js";
import { configurationForm } from "./configuration.js";

export function open(body, page) {
  if (page.trials.total < 2) {
    show(body, h("div", { class: "card" }, empty("Too little to understand yet", h("p", {}, "A few trials have to be measured first. This page fills by itself when you come back."))));
    return;
  }
  const parts = [coordinates(page), insight(page), recommendation(page), expectations(page), whatIf(page), robustness(page)];
  show(body, h("div", { class: "grid" }, parts.map((part) => part.element)));
  parts.forEach((part) => part.open?.());
  page.listeners.add((what) => parts.forEach((part) => part.hear?.(what)));
}

const card = (name, span, ...content) => h("section", { class: `card ${span}`, "aria-label": name }, h("header", {}, h("h2", {}, name)), content);

/** Parallel coordinates, and beside them the brushed trials in metric space and as a list. */
function coordinates(page) {
  const { trials } = page, hidden = new Set();
  let axes = axesOf(trials), rows = [[], []];
  const lines = chart({ label: "Parallel coordinates", kind: "tall", events: { axisareaselected: brushed } });
  const small = chart({ label: "The selection in metric space", events: { click: (event) => event.data?.ordinal && page.openTrial(event.data.ordinal) } });
  const note = h("div", { class: "row brush-note" }), picks = h("div", { class: "controls small" });
  const [y, x] = [trials.optimized[0], trials.optimized[1] || trials.metrics[1] || trials.optimized[0]];

  function brushed() {
    const instance = lines.instance, series = instance.getModel().getSeries();
    const chosen = new Set();
    let any = false;
    instance.getModel().eachComponent("parallelAxis", (axis) => { any ||= axis.activeIntervals.length > 0; });
    if (any) series.forEach((one, group) => one.coordinateSystem.eachActiveState(one.getData(), (state, index) => { if (state === "active") chosen.add(trials.ordinals[rows[group][index]]); }));
    page.select(any ? chosen : null);
  }
  function draw() {
    const front = new Set(page.front?.ordinals || []);
    axes = axesOf(trials, hidden);
    rows = linesOf(trials, axes, front);
    lines.update({
      label: `Parallel coordinates of ${axes.map((one) => one.name).join(", ")}`, option: (p) => parallelOption(p, { trials, front, axes }),
      table: () => ({ columns: ["Trial", ...axes.map((one) => one.name)], rows: [...rows[1], ...rows[0]].map((row) => [trials.ordinals[row], ...axes.map((one) => { const value = one.cell(row); return typeof value === "number" ? number(value) : value; })]) }),
    });
  }
  function selection() {
    const front = new Set(page.front?.ordinals || []);
    small.update({ label: `${y.name} against ${x.name}, the selection marked`, option: (p) => spaceOption(p, { trials, x, y, front, selected: page.selected, zoom: true, bars: false }),
      table: () => ({ columns: ["Trial", ...trials.metrics.map(title)], rows: [...(page.selected || [])].map((ordinal) => [ordinal, ...trials.metrics.map((metric) => number(trials.values[metric.index][trials.at.get(ordinal)]))]) }) });
    show(note, page.selected ? [h("strong", {}, plural(page.selected.size, "trial"), " selected"), h("span", { class: "muted" }, `${[...page.selected].filter((ordinal) => front.has(ordinal)).length} of them efficient`),
      h("a", { href: `#/experiments/${encodeURIComponent(page.id)}/trials` }, "Find them in the table"),
      h("button", { class: "quiet", onclick: () => { page.select(null); draw(); } }, "Clear")] : h("span", { class: "faint" }, "Drag along an axis to keep the trials in that range; several axes narrow it down."));
  }
  show(picks, [...axesOf(trials)].map((one) => check(one.name, true, (on) => { if (on) hidden.delete(one.key); else hidden.add(one.key); page.select(null); draw(); })));
  return {
    element: h("div", { class: "span-12 grid" }, h("section", { class: "card span-8", "aria-label": "Parallel coordinates" }, h("header", {}, h("h2", {}, "Every trial a line")), picks, lines, note),
      h("section", { class: "card span-4", "aria-label": "Selection in metric space" }, h("header", {}, h("h2", {}, "The same in metric space")), small)),
    open() { draw(); selection(); },
    hear(what) { if (what === "selection") selection(); if (what === "front") { if (!page.selected) draw(); selection(); } },
  };
}

/** A part that asks the Optimizer once, and says what is missing when it cannot answer. */
function asked(body, work, waiting = "Asking the model …") {
  return async () => {
    show(body, h("p", { class: "muted" }, waiting));
    try { await work(); } catch (error) {
      show(body, h("p", { class: "notice plain" }, error.reason === "TOO_FEW_OBSERVATIONS" ? `${error.message} Come back when more trials are in.` : error.message));
    }
  };
}

function insight(page) {
  const body = h("div", {}), pick = h("span", {});
  const bars = chart({ label: "Importance of the parameters" });
  const element = card("Which parameters matter", "span-6", h("div", { class: "controls" }, pick), body);
  const open = asked(body, async () => {
    const { targets } = await get(below(page.id, "/importance"));
    const note = h("p", { class: "small muted" });
    show(body, bars, note);
    const draw = (index) => {
      const target = targets[index], rows = target.parameters.map((one) => ({ name: one.parameter, value: Number(one.total_effect || 0) }));
      bars.canvas.style.height = `${Math.max(120, 34 * rows.length + 20)}px`;
      bars.instance?.resize();
      bars.update({ label: `Importance for ${target.metric || "reaching the front"}`, option: (p) => barsOption(p, rows), table: () => ({ columns: ["Parameter", "Total effect"], rows: rows.map((row) => [row.name, row.value.toFixed(3)]) }) });
      const explained = Number(target.explained || 0);
      note.textContent = `Share of the variation that is left when all others are known (Sobol's total effect). The model explains ${share(Math.max(0, explained))} of what was measured${explained < .3 ? ": take this with caution" : ""}.`;
    };
    const last = targets.length - 1;
    show(pick, choice("For", targets.map((target, index) => [index, target.metric ? `for ${target.metric}` : "for reaching the front"]), last, (index) => draw(Number(index)), true));
    draw(last);
  });
  return { element, open };
}

/** Slices and a contour around one trial. */
function expectations(page) {
  const { trials } = page, body = h("div", {}), controls = h("div", { class: "controls" });
  const state = { metric: trials.optimized[0].index, center: page.front?.ordinals[0] || trials.ordinals[0], first: 0, second: Math.min(1, trials.parameters.length - 1) };
  const lines = h("div", { class: "slices" }), contour = chart({ label: "Contour" }), note = h("p", { class: "small muted" });
  let figures = [];
  function centre() { return trials.at.get(Number(state.center)) ?? 0; }
  function base() { return Object.fromEntries(trials.assignments(centre()).map(([parameter, value]) => [parameter.name, wireValue(parameter, value)])); }
  const open = asked(body, async () => {
    const row = centre(), parameters = trials.parameters.slice(0, 12);
    const pair = [trials.parameters[state.first], trials.parameters[state.second]];
    const wanted = [...parameters.map((parameter) => [parameter.name]), ...(pair[0] !== pair[1] ? [[pair[0].name, pair[1].name]] : [])];
    const { slices, observation_count } = await post(below(page.id, "/charts/slices"), { assignments: base(), slices: wanted });
    const metric = trials.metrics[state.metric];
    if (!slices[0].means[metric.index]) { show(body, h("p", { class: "notice plain" }, `The model has not learnt ${metric.name}: only metrics that are optimized or limited are modelled.`)); return; }
    const ends = slices.slice(0, parameters.length).flatMap((slice) => slice.means[metric.index].flatMap((mean, k) => [mean - 2 * slice.stddevs[metric.index][k], mean + 2 * slice.stddevs[metric.index][k]]));
    const low = Math.min(...ends), high = Math.max(...ends), room = .04 * (high - low || 1);
    const range = [low - room, high + room].map((end) => Number(end.toPrecision(3)));
    figures = parameters.map((parameter) => chart({ label: `${metric.name} along ${parameter.name}`, kind: "small" }));
    show(lines, figures);
    show(body, lines, pair[0] !== pair[1] && [h("div", { class: "controls" }, "Contour of", pickOf("first"), "and", pickOf("second")), contour], note);
    parameters.forEach((parameter, k) => {
      const slice = slices[k], means = slice.means[metric.index], stddevs = slice.stddevs[metric.index];
      figures[k].update({ option: (p) => sliceOption(p, { parameter, metric, xs: slice.axes[0], means, stddevs, at: trials.cells[parameter.index][row], range }), table: () => ({ columns: [parameter.name, metric.name], rows: slice.axes[0].map((x, i) => [typeof x === "number" ? number(x) : x, withError(means[i], stddevs[i])]) }) });
    });
    if (pair[0] !== pair[1]) {
      const slice = slices.at(-1), means = slice.means[metric.index], [xs, ys] = slice.axes;
      const nearest = (values, value) => values.reduce((best, one, k) => (Math.abs((typeof one === "number" ? one : k) - value) < Math.abs((typeof values[best] === "number" ? values[best] : best) - value) ? k : best), 0);
      const at = pair.map((parameter, k) => trials.cells[parameter.index][row] === null ? null : nearest([xs, ys][k], trials.cells[parameter.index][row]));
      contour.update({ label: `${metric.name} over ${pair[0].name} and ${pair[1].name}`, option: (p) => contourOption(p, { first: pair[0], second: pair[1], metric, xs, ys, means, at: at.includes(null) ? null : at }),
        table: () => ({ columns: [pair[0].name, pair[1].name, metric.name], rows: xs.flatMap((x, i) => ys.map((y, j) => [typeof x === "number" ? number(x) : x, typeof y === "number" ? number(y) : y, number(means[i * ys.length + j])])) }) });
    }
    note.textContent = `Around trial ${state.center}, all other parameters as there; the band is two standard deviations of the model after ${count(observation_count)} observations.`;
  });
  const redo = debounced(open, 50);
  const pickOf = (name) => choice(name, trials.parameters.map((parameter) => [parameter.index, parameter.name]), state[name], (value) => { state[name] = Number(value); redo(); }, true);
  show(controls, choice("Metric", trials.metrics.map((metric) => [metric.index, metric.name]), state.metric, (value) => { state.metric = Number(value); redo(); }, true), "around trial",
    choice("Trial", [...(page.front?.ordinals || []), ...trials.ordinals.filter((ordinal) => !page.front?.ordinals.includes(ordinal)).slice(-20)].map((ordinal) => [ordinal, String(ordinal)]), state.center, (value) => { state.center = Number(value); redo(); }, true));
  return { element: card("What the model expects", "span-12", controls, body), open };
}

/** A configuration of one's own, and what would come of it. */
function whatIf(page) {
  const answer = h("div", { role: "status" });
  const start = page.front?.ordinals.length ? new Map(page.trials.assignments(page.trials.at.get(page.front.ordinals[0]) ?? 0).map(([parameter, value]) => [parameter.name, value])) : null;
  const ask = debounced(async () => {
    try {
      const { predictions } = await post(below(page.id, "/predict"), { configurations: [{ assignments: form.assignments() }] });
      const one = predictions[0], units = new Map(page.trials.metrics.map((metric) => [metric.name, metric.unit]));
      show(answer, h("dl", { class: "facts" }, one.metrics.map((metric) => [h("dt", {}, metric.metric), h("dd", {}, h("strong", {}, withError(metric.mean, metric.stddev)), ` ${units.get(metric.metric) || ""}`)]),
        h("dt", {}, "feasible"), h("dd", {}, share(Number(one.feasibility || 0))),
        one.probability_efficient !== undefined && one.probability_efficient !== null && [h("dt", {}, "on the front"), h("dd", {}, share(Number(one.probability_efficient)))]));
    } catch (error) { show(answer, h("p", { class: "notice plain" }, error.message)); }
  }, 150);
  const form = configurationForm(page.trials, start, ask);
  return { element: card("What if?", "span-6", h("p", { class: "small muted" }, "Turn the knobs; the model answers at once."), form.element, h("h3", { class: "gap" }, "It would give"), answer), open: ask };
}

/** The trial to take: by weights or limits. */
function recommendation(page) {
  const { trials } = page, metrics = trials.optimized, out = h("div", { role: "status" });
  let mode = "weights";
  const weights = new Map(metrics.map((metric) => [metric.name, 50])), limits = new Map(), area = h("div", { class: "stack tight" });
  const ask = debounced(async () => {
    const preference = mode === "knee" ? { knee: {} } : mode === "weights" ? { weights: { weights: Object.fromEntries([...weights].map(([name, value]) => [name, value / 100])) } }
      : { limits: { metric: metrics[0].name, limits: Object.fromEntries([...limits].filter(([name]) => name !== metrics[0].name)) } };
    try {
      const found = await post(below(page.id, "/recommend"), preference), observation = found.point.observation;
      show(out, h("p", { class: "notice good" }, h("strong", {}, `Trial ${observation.ordinal}. `), found.reason),
        h("dl", { class: "facts" }, found.expected.map((one) => [h("dt", {}, one.metric), h("dd", {}, withError(one.mean, one.stddev))])),
        h("p", { class: "small muted" }, Object.entries(observation.assignments).map(([name, value]) => `${name} ${typeof plainValue(value) === "number" ? number(plainValue(value)) : plainValue(value)}`).join(" · ")),
        h("button", { onclick: () => page.openTrial(Number(observation.ordinal)) }, "Open the trial"));
    } catch (error) { show(out, h("p", { class: "notice plain" }, error.message)); }
  }, 120);
  function sliders() {
    if (mode === "knee") { show(area, h("p", { class: "muted small" }, "Where giving up a little of one metric stops gaining much of another.")); return; }
    show(area, metrics.slice(mode === "limits" ? 1 : 0).map((metric) => {
      const values = trials.values[metric.index].filter((value) => value !== null), low = values.reduce((a, b) => Math.min(a, b), Infinity), high = values.reduce((a, b) => Math.max(a, b), -Infinity);
      const limit = limits.get(metric.name) ?? (metric.maximize ? low : high);
      if (mode === "limits") limits.set(metric.name, limit);
      const input = mode === "weights" ? h("input", { type: "range", min: 0, max: 100, value: weights.get(metric.name) }) : h("input", { type: "range", min: low, max: high, step: (high - low) / 200 || 1, value: limit });
      const said = h("output", {}, mode === "weights" ? weights.get(metric.name) : number(limit, 3));
      input.addEventListener("input", () => { (mode === "weights" ? weights : limits).set(metric.name, Number(input.value)); said.textContent = mode === "weights" ? input.value : number(Number(input.value), 3); ask(); });
      return h("label", { class: "slider" }, mode === "weights" ? metric.name : `${metric.name} ${metric.maximize ? "at least" : "at most"}`, input, said);
    }), mode === "limits" && h("p", { class: "muted small" }, `the best ${metrics[0].name} within these limits`));
  }
  const modes = metrics.length > 1 ? ["weights", "limits", "knee"] : ["weights"];
  const buttons = modes.map((name) => h("button", { "aria-pressed": String(name === mode), onclick: () => { mode = name; buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(modes[k] === mode))); sliders(); ask(); } }, { weights: "By weights", limits: "By limits", knee: "At the knee" }[name]));
  sliders();
  return { element: card("Which one to take?", "span-6", h("div", { class: "segments", role: "group", "aria-label": "How to choose" }, buttons), area, out), open: ask };
}

function robustness(page) {
  const body = h("div", {});
  const open = asked(body, async () => {
    const { points } = await get(below(page.id, "/robustness"));
    show(body, h("p", { class: "small muted" }, "Each parameter changed by up to 5 % of its range: what stays of a configuration of the front. In the order of the front."),
      h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["Trial", ...page.trials.optimized.flatMap((metric) => [title(metric), "bad case"]), "Still good", "Feasible"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, points.slice(0, 25).map((point, k) => { const ordinal = page.front?.ordinals[k]; return h("tr", { class: "link", tabindex: "0", onclick: () => ordinal && page.openTrial(ordinal), onkeydown: (event) => event.key === "Enter" && ordinal && page.openTrial(ordinal) }, h("td", {}, ordinal ?? k + 1),
          page.trials.optimized.flatMap((metric) => { const one = point.metrics.find((m) => m.metric === metric.name); return [h("td", {}, number(one?.nominal)), h("td", { class: "muted" }, number(one?.worst))]; }),
          h("td", {}, share(Number(point.probability_within_slack || 0))), h("td", {}, share(Number(point.feasibility || 0)))); })))));
  });
  return { element: card("How robust is the front?", "span-6", body), open };
}
