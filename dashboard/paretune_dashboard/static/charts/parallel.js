// Parallel coordinates: every trial a line through its parameters and metrics; brushing an axis selects.

import { common } from "./palette.js";
import { number } from "../format.js";
import { clipped } from "./space.js";
import { OK } from "../model.js";

const MOST = 1500;

/** Axes of the chart, in order: what they are called, their ends, and the value of a row. */
export function axesOf(trials, leaveOut = new Set()) {
  const parameters = trials.parameters.map((parameter) => ({
    key: `p${parameter.index}`,
    name: parameter.name,
    log: parameter.log,
    choices: parameter.choices,
    min: parameter.min,
    max: parameter.max,
    cell: (row) => (parameter.choices ? trials.cell(parameter, row) : trials.cells[parameter.index][row]),
  }));
  const metrics = trials.metrics.map((metric) => ({
    key: `m${metric.index}`,
    name: metric.name,
    metric,
    inverse: !metric.maximize,
    cell: (row) => trials.values[metric.index][row],
  }));
  return [...parameters, ...metrics].filter((one) => !leaveOut.has(one.key));
}

/** Rows that have a value on every axis, thinned out, the efficient ones last and therefore on top. */
export function linesOf(trials, axes, front) {
  const rows = [...trials.ordinals.keys()].filter(
    (row) => trials.outcomes[row] === OK && axes.some((one) => one.cell(row) !== null),
  );
  const step = Math.ceil(rows.length / MOST);
  const shown = rows.filter((row, k) => k % step === 0 || front.has(trials.ordinals[row]));
  return [
    shown.filter((row) => !front.has(trials.ordinals[row])),
    shown.filter((row) => front.has(trials.ordinals[row])),
  ];
}

export function parallelOption(p, { trials, front, axes }) {
  const [rest, best] = linesOf(trials, axes, front);
  const line = (row) => axes.map((one) => one.cell(row) ?? "-");
  const looks = (color, width, opacity) => ({
    type: "parallel",
    inactiveOpacity: 0.03,
    activeOpacity: Math.max(opacity, 0.75),
    lineStyle: { color, width, opacity },
    emphasis: { disabled: true },
    progressive: 0,
  });
  return {
    ...common(p),
    tooltip: { show: false },
    parallel: {
      left: 44,
      right: 60,
      top: 44,
      bottom: 26,
      axisExpandable: false,
      parallelAxisDefault: {
        nameLocation: "end",
        nameGap: 14,
        nameTextStyle: { color: p.ink, fontSize: 12 },
        axisLine: { lineStyle: { color: p.strong_line } },
        axisTick: { show: false },
        axisLabel: { color: p.muted, fontSize: 11 },
        areaSelectStyle: { width: 18, borderWidth: 1, borderColor: p.accent, color: p.accent, opacity: 0.25 },
        realtime: false,
      },
    },
    parallelAxis: axes.map((one, dim) => ({
      dim,
      name: clipped(one.name, 15),
      inverse: Boolean(one.inverse),
      scale: true,
      ...(one.choices
        ? { type: "category", data: one.choices }
        : {
            type: one.log ? "log" : "value",
            ...(one.metric ? {} : { min: one.min, max: one.max }),
            axisLabel: { color: p.muted, fontSize: 11, formatter: (value) => number(value, 3) },
          }),
    })),
    series: [
      { name: "dominated", data: rest.map(line), ...looks(p.dominated, 1, rest.length > 300 ? 0.18 : 0.3) },
      { name: "efficient", data: best.map(line), ...looks(p.front, 1.6, 0.85) },
    ],
  };
}
