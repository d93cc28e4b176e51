// Parallel coordinates, and beside them what was brushed, in metric space.

import { chart } from "../../chart.js";
import { axesOf, linesOf, parallelOption } from "../../charts/parallel.js";
import { spaceOption } from "../../charts/space.js";
import { check, h, show } from "../../dom.js";
import { number, plural, title } from "../../format.js";

/** Parallel coordinates, and beside them the brushed trials in metric space and as a list. */
export function coordinates(page) {
  const { trials } = page,
    hidden = new Set();
  let axes = axesOf(trials),
    rows = [[], []];
  const lines = chart({ label: "Parallel coordinates", kind: "tall", events: { axisareaselected: brushed } });
  const small = chart({
    label: "The selection in metric space",
    events: { click: (event) => event.data?.ordinal && page.openTrial(event.data.ordinal) },
  });
  const note = h("div", { class: "row brush-note" }),
    picks = h("div", { class: "controls small" });
  const [y, x] = trials.plane;

  function brushed() {
    const instance = lines.instance,
      series = instance.getModel().getSeries();
    const chosen = new Set();
    let any = false;
    instance.getModel().eachComponent("parallelAxis", (axis) => {
      any ||= axis.activeIntervals.length > 0;
    });
    if (any)
      series.forEach((one, group) =>
        one.coordinateSystem.eachActiveState(one.getData(), (state, index) => {
          if (state === "active") chosen.add(trials.ordinals[rows[group][index]]);
        }),
      );
    page.select(any ? chosen : null);
  }
  function draw() {
    const front = new Set(page.front?.ordinals || []);
    axes = axesOf(trials, hidden);
    rows = linesOf(trials, axes, front);
    lines.update({
      label: `Parallel coordinates of ${axes.map((one) => one.name).join(", ")}`,
      option: (p) => parallelOption(p, { trials, front, axes }),
      table: () => ({
        columns: ["Trial", ...axes.map((one) => one.name)],
        rows: [...rows[1], ...rows[0]].map((row) => [
          trials.ordinals[row],
          ...axes.map((one) => {
            const value = one.cell(row);
            return typeof value === "number" ? number(value) : value;
          }),
        ]),
      }),
    });
  }
  function selection() {
    const front = new Set(page.front?.ordinals || []);
    small.update({
      label: `${y.name} against ${x.name}, the selection marked`,
      option: (p) =>
        spaceOption(p, { trials, x, y, front, selected: page.selected, zoom: true, bars: false }),
      table: () => ({
        columns: ["Trial", ...trials.metrics.map(title)],
        rows: [...(page.selected || [])].map((ordinal) => [
          ordinal,
          ...trials.metrics.map((metric) => number(trials.values[metric.index][trials.at.get(ordinal)])),
        ]),
      }),
    });
    show(
      note,
      page.selected
        ? [
            h("strong", {}, plural(page.selected.size, "trial"), " selected"),
            h(
              "span",
              { class: "muted" },
              `${[...page.selected].filter((ordinal) => front.has(ordinal)).length} of them efficient`,
            ),
            h("a", { href: `#/experiments/${encodeURIComponent(page.id)}/trials` }, "Find them in the table"),
            h(
              "button",
              {
                class: "quiet",
                onclick: () => {
                  page.select(null);
                  draw();
                },
              },
              "Clear",
            ),
          ]
        : h(
            "span",
            { class: "faint" },
            "Drag along an axis to keep the trials in that range; several axes narrow it down.",
          ),
    );
  }
  show(
    picks,
    [...axesOf(trials)].map((one) =>
      check(one.name, true, (on) => {
        if (on) hidden.delete(one.key);
        else hidden.add(one.key);
        page.select(null);
        draw();
      }),
    ),
  );
  return {
    element: h(
      "div",
      { class: "span-12 grid" },
      h(
        "section",
        { class: "card span-8", "aria-label": "Parallel coordinates" },
        h("header", {}, h("h2", {}, "Every trial a line")),
        picks,
        lines,
        note,
      ),
      h(
        "section",
        { class: "card span-4", "aria-label": "Selection in metric space" },
        h("header", {}, h("h2", {}, "The same in metric space")),
        small,
      ),
    ),
    open() {
      draw();
      selection();
    },
    hear(what) {
      if (what === "selection") selection();
      if (what === "front") {
        if (!page.selected) draw();
        selection();
      }
    },
  };
}
