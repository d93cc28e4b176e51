// What the model expects along each parameter, and over two of them.

import { below, post } from "../../api.js";
import { chart } from "../../chart.js";
import { contourOption, rangeOf, sliceOption } from "../../charts/bars.js";
import { check, choice, debounced, h, show } from "../../dom.js";
import { count, number, withError } from "../../format.js";
import { wireValue } from "../../model.js";
import { asked, card } from "./card.js";

/** Slices and a contour around one trial. */
export function expectations(page) {
  const { trials } = page,
    body = h("div", {}),
    controls = h("div", { class: "controls" });
  const state = {
    metric: trials.optimized[0].index,
    center: page.front?.ordinals[0] || trials.ordinals[0],
    first: 0,
    second: Math.min(1, trials.parameters.length - 1),
    unsure: false,
  };
  const lines = h("div", { class: "slices" }),
    contour = chart({ label: "Contour" }),
    note = h("p", { class: "small muted" });
  let figures = [];
  function centre() {
    return trials.at.get(Number(state.center)) ?? 0;
  }
  function base() {
    return Object.fromEntries(
      trials.assignments(centre()).map(([parameter, value]) => [parameter.name, wireValue(parameter, value)]),
    );
  }
  const open = asked(body, async () => {
    const row = centre(),
      parameters = trials.parameters.slice(0, 12);
    const pair = [trials.parameters[state.first], trials.parameters[state.second]];
    const wanted = [
      ...parameters.map((parameter) => [parameter.name]),
      ...(pair[0] !== pair[1] ? [[pair[0].name, pair[1].name]] : []),
    ];
    const { slices, observation_count } = await post(below(page.id, "/charts/slices"), {
      assignments: base(),
      slices: wanted,
    });
    const metric = trials.metrics[state.metric];
    if (!slices[0].means[metric.index]) {
      show(
        body,
        h(
          "p",
          { class: "notice plain" },
          `The model has not learnt ${metric.name}: only metrics that are optimized or limited are modelled.`,
        ),
      );
      return;
    }
    const range = rangeOf(slices.slice(0, parameters.length), metric.index);
    figures = parameters.map((parameter) =>
      chart({ label: `${metric.name} along ${parameter.name}`, kind: "small" }),
    );
    show(lines, figures);
    show(
      body,
      lines,
      pair[0] !== pair[1] && [
        h(
          "div",
          { class: "controls" },
          "Contour of",
          pickOf("first"),
          "and",
          pickOf("second"),
          check("Uncertainty", state.unsure, (on) => {
            state.unsure = on;
            redo();
          }),
        ),
        contour,
      ],
      note,
    );
    parameters.forEach((parameter, k) => {
      const slice = slices[k],
        means = slice.means[metric.index],
        stddevs = slice.stddevs[metric.index];
      figures[k].update({
        option: (p) =>
          sliceOption(p, {
            parameter,
            metric,
            xs: slice.axes[0],
            means,
            stddevs,
            at: trials.cells[parameter.index][row],
            range,
          }),
        table: () => ({
          columns: [parameter.name, metric.name],
          rows: slice.axes[0].map((x, i) => [
            typeof x === "number" ? number(x) : x,
            withError(means[i], stddevs[i]),
          ]),
        }),
      });
    });
    if (pair[0] !== pair[1]) {
      const slice = slices.at(-1),
        means = slice.means[metric.index],
        stddevs = slice.stddevs[metric.index],
        [xs, ys] = slice.axes;
      const nearest = (values, value) =>
        values.reduce(
          (best, one, k) =>
            Math.abs((typeof one === "number" ? one : k) - value) <
            Math.abs((typeof values[best] === "number" ? values[best] : best) - value)
              ? k
              : best,
          0,
        );
      const at = pair.map((parameter, k) =>
        trials.cells[parameter.index][row] === null
          ? null
          : nearest([xs, ys][k], trials.cells[parameter.index][row]),
      );
      contour.update({
        label: `${state.unsure ? "Uncertainty of " : ""}${metric.name} over ${pair[0].name} and ${pair[1].name}`,
        option: (p) =>
          contourOption(p, {
            first: pair[0],
            second: pair[1],
            metric,
            xs,
            ys,
            means,
            stddevs,
            unsure: state.unsure,
            at: at.includes(null) ? null : at,
          }),
        table: () => ({
          columns: [pair[0].name, pair[1].name, metric.name],
          rows: xs.flatMap((x, i) =>
            ys.map((y, j) => [
              typeof x === "number" ? number(x) : x,
              typeof y === "number" ? number(y) : y,
              withError(means[i * ys.length + j], stddevs[i * ys.length + j]),
            ]),
          ),
        }),
      });
    }
    note.textContent = `Around trial ${state.center}, all other parameters as there; the band is two standard deviations of the model after ${count(observation_count)} observations.${page.experiment.linear_constraints?.length ? " Where a linear constraint is broken there is nothing." : ""}`;
  });
  const redo = debounced(open, 50);
  const pickOf = (name) =>
    choice(
      name,
      trials.parameters.map((parameter) => [parameter.index, parameter.name]),
      state[name],
      (value) => {
        state[name] = Number(value);
        redo();
      },
      true,
    );
  show(
    controls,
    choice(
      "Metric",
      trials.metrics.map((metric) => [metric.index, metric.name]),
      state.metric,
      (value) => {
        state.metric = Number(value);
        redo();
      },
      true,
    ),
    "around trial",
    choice(
      "Trial",
      [
        ...(page.front?.ordinals || []),
        ...trials.ordinals.filter((ordinal) => !page.front?.ordinals.includes(ordinal)).slice(-20),
      ].map((ordinal) => [ordinal, String(ordinal)]),
      state.center,
      (value) => {
        state.center = Number(value);
        redo();
      },
      true,
    ),
  );
  return { element: card("What the model expects", "span-12", controls, body), open };
}
