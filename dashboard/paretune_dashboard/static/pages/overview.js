// The experiment while it runs: metric space, the front, how the hypervolume grows, what is in training.

import { below, get, post } from "../api.js";
import { chart } from "../chart.js";
import { cube } from "../charts/cube.js";
import { matrixOption } from "../charts/matrix.js";
import { spaceOption } from "../charts/space.js";
import { check, choice, debounced, h, say, show } from "../dom.js";
import { namesOf, number, plural, title } from "../format.js";
import { ORDINAL } from "../model.js";
import { efficientOf } from "./overview/efficient.js";
import { legend } from "./overview/legend.js";
import { runningOf } from "./overview/running.js";
import { tilesOf } from "./overview/tiles.js";
import { timelineOf } from "./overview/timeline.js";
import { volumeOf } from "./overview/volume.js";

const LEVELS = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95];

export function open(body, page) {
  const { trials } = page,
    optimized = trials.optimized,
    [up, across] = trials.plane;
  const settings = {
    mode: "2-D",
    x: across.index,
    y: up.index,
    bars: true,
    zoom: true,
    logX: false,
    logY: false,
    other: "",
    attainment: false,
  };
  const drawn = { other: null, surfaces: null, baseline: null };
  const controls = h("div", { class: "controls" }),
    key = h("div", { class: "legend" }),
    place = h("div", {});
  const tiles = tilesOf(page),
    running = runningOf(page),
    list = efficientOf(page);
  const timeline = timelineOf(page, () => {
    drawSpace();
    volume.draw();
  });
  const volume = volumeOf(page, timeline.until);
  const space = chart({
    label: "Trials in metric space",
    kind: "tall",
    events: {
      click: (event) => event.data?.ordinal && page.openTrial(event.data.ordinal),
      brushEnd: brushed,
    },
  });
  const solid = cube((ordinal) => page.openTrial(ordinal));
  show(
    body,
    tiles.element,
    h(
      "div",
      { class: "grid" },
      h(
        "section",
        { class: "card span-8", "aria-label": "Metric space" },
        h("header", {}, h("h2", {}, "Metric space"), modes()),
        controls,
        place,
        key,
        timeline.element,
      ),
      h(
        "div",
        { class: "span-4 stack" },
        h(
          "section",
          { class: "card", "aria-label": "Hypervolume" },
          h("header", {}, h("h2", {}, "Hypervolume")),
          volume.element,
        ),
        h(
          "section",
          { class: "card", "aria-label": "In training" },
          h("header", {}, h("h2", {}, "In training")),
          running.element,
        ),
      ),
      h(
        "section",
        { class: "card span-12", "aria-label": "Efficient trials" },
        h(
          "header",
          {},
          h("h2", {}, "Efficient trials"),
          h("span", { class: "muted small" }, "Click one to see everything about it"),
        ),
        list.element,
      ),
    ),
  );
  place.append(space);

  function modes() {
    if (trials.metrics.length < 3) return null;
    const names = ["2-D", "Matrix", ...(trials.metrics.length >= 3 ? ["3-D"] : [])];
    const buttons = names.map((mode) =>
      h(
        "button",
        {
          "aria-pressed": String(mode === settings.mode),
          onclick: () => {
            settings.mode = mode;
            buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(names[k] === mode)));
            show(place, mode === "3-D" ? solid : space);
            drawControls();
            drawSpace();
          },
        },
        mode,
      ),
    );
    return h("div", { class: "segments", role: "group", "aria-label": "View" }, buttons);
  }

  function drawControls() {
    const names = trials.metrics.map((metric) => [metric.index, metric.name]);
    const set =
      (name, redo = drawSpace) =>
      (value) => {
        settings[name] = value;
        redo(value);
      };
    const flat = settings.mode === "2-D";
    const slack = h("input", {
      type: "range",
      min: 0,
      max: 3,
      step: 0.25,
      value: page.slack || 0,
      "aria-label": "Slack in standard errors",
    });
    const said = h("output", {}, `${page.slack || 0} SE`);
    const fetchFront = debounced(() => page.refreshFront().catch((error) => say(error.message, true)), 120);
    slack.addEventListener("input", () => {
      page.slack = Number(slack.value);
      said.textContent = `${slack.value} SE`;
      fetchFront();
    });
    show(
      controls,
      flat &&
        trials.metrics.length > 1 && [
          choice("Vertical", names, settings.y, (value) => set("y")(Number(value)), true),
          h("span", { class: "muted" }, "over"),
          choice("Horizontal", names, settings.x, (value) => set("x")(Number(value)), true),
        ],
      flat && [
        check("Errors", settings.bars, set("bars")),
        check("Focus", settings.zoom, set("zoom")),
        check("Log x", settings.logX, set("logX")),
        check("Log y", settings.logY, set("logY")),
        optimized.length === 2 && check("Attainment", settings.attainment, set("attainment", loadAttainment)),
        others,
      ],
      optimized.length > 2 &&
        h("span", { class: "muted small" }, "Attainment is shaded for two optimized metrics only."),
      h(
        "label",
        {
          class: "slider",
          title: "Also mark trials that are dominated by no more than this: room for noise",
        },
        "Slack",
        slack,
        said,
      ),
    );
  }

  // Another experiment's front on top: a random search, say.
  const others = h("span", {});
  get("/experiments", { page_size: 200 })
    .then(({ experiments }) => {
      const fitting = experiments.filter(
        (one) =>
          one.id !== page.id && optimized.every((metric) => one.metrics.some((m) => m.name === metric.name)),
      );
      const names = namesOf(fitting);
      if (fitting.length)
        show(
          others,
          choice(
            "Compare with",
            [["", "Overlay: none"], ...fitting.map((one) => [one.id, `Overlay: ${names.get(one.id)}`])],
            settings.other,
            loadOther,
            true,
          ),
        );
    })
    .catch(() => {
      /* a share link reads this experiment alone */
    });

  async function loadOther(id) {
    settings.other = id;
    drawn.other = null;
    if (id) {
      const front = await get(below(id, "/charts/front"));
      drawn.other = {
        name: `front of ${id}`,
        points: front.ordinals.map((ordinal, k) => ({ ordinal, values: new Map(front.values[k]) })),
        joined: optimized.length === 2,
      };
    }
    drawSpace();
  }

  async function loadAttainment(on) {
    settings.attainment = on;
    drawn.surfaces = null;
    if (on) {
      try {
        drawn.surfaces = await post(below(page.id, "/attainment"), {
          levels: LEVELS,
          source: "ATTAINMENT_SOURCE_RESAMPLING",
          reference_point: reference(),
        });
      } catch (error) {
        say(error.message, true);
        settings.attainment = false;
        drawControls();
      }
    }
    drawSpace();
  }
  const reference = () => (page.front?.reference_point || []).map(([metric, value]) => ({ metric, value }));

  async function loadBaseline() {
    const relative = trials.metrics.find((metric) => metric.relative)?.relative;
    if (!relative) return;
    const { observation } = await get(
      `/observations/${encodeURIComponent(relative.baseline_observation_id)}`,
    );
    drawn.baseline = new Map(observation.values.map((value) => [value.metric, value.value]));
    drawSpace();
  }

  const axes = () => [trials.metrics[settings.x] || ORDINAL, trials.metrics[settings.y]];

  function brushed(event) {
    const area = event.areas?.[0];
    if (!area || area.coordRange.length !== 2) return;
    const [[x0, x1], [y0, y1]] = area.coordRange;
    const [xs, ys] = axes().map((metric) => trials.along(metric));
    page.select(
      new Set(
        trials.ordinals.filter(
          (_, row) =>
            xs[row] !== null &&
            ys[row] !== null &&
            xs[row] >= x0 &&
            xs[row] <= x1 &&
            ys[row] >= y0 &&
            ys[row] <= y1,
        ),
      ),
    );
    space.instance.dispatchAction({ type: "brush", areas: [] });
  }

  function drawSpace() {
    const [x, y] = axes(),
      front = timeline.front() || page.front;
    const efficient = new Set(front?.ordinals || []);
    const data = {
      trials,
      x,
      y,
      front: efficient,
      reference: Object.fromEntries(front?.reference_point || []),
      selected: page.selected,
      ...settings,
      until: timeline.until(),
    };
    Object.assign(data, {
      x,
      y,
      surfaces: drawn.surfaces?.surfaces,
      metricsOfSurfaces: drawn.surfaces?.metrics,
    });
    if (drawn.other)
      data.overlays = [
        {
          ...drawn.other,
          points: drawn.other.points
            .map(({ ordinal, values }) => [x === ORDINAL ? ordinal : values.get(x.name), values.get(y.name)])
            .filter(([a, b]) => a !== undefined && b !== undefined),
        },
      ];
    if (drawn.baseline?.has(x.name) && drawn.baseline.has(y.name))
      data.baseline = [drawn.baseline.get(x.name), drawn.baseline.get(y.name)];
    if (settings.mode === "3-D")
      solid.draw({ ...data, metrics: (optimized.length >= 3 ? optimized : trials.metrics).slice(0, 3) });
    else {
      space.update({
        label:
          settings.mode === "Matrix"
            ? `All pairs of ${trials.metrics.map((m) => m.name).join(", ")}`
            : `${y.name} against ${x.name}: ${plural(trials.total, "trial")}, ${efficient.size} of them efficient`,
        option: (p) => (settings.mode === "Matrix" ? matrixOption(p, data) : spaceOption(p, data)),
        table: () => ({
          columns: ["Trial", "Efficient", ...trials.metrics.map(title)],
          rows: trials.ordinals.map((ordinal, row) => [
            ordinal,
            efficient.has(ordinal) ? "yes" : "",
            ...trials.metrics.map((metric) => numberOrNone(trials.values[metric.index][row])),
          ]),
        }),
      });
      space.instance?.dispatchAction({
        type: "takeGlobalCursor",
        key: "brush",
        brushOption:
          settings.mode === "2-D" ? { brushType: "rect", brushMode: "single" } : { brushType: false },
      });
    }
    show(key, legend(page, data));
  }
  const numberOrNone = (value) => (value === null ? null : number(value));

  const all = {
    trials() {
      tiles.draw();
      timeline.draw();
      drawSpace();
      running.draw();
    },
    experiment() {
      tiles.draw();
      running.draw();
      if (settings.mode === "2-D") drawSpace();
    },
    front() {
      tiles.draw();
      drawSpace();
      volume.draw();
      list.draw();
    },
    selection: drawSpace,
  };
  drawControls();
  page.listeners.add((what) => all[what]());
  all.trials();
  all.front();
  loadBaseline().catch(() => {
    /* without it there is no mark, and nothing is lost */
  });
  return timeline.pause;
}
