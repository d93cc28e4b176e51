// The numbers at the top.

import { h, show } from "../../dom.js";
import { count, number } from "../../format.js";
import { OK } from "../../model.js";

/** Tiles of an experiment, with draw(). */
export function tilesOf(page) {
  const { trials } = page,
    optimized = trials.optimized;
  const tiles = h("div", { class: "tiles" });
  function drawTiles() {
    const progress = page.experiment.progress || {},
      done = Number(progress.observations || 0),
      budget = Number(page.experiment.observation_budget || 0);
    const tile = (label, value, note) =>
      h(
        "div",
        { class: "tile" },
        h("div", { class: "label" }, label),
        h("div", { class: "value" }, value),
        h("div", { class: "note" }, note || "\u00a0"),
      );
    show(
      tiles,
      tile("Observations", count(done), budget ? `of ${count(budget)} planned` : "no budget set"),
      tile(
        "Efficient",
        page.front ? count(page.front.ordinals.length) : "…",
        page.slack ? `within ${page.slack} standard errors` : "trials on the front",
      ),
      tile("Hypervolume", page.front ? number(page.front.hypervolume) : "…", "against the reference point"),
      tile(
        "Not measured",
        count(done - Number(progress.ok || 0)),
        `${progress.infeasible || 0} infeasible, ${progress.crashed || 0} crashed`,
      ),
      ...optimized.slice(0, 3).map((metric) => {
        const best = trials.values[metric.index].reduce(
          (found, value, row) =>
            value === null || trials.outcomes[row] !== OK
              ? found
              : found === null
                ? value
                : metric.maximize
                  ? Math.max(found, value)
                  : Math.min(found, value),
          null,
        );
        return tile(
          `Best ${metric.name}`,
          number(best),
          metric.unit || (metric.maximize ? "largest" : "smallest"),
        );
      }),
    );
  }
  return { element: tiles, draw: drawTiles };
}
