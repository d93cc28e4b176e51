// A chart on the page: a canvas with words for those who cannot see it, and the same numbers as a table.

import { h, show } from "./dom.js";
import { palette } from "./charts/palette.js";

const open = new Set();
const redrawn = new ResizeObserver((entries) => entries.forEach((entry) => entry.target.chart?.resize()));

/** Draw all charts anew, as when the theme changed. */
export function redrawAll() {
  for (const figure of open) figure.redraw();
}

/**
 * A figure. `option(palette)` gives an ECharts option; `table()` gives {columns, rows} for the fallback.
 * The element has update({option, table, label}) and chart (the ECharts instance, made when first drawn).
 */
export function chart({ label, kind = "", events = {} }) {
  const canvas = h("div", { class: `chart ${kind}`, role: "img", "aria-label": label, tabindex: "0" });
  const list = h("div");
  const details = h("details", { class: "as-table" }, h("summary", {}, "Show as table"), list);
  const figure = h("figure", {}, canvas, details);
  let option = null,
    table = null;
  const fillTable = () => table && details.open && show(list, tableOf(label, table()));
  details.addEventListener("toggle", fillTable);
  figure.redraw = () => {
    if (!option) return;
    if (!canvas.isConnected) {
      open.delete(figure);
      canvas.chart?.dispose();
      canvas.chart = null;
      return;
    }
    if (!canvas.chart) {
      canvas.chart = window.echarts.init(canvas, null, { renderer: "canvas" });
      for (const [name, work] of Object.entries(events)) canvas.chart.on(name, work);
      redrawn.observe(canvas);
    }
    canvas.chart.setOption(option(palette()), { notMerge: true, lazyUpdate: false });
    open.add(figure);
    performance.mark("chart");
  };
  figure.update = (changes) => {
    option = changes.option || option;
    table = changes.table || table;
    if (changes.label) canvas.setAttribute("aria-label", changes.label);
    details.classList.toggle("hidden", !table);
    figure.redraw();
    fillTable();
  };
  Object.defineProperty(figure, "instance", { get: () => canvas.chart });
  figure.canvas = canvas;
  return figure;
}

const MOST = 400;

/** A plain table of {columns, rows}. */
export function tableOf(caption, { columns, rows }) {
  const shown = rows.slice(0, MOST);
  return h(
    "table",
    {},
    h("caption", { class: "visually-hidden" }, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        columns.map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      shown.map((row) =>
        h(
          "tr",
          {},
          row.map((cell) => h("td", {}, cell ?? "–")),
        ),
      ),
    ),
    rows.length > MOST &&
      h(
        "tfoot",
        {},
        h(
          "tr",
          {},
          h(
            "td",
            { colspan: columns.length },
            `The first ${MOST} of ${rows.length.toLocaleString("en")}; the tab Trials has all of them.`,
          ),
        ),
      ),
  );
}
