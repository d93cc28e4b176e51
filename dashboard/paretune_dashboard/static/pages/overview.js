// The experiment while it runs: metric space, the front, how the hypervolume grows, what is in training.

import { below, get, post } from "../api.js";
import { chart } from "../chart.js";
import { cube } from "../charts/cube.js";
import { curveOption } from "../charts/curve.js";
import { matrixOption } from "../charts/matrix.js";
import { spaceOption } from "../charts/space.js";
import { check, choice, debounced, empty, h, say, show, svg } from "../dom.js";
import { ago, count, number, plural, title, withError } from "../format.js";
import { OK } from "../model.js";

const FRAMES = 60;
const LEVELS = [.05, .15, .25, .35, .45, .55, .65, .75, .85, .95];

export function open(body, page) {
  const { trials } = page, optimized = trials.optimized;
  const settings = { mode: "2-D", x: (optimized[1] || trials.metrics.find((metric) => metric.index !== optimized[0].index) || optimized[0]).index, y: optimized[0].index,
    bars: true, zoom: true, logX: false, logY: false, until: 0, other: "", attainment: false };
  const drawn = { then: null, other: null, surfaces: null, baseline: null };
  const tiles = h("div", { class: "tiles" }), controls = h("div", { class: "controls" }), running = h("div", {}), list = h("div", {}), key = h("div", { class: "legend" }), play = h("div", { class: "play" }), place = h("div", {});
  const space = chart({ label: "Trials in metric space", kind: "tall", events: {
    click: (event) => event.data?.ordinal && page.openTrial(event.data.ordinal),
    brushEnd: brushed,
  } });
  const solid = cube((ordinal) => page.openTrial(ordinal));
  const volume = chart({ label: "Hypervolume over observations", kind: "low" });
  const advice = h("div", { class: "advice" });
  show(body, tiles, h("div", { class: "grid" },
    h("section", { class: "card span-8", "aria-label": "Metric space" }, h("header", {}, h("h2", {}, "Metric space"), modes()), controls, place, key, play),
    h("div", { class: "span-4 stack" },
      h("section", { class: "card", "aria-label": "Hypervolume" }, h("header", {}, h("h2", {}, "Hypervolume")), volume, advice),
      h("section", { class: "card", "aria-label": "In training" }, h("header", {}, h("h2", {}, "In training")), running)),
    h("section", { class: "card span-12", "aria-label": "Efficient trials" }, h("header", {}, h("h2", {}, "Efficient trials"), h("span", { class: "muted small" }, "Click one to see everything about it")), list)));
  place.append(space);

  function modes() {
    if (trials.metrics.length < 3) return null;
    const names = ["2-D", "Matrix", ...(trials.metrics.length >= 3 ? ["3-D"] : [])];
    const buttons = names.map((mode) => h("button", { "aria-pressed": String(mode === settings.mode), onclick: () => {
      settings.mode = mode;
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(names[k] === mode)));
      show(place, mode === "3-D" ? solid : space);
      drawControls(); drawSpace();
    } }, mode));
    return h("div", { class: "segments", role: "group", "aria-label": "View" }, buttons);
  }

  function drawControls() {
    const names = trials.metrics.map((metric) => [metric.index, metric.name]);
    const set = (name, redo = drawSpace) => (value) => { settings[name] = value; redo(); };
    const flat = settings.mode === "2-D";
    const slack = h("input", { type: "range", min: 0, max: 3, step: .25, value: page.slack || 0, "aria-label": "Slack in standard errors" });
    const said = h("output", {}, `${page.slack || 0} SE`);
    const fetchFront = debounced(() => page.refreshFront().catch((error) => say(error.message, true)), 120);
    slack.addEventListener("input", () => { page.slack = Number(slack.value); said.textContent = `${slack.value} SE`; fetchFront(); });
    show(controls,
      flat && trials.metrics.length > 1 && [choice("Vertical", names, settings.y, (value) => set("y")(Number(value)), true), h("span", { class: "muted" }, "over"),
        choice("Horizontal", names, settings.x, (value) => set("x")(Number(value)), true)],
      flat && [check("Errors", settings.bars, set("bars")), check("Focus", settings.zoom, set("zoom")), check("Log x", settings.logX, set("logX")), check("Log y", settings.logY, set("logY")),
        optimized.length === 2 && check("Attainment", settings.attainment, set("attainment", loadAttainment)), others],
      h("label", { class: "slider", title: "Also mark trials that are dominated by no more than this: room for noise" }, "Slack", slack, said));
  }

  // Another experiment's front on top: a random search, say.
  const others = h("span", {});
  get("/experiments", { page_size: 200 }).then(({ experiments }) => {
    const fitting = experiments.filter((one) => one.id !== page.id && optimized.every((metric) => one.metrics.some((m) => m.name === metric.name)));
    if (fitting.length) show(others, choice("Compare with", [["", "Overlay: none"], ...fitting.map((one) => [one.id, `Overlay: ${one.name}`])], settings.other, loadOther, true));
  }).catch(() => { /* a share link reads this experiment alone */ });

  async function loadOther(id) {
    settings.other = id;
    drawn.other = null;
    if (id) {
      const front = await get(below(id, "/charts/front"));
      drawn.other = { name: `front of ${id}`, points: front.values.map((point) => new Map(point)), joined: optimized.length === 2 };
    }
    drawSpace();
  }

  async function loadAttainment(on) {
    settings.attainment = on;
    drawn.surfaces = null;
    if (on) {
      try {
        drawn.surfaces = await post(below(page.id, "/attainment"), { levels: LEVELS, source: "ATTAINMENT_SOURCE_RESAMPLING", reference_point: reference() });
      } catch (error) { say(error.message, true); settings.attainment = false; drawControls(); }
    }
    drawSpace();
  }
  const reference = () => (page.front?.reference_point || []).map(([metric, value]) => ({ metric, value }));

  async function loadBaseline() {
    const relative = trials.metrics.find((metric) => metric.relative)?.relative;
    if (!relative) return;
    const { observation } = await get(`/observations/${encodeURIComponent(relative.baseline_observation_id)}`);
    drawn.baseline = new Map(observation.values.map((value) => [value.metric, value.value]));
    drawSpace();
  }

  function brushed(event) {
    const area = event.areas?.[0];
    if (!area || area.coordRange.length !== 2) return;
    const [[x0, x1], [y0, y1]] = area.coordRange;
    const xs = trials.values[settings.x], ys = trials.values[settings.y];
    page.select(new Set(trials.ordinals.filter((_, row) => xs[row] !== null && ys[row] !== null && xs[row] >= x0 && xs[row] <= x1 && ys[row] >= y0 && ys[row] <= y1)));
    space.instance.dispatchAction({ type: "brush", areas: [] });
  }

  function drawSpace() {
    const x = trials.metrics[settings.x], y = trials.metrics[settings.y], front = drawn.then || page.front;
    const efficient = new Set(front?.ordinals || []);
    const data = { trials, x, y, front: efficient, reference: Object.fromEntries(front?.reference_point || []), selected: page.selected, ...settings };
    Object.assign(data, { x, y, surfaces: drawn.surfaces?.surfaces, metricsOfSurfaces: drawn.surfaces?.metrics });
    if (drawn.other) data.overlays = [{ ...drawn.other, points: drawn.other.points.map((point) => [point.get(x.name), point.get(y.name)]).filter(([a, b]) => a !== undefined && b !== undefined) }];
    if (drawn.baseline?.has(x.name) && drawn.baseline.has(y.name)) data.baseline = [drawn.baseline.get(x.name), drawn.baseline.get(y.name)];
    if (settings.mode === "3-D") solid.draw({ ...data, metrics: (optimized.length >= 3 ? optimized : trials.metrics).slice(0, 3) });
    else {
      space.update({
        label: settings.mode === "Matrix" ? `All pairs of ${trials.metrics.map((m) => m.name).join(", ")}` : `${y.name} against ${x.name}: ${plural(trials.total, "trial")}, ${efficient.size} of them efficient`,
        option: (p) => (settings.mode === "Matrix" ? matrixOption(p, data) : spaceOption(p, data)),
        table: () => ({ columns: ["Trial", "Efficient", ...trials.metrics.map(title)], rows: trials.ordinals.map((ordinal, row) => [ordinal, efficient.has(ordinal) ? "yes" : "", ...trials.metrics.map((metric) => numberOrNone(trials.values[metric.index][row]))]) }),
      });
      space.instance?.dispatchAction({ type: "takeGlobalCursor", key: "brush", brushOption: settings.mode === "2-D" ? { brushType: "rect", brushMode: "single" } : { brushType: false } });
    }
    drawKey(data);
  }
  const numberOrNone = (value) => (value === null ? null : number(value));

  function drawKey({ front, overlays, surfaces, baseline }) {
    const mark = (draw) => svg("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, draw);
    const dot = (name, hollow) => mark(svg("circle", { cx: 7, cy: 7, r: 4.5, fill: hollow ? "none" : `var(--${name})`, stroke: `var(--${name})`, "stroke-width": 1.8 }));
    const unmeasured = trials.ordinals.filter((_, row) => trials.outcomes[row] !== OK && trials.values[settings.x][row] === null).length;
    const thinned = trials.total > trials.size;
    show(key,
      h("span", {}, dot("front"), `efficient (${front.size})`), h("span", {}, dot("dominated"), "dominated"),
      trials.active.length > 0 && settings.mode === "2-D" && h("span", {}, dot("pending", true), "in training, where the model expects it"),
      unmeasured > 0 && h("span", {}, mark(svg("path", { d: "M3 3l8 8M11 3l-8 8", stroke: "var(--infeasible)", "stroke-width": 1.8 })), `${count(unmeasured)} failed without values`),
      overlays && h("span", {}, mark(svg("path", { d: "M7 2l5 5-5 5-5-5z", fill: "var(--other)" })), overlays[0].name),
      baseline && h("span", {}, mark(svg("path", { d: "M7 2l5 9H2z", fill: "var(--good)" })), "baseline"),
      settings.mode === "2-D" && h("span", {}, mark(svg("path", { d: "M7 2v10M2 7h10", stroke: "var(--muted)", "stroke-width": 1.6 })), "reference point"),
      surfaces && h("span", {}, h("i", { class: "swatch" }), "the darker, the surer to be attained"),
      thinned && h("span", {}, `${count(trials.size)} of ${count(trials.total)} shown: all efficient ones, and others where they stand out`),
      page.selected && h("span", {}, h("strong", {}, `${plural(page.selected.size, "trial")} selected`), h("button", { class: "quiet", onclick: () => page.select(null) }, "Clear")),
      !page.selected && settings.mode === "2-D" && trials.size > 2 && h("span", { class: "faint" }, "Drag to select"));
  }

  // The front over time.
  let timer = 0, ticket = 0;
  const slide = h("input", { type: "range", min: 1, max: 1, value: 1, "aria-label": "Front after so many observations" });
  const when = h("output", {});
  const button = h("button", { class: "icon", "aria-label": "Play the search", title: "Play the search", onclick: () => (timer ? pause() : start()) }, "▶");
  show(play, button, slide, when);
  const seen = new Map();
  async function at(n) {
    const mine = ++ticket;
    const whole = n >= trials.total;
    settings.until = whole ? 0 : n;
    if (whole) drawn.then = null;
    else {
      // Fronts of the past do not change.
      if (!seen.has(n)) seen.set(n, await get(below(page.id, "/charts/front"), { quick: true, as_of: n, slack: page.slack || 0, metric: page.front.reference_point.map(([name]) => name), reference: page.front.reference_point.map(([, value]) => value) }));
      if (mine !== ticket) return;
      drawn.then = seen.get(n);
    }
    when.textContent = whole ? "now" : `after ${count(n)}`;
    drawSpace();
    drawVolume();
  }
  slide.addEventListener("input", debounced(() => { pause(); at(Number(slide.value)).catch((error) => say(error.message, true)); }, 40));
  function pause() { clearTimeout(timer); timer = 0; button.textContent = "▶"; button.setAttribute("aria-label", "Play the search"); }
  function start() {
    button.textContent = "❚❚"; button.setAttribute("aria-label", "Pause");
    let n = Number(slide.value) >= trials.total ? 1 : Number(slide.value);
    const step = Math.max(1, Math.ceil(trials.total / FRAMES));
    const next = async () => {
      slide.value = n;
      try { await at(Math.min(n, trials.total)); } catch (error) { pause(); say(error.message, true); return; }
      if (n >= trials.total) { pause(); return; }
      n = Math.min(n + step, trials.total);
      if (timer) timer = setTimeout(next, 110);
    };
    timer = setTimeout(next, 0);
  }
  function drawPlay() {
    const following = !settings.until && !timer;
    slide.max = Math.max(1, trials.total);
    if (following) { slide.value = slide.max; when.textContent = "now"; }
    play.classList.toggle("hidden", trials.total < 3);
  }

  function drawVolume() {
    const curve = page.curve, forecast = drawn.advice?.forecast || [];
    const lines = [{ name: "hypervolume", step: true, points: curve ? curve.observations.map((n, k) => [n, curve.hypervolumes[k]]) : [] }];
    if (forecast.length && curve?.observations.length) {
      const last = curve.observations.at(-1), shift = curve.hypervolumes.at(-1) - Number(drawn.advice.hypervolume);
      lines.push({ name: "expected", color: "other", points: [[last, curve.hypervolumes.at(-1)], ...forecast.map((one) => [last + one.trials, one.mean + shift])], band: [[last, curve.hypervolumes.at(-1), curve.hypervolumes.at(-1)], ...forecast.map((one) => [last + one.trials, one.low + shift, one.high + shift])] });
    }
    volume.update({
      label: `Hypervolume over observations, now ${number(page.front?.hypervolume)}`,
      option: (p) => curveOption(p, { lines, xName: "observations", yName: "", until: settings.until }),
      table: () => ({ columns: ["Observations", "Hypervolume"], rows: curve ? curve.observations.map((n, k) => [n, number(curve.hypervolumes[k], 6)]) : [] }),
    });
    show(advice, drawn.advice ? h("p", { class: "small muted" }, drawn.advice.reason)
      : trials.total > 5 && h("button", { class: "quiet", onclick: async () => {
        show(advice, h("span", { class: "muted small" }, "Playing the search on …"));
        try { drawn.advice = await get(below(page.id, "/should-stop")); } catch (error) { say(error.message, true); }
        drawVolume();
      } }, "Is it worth going on?"));
  }

  function drawTiles() {
    const progress = page.experiment.progress || {}, done = Number(progress.observations || 0), budget = Number(page.experiment.observation_budget || 0);
    const tile = (label, value, note) => h("div", { class: "tile" }, h("div", { class: "label" }, label), h("div", { class: "value" }, value), h("div", { class: "note" }, note || "\u00a0"));
    show(tiles,
      tile("Observations", count(done), budget ? `of ${count(budget)} planned` : "no budget set"),
      tile("Efficient", page.front ? count(page.front.ordinals.length) : "…", page.slack ? `within ${page.slack} standard errors` : "trials on the front"),
      tile("Hypervolume", page.front ? number(page.front.hypervolume) : "…", "against the reference point"),
      tile("Not measured", count(done - Number(progress.ok || 0)), `${progress.infeasible || 0} infeasible, ${progress.crashed || 0} crashed`),
      ...optimized.slice(0, 3).map((metric) => {
        const best = trials.values[metric.index].reduce((found, value, row) => (value === null || trials.outcomes[row] !== OK ? found : found === null ? value : metric.maximize ? Math.max(found, value) : Math.min(found, value)), null);
        return tile(`Best ${metric.name}`, number(best), metric.unit || (metric.maximize ? "largest" : "smallest"));
      }));
  }

  function drawRunning() {
    const active = trials.active;
    show(running, active.length ? h("div", { class: "scroll" }, h("table", {}, h("tbody", {}, active.slice(0, 8).map((one) => {
      const leased = one.state.endsWith("LEASED"), step = Number(one.checkpoint?.step || 0);
      const values = (one.checkpoint?.values || []).map((value) => `${value.metric} ${number(value.value)}`).join(", ");
      return h("tr", {}, h("td", {}, `№ ${one.ordinal}`),
        h("td", {}, leased ? h("span", { class: "row tight" }, h("i", { class: "dot live" }), one.lease?.worker) : h("span", { class: "muted" }, "waits for a worker"), values && h("div", { class: "small muted" }, values)),
        h("td", { class: "num muted small" }, step ? `step ${step}` : ago(one.update_time)));
    })))) : h("p", { class: "muted" }, Number(page.experiment.progress?.observations || 0) ? "Nothing is in training now." : "Nothing yet: start a trainer with ", !Number(page.experiment.progress?.observations || 0) && h("code", {}, "paretune trainer")));
  }

  function drawList() {
    const front = page.front;
    if (!front?.ordinals.length) { show(list, empty("Nothing efficient yet", h("p", {}, page.frontError ? page.frontError.message : "The first trial that is measured and feasible will be."))); return; }
    show(list, h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Trial", ...trials.metrics.map(title), "Contribution", "P(efficient)"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, front.ordinals.slice(0, settings.all ? 500 : 12).map((ordinal, k) => {
        const row = trials.at.get(ordinal), values = new Map(front.values[k]);
        return h("tr", { class: "link", tabindex: "0", onclick: () => page.openTrial(ordinal), onkeydown: (event) => event.key === "Enter" && page.openTrial(ordinal) },
          h("td", {}, ordinal), trials.metrics.map((metric) => h("td", {}, withError(values.get(metric.name) ?? null, row === undefined ? null : trials.stddevs[metric.index][row]))),
          h("td", {}, number(front.contributions[k], 3)), h("td", {}, front.probabilities[k].toFixed(2)));
      })))), front.ordinals.length > 12 && !settings.all && h("button", { class: "quiet", onclick: () => { settings.all = true; drawList(); } }, `Show all ${count(front.ordinals.length)}`));
  }

  const all = { trials() { drawTiles(); drawPlay(); drawSpace(); drawRunning(); }, experiment() { drawTiles(); drawRunning(); if (settings.mode === "2-D") drawSpace(); },
    front() { drawTiles(); drawSpace(); drawVolume(); drawList(); }, selection: drawSpace };
  drawControls();
  page.listeners.add((what) => all[what]());
  all.trials();
  all.front();
  loadBaseline().catch(() => { /* without it there is no mark, and nothing is lost */ });
  return pause;
}
