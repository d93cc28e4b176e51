// What waits or is in training.

import { h, show } from "../../dom.js";
import { ago, number } from "../../format.js";

/** The list of what is in training, with draw(). */
export function runningOf(page) {
  const { trials } = page;
  const running = h("div", {});
  function drawRunning() {
    const active = trials.active;
    show(
      running,
      active.length
        ? h(
            "div",
            { class: "scroll" },
            h(
              "table",
              {},
              h(
                "tbody",
                {},
                active.slice(0, 8).map((one) => {
                  const leased = one.state.endsWith("LEASED"),
                    step = Number(one.checkpoint?.step || 0);
                  const values = (one.checkpoint?.values || [])
                    .map((value) => `${value.metric} ${number(value.value)}`)
                    .join(", ");
                  const open = () => page.openRunning(one);
                  return h(
                    "tr",
                    {
                      class: "link",
                      "data-key": one.id,
                      tabindex: "0",
                      onclick: open,
                      onkeydown: (event) => event.key === "Enter" && open(),
                    },
                    h("td", {}, `№ ${one.ordinal}`),
                    h(
                      "td",
                      {},
                      leased
                        ? h("span", { class: "row tight" }, h("i", { class: "dot live" }), one.lease?.worker)
                        : h("span", { class: "muted" }, "waits for a worker"),
                      values && h("div", { class: "small muted" }, values),
                    ),
                    h("td", { class: "num muted small" }, step ? `step ${step}` : ago(one.update_time)),
                  );
                }),
              ),
            ),
          )
        : h(
            "p",
            { class: "muted" },
            Number(page.experiment.progress?.observations || 0)
              ? "Nothing is in training now."
              : "Nothing yet: start a trainer with ",
            !Number(page.experiment.progress?.observations || 0) && h("code", {}, "paretune trainer"),
          ),
    );
  }
  return { element: running, draw: drawRunning };
}
