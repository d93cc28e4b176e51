// Metric space: every trial as a point, the efficient ones marked and joined.

import { axis, common } from "./palette.js";
import { number, title, withError } from "../format.js";
import { OK, ORDINAL, OUTCOMES } from "../model.js";

const LARGE = 2000;
const BARS = 400;

/**
 * The option of a scatter of two metrics, or of one over the trials.
 *
 * @param p palette
 * @param d {trials, x, y (metrics; x may be ORDINAL), front: Set of ordinals, order: ordinals along the front, reference: {name: value},
 *          pending: [{ordinal, values: {name: [mean, stddev]}}], overlays: [{name, points: [[x, y]]}],
 *          surfaces: [{level, points}], baseline: [x, y], selected: Set or null, until: ordinal or 0,
 *          bars, zoom, logX, logY}
 */
export function spaceOption(p, d) {
  const { trials, x, y } = d;
  const groups = split(d);
  const two = trials.optimized.length === 2 && x.optimized && y.optimized;
  const ends = zoomed(d, groups);
  const shown =
    d.bars && groups.efficient.length + groups.dominated.length <= BARS
      ? [...groups.efficient, ...groups.dominated]
      : d.bars
        ? groups.efficient
        : [];
  const faded = d.selected ? 0.18 : 0.55;
  return {
    ...common(p),
    grid: { left: 58, right: 22, top: 18, bottom: 48 },
    xAxis: axis(p, title(x) + (x === ORDINAL ? "" : x.maximize ? "  →" : "  ←"), {
      type: d.logX ? "log" : "value",
      minInterval: x === ORDINAL ? 1 : 0,
      ...ends.x,
    }),
    yAxis: axis(p, title(y) + (y.maximize ? "  ↑" : "  ↓"), {
      type: d.logY ? "log" : "value",
      nameGap: 42,
      ...ends.y,
      nameTextStyle: { color: p.muted, fontSize: 12.5 },
    }),
    tooltip: {
      ...common(p).tooltip,
      trigger: "item",
      formatter: (item) =>
        item.data?.ordinal ? described(trials, item.data.ordinal) : item.data?.text || item.seriesName,
    },
    toolbox: { show: false },
    brush: {
      toolbox: [],
      xAxisIndex: 0,
      throttleType: "debounce",
      throttleDelay: 60,
      brushStyle: { color: "rgba(120,140,160,.14)", borderColor: p.accent, borderWidth: 1 },
      outOfBrush: {},
    },
    dataZoom: [
      { type: "inside", xAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false },
      { type: "inside", yAxisIndex: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false },
    ],
    series: [
      ...heat(p, d, ends),
      bars(p, d, shown),
      points("dominated", groups.dominated, {
        itemStyle: { color: p.dominated, opacity: faded },
        symbolSize: 6.5,
      }),
      points("failed", groups.failed, {
        symbol: "path://M0 0L8 8M8 0L0 8",
        symbolSize: 8,
        itemStyle: { color: "transparent", borderColor: p.infeasible, borderWidth: 1.6, opacity: 0.8 },
      }),
      ...overlays(p, d),
      two && groups.efficient.length ? stairs(p, d, ends) : null,
      points("efficient", groups.efficient, {
        symbol: "circle",
        symbolSize: 9.5,
        z: 5,
        itemStyle: { color: p.front, borderColor: p.surface, borderWidth: 1.2 },
      }),
      points("pending", pending(d), {
        symbolSize: 10,
        z: 4,
        itemStyle: { color: "transparent", borderColor: p.pending, borderWidth: 1.8 },
      }),
      d.selected
        ? points("selected", groups.selected, {
            symbolSize: 11,
            z: 6,
            itemStyle: { color: "transparent", borderColor: p.accent, borderWidth: 2 },
          })
        : null,
      marks(p, d, ends),
    ].filter(Boolean),
  };
}

/** Rows by how they are drawn. */
function split({ trials, x, y, front, selected, until }) {
  const groups = { efficient: [], dominated: [], failed: [], selected: [] };
  const xs = trials.along(x),
    ys = trials.along(y);
  for (let row = 0; row < trials.size; row++) {
    const ordinal = trials.ordinals[row];
    if (xs[row] === null || ys[row] === null || (until && ordinal > until)) continue;
    const point = { value: [xs[row], ys[row]], ordinal, row };
    if (front.has(ordinal)) groups.efficient.push(point);
    else if (trials.outcomes[row] === OK) groups.dominated.push(point);
    else groups.failed.push(point);
    if (selected?.has(ordinal)) groups.selected.push(point);
  }
  return groups;
}

function points(name, data, style) {
  // Thousands of points are drawn in one go; that mode reads bare pairs only, and tells no point apart.
  const large = data.length > LARGE;
  return {
    name,
    type: "scatter",
    data: large ? data.map((point) => point.value) : data,
    large,
    largeThreshold: LARGE,
    ...style,
  };
}

function pending({ trials, x, y, until }) {
  if (until) return [];
  return trials.active.flatMap((one, k) => {
    const expected = (metric) =>
      metric === ORDINAL
        ? { mean: trials.total + 1 + k }
        : one.provenance?.predictions?.find((prediction) => prediction.metric === metric.name);
    const [a, b] = [expected(x), expected(y)];
    if (!a || !b) return [];
    const told = [
      [x, a],
      [y, b],
    ].map(([metric, { mean, stddev }]) => `expected ${metric.name} ${withError(mean, stddev)}`);
    return [
      {
        value: [a.mean, b.mean],
        text: [
          `Suggestion ${one.ordinal}, ${one.state.endsWith("LEASED") ? "in training" : "waiting"}`,
          ...told,
        ].join("\n"),
      },
    ];
  });
}

/** What a point says when it is pointed at. */
export function described(trials, ordinal) {
  const row = trials.at.get(ordinal);
  if (row === undefined) return `Trial ${ordinal}`;
  const lines = [
    `Trial ${ordinal}${trials.outcomes[row] === OK ? "" : ` · ${OUTCOMES[trials.outcomes[row]]}`}`,
  ];
  for (const metric of trials.metrics) {
    const value = trials.values[metric.index][row];
    if (value !== null)
      lines.push(
        `${clipped(metric.name)}  ${withError(value, trials.stddevs[metric.index][row])} ${metric.unit}`,
      );
  }
  const known = trials.parameters.filter((parameter) => trials.cell(parameter, row) !== null).slice(0, 8);
  lines.push(
    ...known.map((parameter) => {
      const value = trials.cell(parameter, row);
      return `${clipped(parameter.name)}  ${typeof value === "number" ? number(value) : clipped(value)}`;
    }),
  );
  return lines.join("\n");
}

export const clipped = (text, most = 40) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Axis ends: everything, or where the front differs, with some room, more of it on the worse side. */
function zoomed({ x, y, zoom, reference }, groups) {
  const along = (metric, index) => {
    if (!zoom || groups.efficient.length < 2 || metric === ORDINAL) return {};
    const values = groups.efficient.map((point) => point.value[index]);
    if (reference && metric.name in reference) values.push(reference[metric.name]);
    const all = [...groups.dominated, ...groups.efficient].map((point) => point.value[index]);
    let low = Math.min(...values),
      high = Math.max(...values);
    const room = high - low || Math.abs(high) * 0.1 || 1;
    [low, high] = metric.maximize
      ? [low - 0.25 * room, high + 0.08 * room]
      : [low - 0.08 * room, high + 0.25 * room];
    let least = Infinity,
      most = -Infinity;
    for (const value of all) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    if (most - least < 1.3 * (high - low)) return {};
    return { min: Math.max(low, least - 0.05 * room), max: Math.min(high, most + 0.05 * room) };
  };
  const ends = { x: along(x, 0), y: along(y, 1) };
  for (const end of [ends.x, ends.y]) {
    for (const side of ["min", "max"]) if (side in end) end[side] = Number(end[side].toPrecision(3));
  }
  return ends;
}

/** Corners of the staircase through points of which none dominates another. */
export function corners(points, x) {
  const toward = x.maximize ? 1 : -1;
  const sorted = [...points].sort((a, b) => toward * (b[0] - a[0]));
  const line = [];
  sorted.forEach(([px, py], index) => {
    if (index) line.push([px, sorted[index - 1][1]]);
    line.push([px, py]);
  });
  return line;
}

function stairs(p, d) {
  const { trials, x, y, front } = d;
  // Ordinals of the whole front, whose rows are never thinned out.
  const found = [...front].map((ordinal) => trials.at.get(ordinal)).filter((row) => row !== undefined);
  const line = corners(
    found.map((row) => [trials.values[x.index][row], trials.values[y.index][row]]),
    x,
  );
  return {
    name: "front",
    type: "line",
    data: line,
    symbol: "none",
    z: 3,
    silent: true,
    lineStyle: { color: p.front, width: 1.8, opacity: 0.85 },
  };
}

function bars(p, { trials, x, y }, shown) {
  const data = shown.map(({ value, row }) => [
    ...value,
    trials.stddevs[x.index]?.[row] || 0,
    trials.stddevs[y.index][row] || 0,
  ]);
  return {
    name: "standard errors",
    type: "custom",
    silent: true,
    z: 1,
    data,
    encode: { x: [0], y: [1] },
    clip: true,
    renderItem: (_, api) => {
      const [vx, vy, ex, ey] = [0, 1, 2, 3].map((k) => api.value(k));
      const style = { stroke: p.faint, lineWidth: 1, opacity: 0.75 };
      const line = (a, b) => {
        const [x1, y1] = api.coord(a),
          [x2, y2] = api.coord(b);
        return { type: "line", shape: { x1, y1, x2, y2 }, style };
      };
      return {
        type: "group",
        children: [ex && line([vx - ex, vy], [vx + ex, vy]), ey && line([vx, vy - ey], [vx, vy + ey])].filter(
          Boolean,
        ),
      };
    },
  };
}

const OTHERS = ["other", "other_2", "other_3"];

function overlays(p, { overlays: given, x, y }) {
  return (given || []).flatMap(({ name, points: all, joined, color: wanted }, index) => {
    const color = p[wanted || OTHERS[index % OTHERS.length]];
    return [
      joined && {
        name,
        type: "line",
        data: corners(all, x),
        symbol: "none",
        silent: true,
        z: 2,
        lineStyle: { color, width: 1.6, type: [6, 4] },
      },
      {
        name,
        type: "scatter",
        symbol: "diamond",
        symbolSize: 8,
        z: 3,
        data: all.map((value) => ({
          value,
          text: `${clipped(name)}\n${x.name} ${number(value[0])}\n${y.name} ${number(value[1])}`,
        })),
        itemStyle: { color },
      },
    ].filter(Boolean);
  });
}

/** Attainment surfaces as nested areas: the darker, the surer that a search like this one gets there. */
function heat(p, { surfaces, x, y, reference, metricsOfSurfaces }) {
  if (!surfaces?.length) return [];
  const [a, b] = [metricsOfSurfaces.indexOf(x.name), metricsOfSurfaces.indexOf(y.name)];
  if (a < 0 || b < 0 || metricsOfSurfaces.length !== 2) return [];
  return surfaces
    .filter((surface) => surface.points.length)
    .map((surface) => {
      const line = corners(
        surface.points.map(({ values }) => [values[a], values[b]]),
        x,
      );
      const worst = [reference[x.name], reference[y.name]];
      return {
        name: "attainment",
        type: "custom",
        silent: true,
        z: 0,
        data: [worst],
        encode: { x: 0, y: 1 },
        clip: true,
        renderItem: (_, api) => {
          const area = [[line[0][0], worst[1]], ...line, [worst[0], line.at(-1)[1]], worst].map((point) =>
            api.coord(point),
          );
          return { type: "polygon", shape: { points: area }, style: { fill: p.accent, opacity: 0.07 } };
        },
      };
    });
}

/** Thresholds as lines, reference point and baseline as marks. */
function marks(p, { x, y, reference, baseline }) {
  const lines = [
    [x, "xAxis"],
    [y, "yAxis"],
  ]
    .filter(([metric]) => metric.limit !== undefined)
    .map(([metric, where]) => ({ [where]: metric.limit, name: "threshold" }));
  const spots = [
    reference &&
      x !== ORDINAL &&
      x.name in reference &&
      y.name in reference && {
        value: [reference[x.name], reference[y.name]],
        symbol: "path://M0 4H8M4 0V8",
        symbolSize: 11,
        itemStyle: { color: "transparent", borderColor: p.muted, borderWidth: 1.6 },
        text: `Reference point\n${x.name} ${number(reference[x.name])}\n${y.name} ${number(reference[y.name])}`,
      },
    baseline && {
      value: baseline,
      symbol: "triangle",
      symbolSize: 12,
      itemStyle: { color: p.good },
      text: `Baseline\n${x.name} ${number(baseline[0])}\n${y.name} ${number(baseline[1])}`,
    },
  ].filter(Boolean);
  return {
    name: "marks",
    type: "scatter",
    data: spots,
    z: 7,
    markLine: {
      silent: true,
      symbol: "none",
      data: lines,
      lineStyle: { color: p.warn, type: [4, 4], width: 1.2 },
      label: { formatter: "threshold", color: p.warn, fontSize: 11, position: "insideEndTop" },
    },
  };
}
