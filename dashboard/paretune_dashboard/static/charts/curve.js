// Lines over the number of observations: hypervolume, checkpoints, forecasts.

import { axis, common } from "./palette.js";
import { number } from "../format.js";

const OTHERS = ["accent", "other", "other_2", "other_3", "front"];

/**
 * @param lines [{name, points: [[x, y]], band: [[x, low, high]], step, color}]
 */
export function curveOption(p, { lines, xName, yName, until }) {
  return {
    ...common(p),
    grid: { left: 62, right: 20, top: 18, bottom: 44 },
    xAxis: axis(p, xName, { minInterval: 1, scale: false, min: "dataMin", max: "dataMax" }),
    yAxis: axis(p, yName, {
      nameGap: 46,
      axisLabel: { color: p.muted, fontSize: 11.5, formatter: (value) => number(value, 3) },
    }),
    tooltip: {
      ...common(p).tooltip,
      trigger: "axis",
      axisPointer: { lineStyle: { color: p.strong_line } },
      formatter: (items) =>
        [
          `${xName} ${number(items[0].value[0])}`,
          ...items
            .filter((item) => item.seriesName[0] !== " ")
            .map((item) => `${item.seriesName}  ${number(item.value[1], 5)}`),
        ].join("\n"),
    },
    series: lines.flatMap((line, index) => {
      const color = p[line.color || OTHERS[index % OTHERS.length]];
      const series = [
        {
          name: line.name,
          type: "line",
          data: line.points,
          step: line.step ? "end" : false,
          symbol: line.points.length < 3 ? "circle" : "none",
          symbolSize: 6,
          lineStyle: { color, width: 2 },
          itemStyle: { color },
          areaStyle: lines.length === 1 ? { color, opacity: 0.08 } : undefined,
          markLine:
            until && !index
              ? {
                  silent: true,
                  symbol: "none",
                  data: [{ xAxis: until }],
                  label: { show: false },
                  lineStyle: { color: p.front, type: "solid" },
                }
              : undefined,
        },
      ];
      if (line.band) {
        const stack = ` ${line.name} band`;
        const hidden = { type: "line", stack, symbol: "none", lineStyle: { opacity: 0 }, silent: true };
        series.push(
          { ...hidden, name: stack, data: line.band.map(([x, low]) => [x, low]) },
          {
            ...hidden,
            name: stack,
            data: line.band.map(([x, low, high]) => [x, high - low]),
            areaStyle: { color, opacity: 0.16 },
          },
        );
      }
      return series;
    }),
  };
}
