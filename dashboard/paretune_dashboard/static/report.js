// The report: the dashboard's charts of one moment, in one file.

import { chart, redrawAll } from "./chart.js";
import { barsOption, rangeOf, sliceOption } from "./charts/bars.js";
import { curveOption } from "./charts/curve.js";
import { matrixOption } from "./charts/matrix.js";
import { axesOf, parallelOption } from "./charts/parallel.js";
import { spaceOption } from "./charts/space.js";
import { h, show } from "./dom.js";
import { chance, clock, count, number, policyOf, share, title, withError } from "./format.js";
import { Trials } from "./model.js";

const data = JSON.parse(document.getElementById("data").textContent);
const { experiment } = data,
  trials = new Trials({ ...data.trials, experiment, active: [] });
const found = typeof data.front === "string" ? null : data.front,
  volumes = typeof data.curve === "string" ? null : data.curve;
const front = new Set(found?.ordinals || []),
  optimized = trials.optimized;
const [y, x] = trials.plane;
const progress = experiment.progress || {},
  done = Number(progress.observations || 0);

const card = (name, span, ...content) =>
  h("section", { class: `card ${span}`, "aria-label": name }, h("header", {}, h("h2", {}, name)), content);
const tile = (label, value, note) =>
  h(
    "div",
    { class: "tile" },
    h("div", { class: "label" }, label),
    h("div", { class: "value" }, value),
    h("div", { class: "note" }, note || "\u00a0"),
  );
const cells = (row) => trials.metrics.map((metric) => number(trials.values[metric.index][row]));
const space = chart({ label: `${y.name} against ${x.name}`, kind: "tall" }),
  volume = chart({ label: "Hypervolume over observations" }),
  lines = chart({ label: "Parallel coordinates", kind: "tall" }),
  matrix = chart({ label: "All pairs of metrics", kind: "tall" });
const targets = typeof data.importance === "string" ? [] : data.importance;
const bars = targets.map((target) =>
  chart({ label: `Importance for ${target.metric || "reaching the front"}`, kind: "small" }),
);
const surfaces = typeof data.attainment === "string" || optimized.length !== 2 ? null : data.attainment;
const model = typeof data.slices === "string" ? null : data.slices;
const modelled = model ? optimized.filter((metric) => model.slices[0].means[metric.index]) : [];
const slices = modelled.map((metric) =>
  model.slices.map((slice) => chart({ label: `${metric.name} along ${slice.parameters[0]}`, kind: "small" })),
);
const values = found ? found.values.map((point) => new Map(point)) : [];

show(
  document.getElementById("main"),
  h(
    "div",
    { class: "head" },
    h(
      "div",
      { class: "grow" },
      h("h1", {}, experiment.name),
      h(
        "p",
        { class: "sub" },
        [
          experiment.id,
          experiment.workload?.name,
          `policy ${policyOf(experiment.policy)}`,
          `seed ${experiment.seed}`,
          `begun ${clock(experiment.create_time)}`,
        ]
          .filter(Boolean)
          .join(" · "),
      ),
    ),
  ),
  h(
    "div",
    { class: "tiles" },
    tile(
      "Observations",
      count(done),
      Number(experiment.observation_budget) ? `of ${count(experiment.observation_budget)} planned` : "",
    ),
    tile("Efficient", count(front.size), "trials on the front"),
    tile("Hypervolume", number(found?.hypervolume), "against the reference point"),
    tile(
      "Not measured",
      count(done - Number(progress.ok || 0)),
      `${progress.infeasible || 0} infeasible, ${progress.crashed || 0} crashed`,
    ),
  ),
  h(
    "div",
    { class: "grid" },
    card(
      "Metric space",
      "span-8",
      space,
      h(
        "p",
        { class: "small muted" },
        "Orange: efficient. Grey: dominated. Bars: standard errors.",
        optimized.length > 1 && " +: reference point.",
        surfaces && " Shaded: what a search like this one attains, the darker the surer.",
        optimized.length > 2 && " Attainment is shaded for two optimized metrics only.",
        trials.total > trials.size && ` ${count(trials.size)} of ${count(trials.total)} trials are drawn.`,
      ),
    ),
    h(
      "div",
      { class: "span-4 stack" },
      card("Hypervolume", "", volume),
      card(
        "Metrics",
        "",
        h(
          "dl",
          { class: "facts" },
          trials.metrics.map((metric) => [
            h("dt", {}, title(metric)),
            h(
              "dd",
              {},
              `${metric.maximize ? "maximize" : "minimize"}${metric.limit !== undefined ? `, threshold ${number(metric.limit)}` : ""}`,
            ),
          ]),
        ),
      ),
    ),
    trials.metrics.length > 2 && card("All pairs of metrics", "span-12", matrix),
    card(
      "Efficient trials",
      "span-12 scroll",
      found
        ? h(
            "table",
            {},
            h(
              "thead",
              {},
              h(
                "tr",
                {},
                [
                  "Trial",
                  ...trials.metrics.map(title),
                  ...trials.parameters.map((parameter) => parameter.name),
                  "P(efficient)",
                ].map((name) => h("th", { scope: "col" }, name)),
              ),
            ),
            h(
              "tbody",
              {},
              found.ordinals.map((ordinal, k) => {
                const row = trials.at.get(ordinal);
                return h(
                  "tr",
                  {},
                  h("td", {}, ordinal),
                  trials.metrics.map((metric) =>
                    h(
                      "td",
                      {},
                      withError(
                        values[k].get(metric.name) ?? null,
                        trials.stddevs[metric.index][row] ?? null,
                      ),
                    ),
                  ),
                  trials.parameters.map((parameter) => {
                    const value = trials.cell(parameter, row);
                    return h("td", {}, typeof value === "number" ? number(value) : (value ?? "–"));
                  }),
                  h("td", {}, chance(found.probabilities[k])),
                );
              }),
            ),
          )
        : h("p", { class: "muted" }, data.front),
    ),
    card("Every trial a line", "span-12", lines),
    targets.length
      ? targets.map((target, k) =>
          card(
            target.metric ? `What matters for ${target.metric}` : "What matters for reaching the front",
            "span-4",
            bars[k],
            h(
              "p",
              { class: "small muted" },
              `The model explains ${share(Math.max(0, Number(target.explained || 0)))} of what was measured.`,
            ),
          ),
        )
      : card("Which parameters matter", "span-12", h("p", { class: "muted" }, data.importance)),
    model
      ? modelled.map((metric, k) =>
          card(
            `What the model expects of ${title(metric)}`,
            "span-12",
            h("div", { class: "slices" }, slices[k]),
            h(
              "p",
              { class: "small muted" },
              `Around trial ${model.ordinal}, all other parameters as there; the band is two standard deviations.`,
              experiment.linear_constraints?.length > 0 &&
                " Where a linear constraint is broken there is nothing.",
            ),
          ),
        )
      : card("What the model expects", "span-12", h("p", { class: "muted" }, data.slices)),
  ),
  h(
    "p",
    { class: "small faint" },
    `Made by paretune ${data.version}. Every number is also in the tables below the charts.`,
  ),
);

space.update({
  option: (p) =>
    spaceOption(p, {
      trials,
      x,
      y,
      front,
      reference: Object.fromEntries(found?.reference_point || []),
      surfaces: surfaces?.surfaces,
      metricsOfSurfaces: surfaces?.metrics,
      bars: true,
      zoom: true,
    }),
  table: () => ({
    columns: ["Trial", ...trials.metrics.map(title)],
    rows: trials.ordinals.map((ordinal, row) => [ordinal, ...cells(row)]),
  }),
});
volume.update({
  option: (p) =>
    curveOption(p, {
      lines: [
        {
          name: "hypervolume",
          step: true,
          points: volumes ? volumes.observations.map((n, k) => [n, volumes.hypervolumes[k]]) : [],
        },
      ],
      xName: "observations",
      yName: "",
    }),
  table: () => ({
    columns: ["Observations", "Hypervolume"],
    rows: volumes ? volumes.observations.map((n, k) => [n, number(volumes.hypervolumes[k])]) : [],
  }),
});
const axes = axesOf(trials);
const order = [
  ...(found ? found.ordinals.map((ordinal) => trials.at.get(ordinal)) : []),
  ...trials.ordinals.keys(),
];
lines.update({
  option: (p) => parallelOption(p, { trials, front, axes }),
  table: () => ({
    columns: ["Trial", ...axes.map((one) => one.name)],
    rows: [...new Set(order)].map((row) => [
      trials.ordinals[row],
      ...axes.map((one) => (typeof one.cell(row) === "number" ? number(one.cell(row)) : one.cell(row))),
    ]),
  }),
});
if (trials.metrics.length > 2) {
  matrix.update({
    option: (p) => matrixOption(p, { trials, front }),
    table: () => ({
      columns: ["Trial", ...trials.metrics.map(title)],
      rows: trials.ordinals.map((ordinal, row) => [ordinal, ...cells(row)]),
    }),
  });
}
modelled.forEach((metric, k) => {
  const range = rangeOf(model.slices, metric.index);
  model.slices.forEach((slice, i) => {
    const parameter = trials.parameters.find((one) => one.name === slice.parameters[0]);
    const [xs] = slice.axes;
    const means = slice.means[metric.index];
    const stddevs = slice.stddevs[metric.index];
    const at = trials.cells[parameter.index][trials.at.get(Number(model.ordinal))];
    slices[k][i].update({
      option: (p) => sliceOption(p, { parameter, metric, xs, means, stddevs, at, range }),
      table: () => ({
        columns: [parameter.name, metric.name],
        rows: xs.map((value, j) => [
          typeof value === "number" ? number(value) : value,
          withError(means[j], stddevs[j]),
        ]),
      }),
    });
  });
});
targets.forEach((target, k) => {
  const rows = target.parameters.map((one) => ({
    name: one.parameter,
    value: Number(one.total_effect || 0),
  }));
  bars[k].update({
    option: (p) => barsOption(p, rows),
    table: () => ({
      columns: ["Parameter", "Total effect"],
      rows: rows.map((row) => [row.name, row.value.toFixed(3)]),
    }),
  });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
