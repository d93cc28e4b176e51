// Importance as bars; slices and contours of what the model expects.

import { axis, common } from "./palette.js";
import { number, share, withError } from "../format.js";
import { clipped } from "./space.js";

/** @param rows [{name, value 0..1}] largest first */
export function barsOption(p, rows) {
  const turned = [...rows].reverse();
  return {
    ...common(p),
    grid: { left: 20, right: 52, top: 6, bottom: 6, containLabel: true },
    xAxis: {
      type: "value",
      min: 0,
      max: Math.max(0.01, ...rows.map((row) => row.value)) * 1.02,
      show: false,
    },
    yAxis: {
      type: "category",
      data: turned.map((row) => clipped(row.name, 26)),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: p.ink, fontSize: 12.5 },
    },
    tooltip: { show: false },
    series: [
      {
        type: "bar",
        data: turned.map((row) => row.value),
        barMaxWidth: 18,
        itemStyle: { color: p.accent, borderRadius: [0, 3, 3, 0] },
        label: { show: true, position: "right", color: p.muted, formatter: (item) => share(item.value) },
      },
    ],
  };
}

/** Ends of one scale for all slices of a metric, two standard deviations and some room included. */
export function rangeOf(slices, index) {
  const ends = slices.flatMap(({ means, stddevs }) =>
    means[index].flatMap((mean, k) =>
      mean === null ? [] : [mean - 2 * stddevs[index][k], mean + 2 * stddevs[index][k]],
    ),
  );
  if (!ends.length) return undefined;
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  const room = 0.04 * (high - low || 1);
  return [low - room, high + room].map((end) => Number(end.toPrecision(3)));
}

/** One parameter along, one metric up, with the model's uncertainty and where the trial lies; null: no place. */
export function sliceOption(p, { parameter, metric, at, range, ...given }) {
  const category = Boolean(parameter.choices),
    log = parameter.log;
  const [xs, means, stddevs] = [given.xs, given.means, given.stddevs].map((column) =>
    column.filter((_, k) => given.means[k] !== null),
  );
  const pair = (f) => xs.map((x, k) => [x, f(k)]);
  const hidden = { type: "line", stack: "band", symbol: "none", silent: true, lineStyle: { opacity: 0 } };
  return {
    ...common(p),
    grid: { left: 56, right: 14, top: 10, bottom: 40 },
    xAxis: axis(p, clipped(parameter.name, 30), {
      type: category ? "category" : log ? "log" : "value",
      data: category ? parameter.choices : undefined,
      splitLine: { show: false },
      nameGap: 26,
      axisLabel: {
        color: p.muted,
        fontSize: 11,
        hideOverlap: true,
        ...(category ? {} : { formatter: (value) => number(value, 3) }),
      },
      ...(category ? {} : { min: parameter.min, max: parameter.max }),
    }),
    yAxis: axis(p, "", {
      min: range?.[0],
      max: range?.[1],
      axisLabel: {
        showMinLabel: false,
        showMaxLabel: false,
        color: p.muted,
        fontSize: 11,
        formatter: (value) => number(value, 3),
      },
    }),
    tooltip: {
      ...common(p).tooltip,
      trigger: "axis",
      formatter: (items) => {
        const k = items[0].dataIndex;
        return `${clipped(parameter.name)} ${typeof xs[k] === "number" ? number(xs[k]) : xs[k]}\n${metric.name} ${number(means[k])} ± ${number(stddevs[k], 2)}`;
      },
    },
    series: category
      ? [
          {
            type: "custom",
            silent: true,
            data: pair((k) => means[k]).map(([x, y], k) => [x, y, stddevs[k]]),
            encode: { x: 0, y: 1 },
            renderItem: (_, api) => {
              const [x, low] = api.coord([api.value(0), api.value(1) - 2 * api.value(2)]),
                [, high] = api.coord([api.value(0), api.value(1) + 2 * api.value(2)]);
              return {
                type: "line",
                shape: { x1: x, y1: low, x2: x, y2: high },
                style: { stroke: p.accent, lineWidth: 6, opacity: 0.25 },
              };
            },
          },
          { type: "scatter", data: pair((k) => means[k]), symbolSize: 8, itemStyle: { color: p.accent } },
        ]
      : [
          { ...hidden, data: pair((k) => means[k] - 2 * stddevs[k]) },
          { ...hidden, data: pair((k) => 4 * stddevs[k]), areaStyle: { color: p.accent, opacity: 0.18 } },
          {
            type: "line",
            data: pair((k) => means[k]),
            symbol: "none",
            lineStyle: { color: p.accent, width: 2 },
            markLine:
              at === null || at === undefined
                ? undefined
                : {
                    silent: true,
                    symbol: "none",
                    data: [{ xAxis: at }],
                    label: { show: false },
                    lineStyle: { color: p.front, type: "solid", width: 1.4 },
                  },
          },
        ],
  };
}

/** Two parameters; as colour what the model expects of a metric, or how unsure of it the model is. */
export function contourOption(p, { first, second, metric, xs, ys, means, stddevs, unsure, at }) {
  const shown = unsure ? stddevs : means;
  const finite = shown.filter((value) => value !== null);
  return {
    ...common(p),
    grid: { left: 76, right: 92, top: 12, bottom: 46 },
    xAxis: {
      ...axis(p, clipped(first.name, 30)),
      type: "category",
      data: xs.map((x) => (typeof x === "number" ? number(x, 3) : x)),
      splitLine: { show: false },
      nameGap: 30,
    },
    yAxis: {
      ...axis(p, clipped(second.name, 30), { nameGap: 54 }),
      type: "category",
      data: ys.map((y) => (typeof y === "number" ? number(y, 3) : y)),
      splitLine: { show: false },
    },
    visualMap: {
      min: Math.min(...finite),
      max: Math.max(...finite),
      calculable: false,
      right: 4,
      top: "middle",
      precision: 3,
      textStyle: { color: p.muted, fontSize: 11 },
      itemHeight: 150,
      itemWidth: 12,
      formatter: (value) => number(value, 3),
      inRange: {
        color:
          metric.maximize || unsure
            ? [p.sunken, p.accent_soft, p.accent]
            : [p.accent, p.accent_soft, p.sunken],
      },
      text: [clipped(unsure ? `σ of ${metric.name}` : metric.name, 12), ""],
    },
    tooltip: {
      ...common(p).tooltip,
      formatter: (item) =>
        `${clipped(first.name)} ${typeof xs[item.value[0]] === "number" ? number(xs[item.value[0]]) : xs[item.value[0]]}\n${clipped(second.name)} ${typeof ys[item.value[1]] === "number" ? number(ys[item.value[1]]) : ys[item.value[1]]}\n${metric.name} ${withError(means[item.value[0] * ys.length + item.value[1]], stddevs[item.value[0] * ys.length + item.value[1]])}`,
    },
    series: [
      {
        type: "heatmap",
        data: xs.flatMap((_, i) => ys.map((__, j) => [i, j, shown[i * ys.length + j]])),
        progressive: 0,
        emphasis: { disabled: true },
      },
      at
        ? {
            type: "scatter",
            data: [at],
            symbolSize: 13,
            itemStyle: { color: "transparent", borderColor: p.front, borderWidth: 2.4 },
            silent: true,
          }
        : null,
    ].filter(Boolean),
  };
}
