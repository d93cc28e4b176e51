// Every pair of metrics in one picture.

import { common, axis } from "./palette.js";
import { clipped, described } from "./space.js";
import { number } from "../format.js";
import { OK } from "../model.js";

const MOST = 1500;

/** @param d {trials, front: Set, selected: Set or null, until} */
export function matrixOption(p, { trials, front, selected, until }) {
  const metrics = trials.metrics.slice(0, 5),
    n = metrics.length,
    gap = 1.2,
    left = 9,
    top = 3,
    size = (94 - left - gap * (n - 1)) / n,
    tall = (88 - top - gap * (n - 1)) / n;
  const grids = [],
    xs = [],
    ys = [],
    series = [];
  const rows = [...trials.ordinals.keys()].filter(
    (row) => trials.outcomes[row] === OK && (!until || trials.ordinals[row] <= until),
  );
  const step = Math.ceil(rows.length / MOST);
  const shown = rows.filter((row, k) => k % step === 0 || front.has(trials.ordinals[row]));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      const index = grids.length,
        x = metrics[j],
        y = metrics[i];
      grids.push({
        left: `${left + j * (size + gap)}%`,
        top: `${top + i * (tall + gap)}%`,
        width: `${size}%`,
        height: `${tall}%`,
        show: true,
        borderColor: p.line,
      });
      const edge = i === n - 1 || (j === n - 1 && i === n - 2);
      const plain = {
        nameGap: edge ? 24 : 0,
        splitLine: { show: false },
        axisLine: { show: false },
        splitNumber: 3,
      };
      const label = {
        color: p.muted,
        fontSize: 10,
        hideOverlap: true,
        formatter: (value) => number(value, 3),
      };
      xs.push(
        axis(p, i === n - 1 || (j === n - 1 && i === n - 2) ? clipped(x.name, 18) : "", {
          ...plain,
          gridIndex: index,
          axisLabel: { ...label, show: edge },
        }),
      );
      const first = j === 0 || (i === 0 && j === 1);
      ys.push(
        axis(p, first ? clipped(y.name, 18) : "", {
          ...plain,
          nameGap: 36,
          gridIndex: index,
          axisLabel: { ...label, show: first },
        }),
      );
      const points = (keep) =>
        shown
          .filter((row) => keep(trials.ordinals[row]))
          .map((row) => ({
            value: [trials.values[x.index][row], trials.values[y.index][row]],
            ordinal: trials.ordinals[row],
          }))
          .filter(({ value }) => value[0] !== null && value[1] !== null);
      const where = { type: "scatter", xAxisIndex: index, yAxisIndex: index, large: false };
      series.push(
        {
          ...where,
          name: "dominated",
          data: points((ordinal) => !front.has(ordinal)),
          symbolSize: 4,
          itemStyle: { color: p.dominated, opacity: selected ? 0.15 : 0.4 },
        },
        {
          ...where,
          name: "efficient",
          data: points((ordinal) => front.has(ordinal)),
          symbolSize: 6,
          itemStyle: { color: p.front },
        },
      );
      if (selected)
        series.push({
          ...where,
          name: "selected",
          data: points((ordinal) => selected.has(ordinal)),
          symbolSize: 7,
          itemStyle: { color: "transparent", borderColor: p.accent, borderWidth: 1.6 },
        });
    }
  }
  return {
    ...common(p),
    grid: grids,
    xAxis: xs,
    yAxis: ys,
    series,
    tooltip: {
      ...common(p).tooltip,
      trigger: "item",
      formatter: (item) => described(trials, item.data.ordinal),
    },
    graphic: metrics.map((metric, k) => ({
      type: "text",
      left: `${left + k * (size + gap) + size / 2 - 4}%`,
      top: `${top + k * (tall + gap) + tall / 2 - 1}%`,
      silent: true,
      style: {
        text: clipped(metric.name, 16),
        fill: p.ink,
        font: `600 12.5px ${common(p).textStyle.fontFamily}`,
        textAlign: "center",
      },
    })),
  };
}
