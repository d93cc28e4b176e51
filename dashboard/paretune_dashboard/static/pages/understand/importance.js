// How much each parameter matters, for each metric and for reaching the front.

import { below, get } from "../../api.js";
import { chart } from "../../chart.js";
import { barsOption } from "../../charts/bars.js";
import { choice, h, show } from "../../dom.js";
import { share } from "../../format.js";
import { asked, card } from "./card.js";

export function insight(page) {
  const body = h("div", {}),
    pick = h("span", {});
  const bars = chart({ label: "Importance of the parameters" });
  const element = card("Which parameters matter", "span-6", h("div", { class: "controls" }, pick), body);
  const open = asked(body, async () => {
    const { targets } = await get(below(page.id, "/importance"));
    const note = h("p", { class: "small muted" });
    show(body, bars, note);
    const draw = (index) => {
      const target = targets[index],
        rows = target.parameters.map((one) => ({
          name: one.parameter,
          value: Number(one.total_effect || 0),
        }));
      bars.canvas.style.height = `${Math.max(120, 34 * rows.length + 20)}px`;
      bars.instance?.resize();
      bars.update({
        label: `Importance for ${target.metric || "reaching the front"}`,
        option: (p) => barsOption(p, rows),
        table: () => ({
          columns: ["Parameter", "Total effect"],
          rows: rows.map((row) => [row.name, row.value.toFixed(3)]),
        }),
      });
      const explained = Number(target.explained || 0);
      note.textContent = `Share of the variation that is left when all others are known (Sobol's total effect). The model explains ${share(Math.max(0, explained))} of what was measured${explained < 0.3 ? ": take this with caution" : ""}.`;
    };
    const last = targets.length - 1;
    show(
      pick,
      choice(
        "For",
        targets.map((target, index) => [
          index,
          target.metric ? `for ${target.metric}` : "for reaching the front",
        ]),
        last,
        (index) => draw(Number(index)),
        true,
      ),
    );
    draw(last);
  });
  return { element, open };
}
