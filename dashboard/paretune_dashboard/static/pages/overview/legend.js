// What the marks of the scatter mean.

import { h, svg } from "../../dom.js";
import { count, plural } from "../../format.js";
import { OK } from "../../model.js";

/** Entries of the legend. */
export function legend(page, { front, overlays, surfaces, baseline, x, y, mode }) {
  const mark = (draw) =>
    svg("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, draw);
  const dot = (name, hollow) =>
    mark(
      svg("circle", {
        cx: 7,
        cy: 7,
        r: 4.5,
        fill: hollow ? "none" : `var(--${name})`,
        stroke: `var(--${name})`,
        "stroke-width": 1.8,
      }),
    );
  const { trials } = page;
  const unmeasured = trials.ordinals.filter(
    (_, row) => trials.outcomes[row] !== OK && [x, y].some((metric) => trials.along(metric)[row] === null),
  ).length;
  const thinned = trials.total > trials.size;
  return [
    h("span", {}, dot("front"), `efficient (${front.size})`),
    h("span", {}, dot("dominated"), "dominated"),
    trials.active.length > 0 &&
      mode === "2-D" &&
      h("span", {}, dot("pending", true), "in training, where the model expects it"),
    unmeasured > 0 &&
      h(
        "span",
        {},
        mark(svg("path", { d: "M3 3l8 8M11 3l-8 8", stroke: "var(--infeasible)", "stroke-width": 1.8 })),
        `${count(unmeasured)} failed without values`,
      ),
    overlays &&
      h("span", {}, mark(svg("path", { d: "M7 2l5 5-5 5-5-5z", fill: "var(--other)" })), overlays[0].name),
    baseline && h("span", {}, mark(svg("path", { d: "M7 2l5 9H2z", fill: "var(--good)" })), "baseline"),
    mode === "2-D" &&
      x.optimized &&
      y.optimized &&
      h(
        "span",
        {},
        mark(svg("path", { d: "M7 2v10M2 7h10", stroke: "var(--muted)", "stroke-width": 1.6 })),
        "reference point",
      ),
    surfaces && h("span", {}, h("i", { class: "swatch" }), "the darker, the surer to be attained"),
    thinned &&
      h(
        "span",
        {},
        `${count(trials.size)} of ${count(trials.total)} shown: all efficient ones, and others where they stand out`,
      ),
    page.selected &&
      h(
        "span",
        {},
        h("strong", {}, `${plural(page.selected.size, "trial")} selected`),
        h("button", { class: "quiet", onclick: () => page.select(null) }, "Clear"),
      ),
    !page.selected && mode === "2-D" && trials.size > 2 && h("span", { class: "faint" }, "Drag to select"),
  ];
}
