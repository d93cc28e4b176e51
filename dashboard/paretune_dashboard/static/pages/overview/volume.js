// Hypervolume over observations, and what the model expects of the next.

import { below, get } from "../../api.js";
import { chart } from "../../chart.js";
import { curveOption } from "../../charts/curve.js";
import { h, say, show } from "../../dom.js";
import { number } from "../../format.js";

/** The curve with its forecast, and draw(); `until()`: the observation that is looked at, 0: the last. */
export function volumeOf(page, until) {
  const { trials } = page;
  const volume = chart({ label: "Hypervolume over observations", kind: "low" });
  const advice = h("div", { class: "advice" });
  let forecasted = null;
  function drawVolume() {
    const curve = page.curve,
      forecast = forecasted?.forecast || [];
    const lines = [
      {
        name: "hypervolume",
        step: true,
        points: curve ? curve.observations.map((n, k) => [n, curve.hypervolumes[k]]) : [],
      },
    ];
    if (forecast.length && curve?.observations.length) {
      const last = curve.observations.at(-1),
        shift = curve.hypervolumes.at(-1) - Number(forecasted.hypervolume);
      lines.push({
        name: "expected",
        color: "other",
        points: [
          [last, curve.hypervolumes.at(-1)],
          ...forecast.map((one) => [last + one.trials, one.mean + shift]),
        ],
        band: [
          [last, curve.hypervolumes.at(-1), curve.hypervolumes.at(-1)],
          ...forecast.map((one) => [last + one.trials, one.low + shift, one.high + shift]),
        ],
      });
    }
    volume.update({
      label: `Hypervolume over observations, now ${number(page.front?.hypervolume)}`,
      option: (p) => curveOption(p, { lines, xName: "observations", yName: "", until: until() }),
      table: () => ({
        columns: ["Observations", "Hypervolume"],
        rows: curve ? curve.observations.map((n, k) => [n, number(curve.hypervolumes[k], 6)]) : [],
      }),
    });
    show(
      advice,
      forecasted
        ? h("p", { class: "small muted" }, forecasted.reason)
        : trials.total > 5 &&
            h(
              "button",
              {
                class: "quiet",
                onclick: async () => {
                  show(advice, h("span", { class: "muted small" }, "Playing the search on …"));
                  try {
                    forecasted = await get(below(page.id, "/should-stop"));
                  } catch (error) {
                    say(error.message, true);
                  }
                  drawVolume();
                },
              },
              "Is it worth going on?",
            ),
    );
  }
  return { element: [volume, advice], draw: drawVolume };
}
