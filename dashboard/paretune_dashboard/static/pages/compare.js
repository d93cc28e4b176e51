// Several experiments side by side: fronts, hypervolumes against one reference point, settings.

import { below, get } from "../api.js";
import { chart } from "../chart.js";
import { curveOption } from "../charts/curve.js";
import { spaceOption } from "../charts/space.js";
import { choice, empty, h, show } from "../dom.js";
import { count, namesOf, number, policyOf, title } from "../format.js";
import { metricsOf, ORDINAL, parametersOf, Trials } from "../model.js";

const MOST = 4;
const COLORS = ["front", "other", "other_2", "other_3"];
const NAMES = ["--front", "--other", "--other-2", "--other-3"];

export async function open(main, at, current) {
  document.title = "Compare · paretune";
  const { experiments } = await get("/experiments", { page_size: 500 });
  if (!current()) return;
  const names = namesOf(experiments);
  let ids = (at.query.get("ids") || "")
    .split(",")
    .filter((id) => experiments.some((one) => one.id === id))
    .slice(0, MOST);
  const picks = h("div", { class: "row" }),
    body = h("div", {});
  show(main, h("div", { class: "head" }, h("h1", { class: "grow" }, "Compare")), picks, body);
  picks.style.marginBottom = "16px";
  let turn = 0;

  async function draw() {
    const mine = ++turn;
    history.replaceState(
      null,
      "",
      `#/compare${ids.length ? `?ids=${ids.map(encodeURIComponent).join(",")}` : ""}`,
    );
    const left = experiments.filter((one) => !ids.includes(one.id));
    show(
      picks,
      ids.map((id, k) =>
        h(
          "span",
          { class: "chip" },
          swatch(k),
          names.get(id),
          h(
            "button",
            {
              class: "quiet",
              "aria-label": `Leave ${id} out`,
              onclick: () => {
                ids = ids.filter((other) => other !== id);
                draw();
              },
            },
            "✕",
          ),
        ),
      ),
      ids.length < MOST &&
        left.length > 0 &&
        choice(
          "Add an experiment",
          [["", "Add an experiment …"], ...left.map((one) => [one.id, names.get(one.id)])],
          "",
          (id) => {
            if (id) {
              ids = [...ids, id];
              draw();
            }
          },
          true,
        ),
    );
    if (!ids.length) {
      show(
        body,
        h(
          "div",
          { class: "card" },
          empty(
            "Nothing to compare yet",
            h("p", {}, "Choose two to four experiments that measure the same metrics."),
          ),
        ),
      );
      return;
    }
    show(body, h("p", { class: "loading" }, "Loading …"));
    const chosen = ids.map((id) => experiments.find((one) => one.id === id));
    const shared = metricsOf(chosen[0]).filter(
      (metric) =>
        metric.optimized &&
        chosen.every((one) =>
          metricsOf(one).some(
            (other) => other.name === metric.name && other.optimized && other.maximize === metric.maximize,
          ),
        ),
    );
    const fronts = await Promise.all(ids.map((id) => get(below(id, "/charts/front"), { quick: true })));
    // One reference point for all, the worst of theirs: volumes against different ones cannot be compared.
    const points = fronts
      .filter((front) => front.ordinals.length)
      .map((front) => new Map(front.reference_point));
    const same = chosen.every(
      (one) => metricsOf(one).filter((metric) => metric.optimized).length === shared.length,
    );
    const reference = same
      ? shared.map((metric) => {
          const ends = points.map((point) => point.get(metric.name)).filter((value) => value !== undefined);
          return [metric.name, ends.length ? (metric.maximize ? Math.min(...ends) : Math.max(...ends)) : 0];
        })
      : [];
    const query =
      reference.length && points.length
        ? { metric: reference.map(([name]) => name), reference: reference.map(([, value]) => value) }
        : {};
    const curves = await Promise.all(ids.map((id) => get(below(id, "/charts/hypervolume"), query)));
    if (mine !== turn || !current()) return;
    layout(chosen, shared, fronts, curves, same);
  }
  const swatch = (k) => {
    const mark = h("i", { class: "swatch" });
    mark.style.background = `var(${NAMES[k]})`;
    return mark;
  };

  function layout(chosen, shared, fronts, curves, same) {
    const space = chart({ label: "Fronts", kind: "tall" }),
      volume = chart({ label: "Hypervolumes", kind: "tall" });
    show(
      body,
      h(
        "div",
        { class: "grid" },
        h(
          "section",
          { class: "card span-7", "aria-label": "Fronts" },
          h("header", {}, h("h2", {}, "Fronts")),
          shared.length
            ? space
            : h("p", { class: "notice plain" }, "These experiments share no optimized metric."),
        ),
        h(
          "section",
          { class: "card span-5", "aria-label": "Hypervolume" },
          h("header", {}, h("h2", {}, "Hypervolume")),
          volume,
          h(
            "p",
            { class: "small muted" },
            same
              ? "Against one reference point, the worst of theirs."
              : "The experiments optimize different metrics: these volumes cannot be compared.",
          ),
        ),
        h(
          "section",
          { class: "card span-12 scroll", "aria-label": "Settings" },
          h("header", {}, h("h2", {}, "Side by side")),
          settings(chosen, fronts, curves),
        ),
      ),
    );
    if (shared.length) {
      const y = shared[0],
        x = shared[1] || ORDINAL;
      const bare = new Trials({
        experiment: { ...chosen[0], metrics: [x, y].filter((metric) => metric !== ORDINAL) },
        total: 0,
        ordinals: [],
        outcomes: [],
        values: [[], []],
        stddevs: [[], []],
        parameters: chosen[0].parameters.map(() => []),
      });
      const overlays = fronts.map((front, k) => ({
        name: names.get(chosen[k].id),
        color: COLORS[k],
        joined: shared.length === 2,
        points: front.ordinals.map((ordinal, i) => {
          const values = new Map(front.values[i]);
          return [x === ORDINAL ? ordinal : values.get(x.name), values.get(y.name)];
        }),
      }));
      space.update({
        option: (p) =>
          spaceOption(p, {
            trials: bare,
            x: x === ORDINAL ? x : { ...x, index: 0 },
            y: { ...y, index: bare.metrics.length - 1 },
            front: new Set(),
            overlays,
          }),
        table: () => ({
          columns: ["Experiment", title(x), title(y)],
          rows: overlays.flatMap((one) =>
            one.points.map((point) => [one.name, ...point.map((value) => number(value))]),
          ),
        }),
      });
    }
    volume.update({
      option: (p) =>
        curveOption(p, {
          lines: curves.map((curve, k) => ({
            name: names.get(chosen[k].id),
            color: COLORS[k],
            step: true,
            points: curve.observations.map((n, i) => [n, curve.hypervolumes[i]]),
          })),
          xName: "observations",
          yName: "",
        }),
      table: () => ({
        columns: ["Experiment", "Observations", "Hypervolume"],
        rows: curves.map((curve, k) => [
          names.get(chosen[k].id),
          curve.observations.at(-1) ?? 0,
          number(curve.hypervolumes.at(-1)),
        ]),
      }),
    });
  }

  function settings(chosen, fronts, curves) {
    const ranges = (one) =>
      parametersOf(one).map((parameter) => [
        `parameter ${parameter.name}`,
        parameter.choices
          ? parameter.choices.join(", ")
          : `${number(parameter.min)} to ${number(parameter.max)}${parameter.log ? ", log" : ""}`,
      ]);
    const columns = chosen.map(
      (one, k) =>
        new Map([
          ["observations", count(one.progress?.observations || 0)],
          ["efficient", count(fronts[k].ordinals.length)],
          ["hypervolume", number(curves[k].hypervolumes.at(-1) ?? 0)],
          ["policy", policyOf(one.policy)],
          ["budget", one.observation_budget === "0" ? "open" : count(one.observation_budget)],
          ["parallelism", one.parallelism || 1],
          ["seed", one.seed],
          ["workload", one.workload?.name || "–"],
          ...Object.entries(one.workload?.settings || {}).map(([name, value]) => [`setting ${name}`, value]),
          ...metricsOf(one).map((metric) => [
            `metric ${metric.name}`,
            `${metric.maximize ? "maximize" : "minimize"}${metric.limit !== undefined ? `, threshold ${number(metric.limit)}` : ""}`,
          ]),
          ...ranges(one),
        ]),
    );
    const keys = [...new Set(columns.flatMap((column) => [...column.keys()]))];
    return h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", {}, ""),
          chosen.map((one, k) =>
            h(
              "th",
              { scope: "col" },
              h(
                "span",
                { class: "row tight" },
                swatch(k),
                h("a", { href: `#/experiments/${encodeURIComponent(one.id)}` }, names.get(one.id)),
              ),
            ),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        keys.map((key, k) => {
          const cells = columns.map((column) => column.get(key) ?? "–");
          return h(
            "tr",
            { class: k > 2 && new Set(cells.map(String)).size > 1 && "differs" },
            h("th", { scope: "row" }, key),
            cells.map((cell) => h("td", {}, cell)),
          );
        }),
      ),
    );
  }

  await draw();
}
