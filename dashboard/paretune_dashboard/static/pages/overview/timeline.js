// The front over time: a slider and a play button.

import { below, get } from "../../api.js";
import { debounced, h, say, show } from "../../dom.js";
import { count } from "../../format.js";

const FRAMES = 60;

/** The slider with draw(), pause(), until() and front(): the front that is looked at; null: the present one. */
export function timelineOf(page, moved) {
  const { trials } = page;
  const play = h("div", { class: "play" });
  let timer = 0,
    ticket = 0,
    until = 0,
    then = null;
  const slide = h("input", {
    type: "range",
    min: 1,
    max: 1,
    value: 1,
    "aria-label": "Front after so many observations",
  });
  const when = h("output", {});
  const button = h(
    "button",
    {
      class: "icon",
      "aria-label": "Play the search",
      title: "Play the search",
      onclick: () => (timer ? pause() : start()),
    },
    "▶",
  );
  show(play, button, slide, when);
  const seen = new Map();
  async function at(n) {
    const mine = ++ticket;
    const whole = n >= trials.total;
    until = whole ? 0 : n;
    if (whole) then = null;
    else {
      // Fronts of the past change with the slack, and when a result is amended.
      const key = `${n} ${page.slack} ${page.version}`;
      if (!seen.has(key))
        seen.set(
          key,
          await get(below(page.id, "/charts/front"), {
            quick: true,
            as_of: n,
            slack: page.slack || 0,
            metric: page.front.reference_point.map(([name]) => name),
            reference: page.front.reference_point.map(([, value]) => value),
          }),
        );
      if (mine !== ticket) return;
      then = seen.get(key);
    }
    when.textContent = whole ? "now" : `after ${count(n)}`;
    moved();
  }
  slide.addEventListener(
    "input",
    debounced(() => {
      pause();
      at(Number(slide.value)).catch((error) => say(error.message, true));
    }, 40),
  );
  function pause() {
    clearTimeout(timer);
    timer = 0;
    button.textContent = "▶";
    button.setAttribute("aria-label", "Play the search");
  }
  function start() {
    button.textContent = "❚❚";
    button.setAttribute("aria-label", "Pause");
    let n = Number(slide.value) >= trials.total ? 1 : Number(slide.value);
    const step = Math.max(1, Math.ceil(trials.total / FRAMES));
    const next = async () => {
      slide.value = n;
      try {
        await at(Math.min(n, trials.total));
      } catch (error) {
        pause();
        say(error.message, true);
        return;
      }
      if (n >= trials.total) {
        pause();
        return;
      }
      n = Math.min(n + step, trials.total);
      if (timer) timer = setTimeout(next, 110);
    };
    timer = setTimeout(next, 0);
  }
  function drawPlay() {
    const following = !until && !timer;
    slide.max = Math.max(1, trials.total);
    if (following) {
      slide.value = slide.max;
      when.textContent = "now";
    }
    play.classList.toggle("hidden", trials.total < 3);
  }
  return { element: play, draw: drawPlay, pause, until: () => until, front: () => then };
}
