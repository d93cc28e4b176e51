// A line in a table cell.

import { svg } from "../dom.js";

export function spark(values, label, width = 110, height = 30) {
  if (values.length < 2)
    return svg("svg", {
      class: "spark",
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": label,
    });
  const high = Math.max(...values),
    low = Math.min(...values, 0);
  const at = values.map((value, k) => [
    (k / (values.length - 1)) * width,
    height - 3 - ((value - low) / (high - low || 1)) * (height - 6),
  ]);
  const line = at.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    svg("path", { class: "area", d: `${line}L${width} ${height}L0 ${height}Z` }),
    svg("path", { d: line }),
  );
}
