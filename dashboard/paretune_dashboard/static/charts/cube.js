// Three metrics as a cube to turn: parallel projection on a canvas, by hand.

import { tableOf } from "../chart.js";
import { h, show } from "../dom.js";
import { number, title } from "../format.js";
import { OK } from "../model.js";
import { palette, FONT } from "./palette.js";
import { clipped, described } from "./space.js";

/** A figure with draw(data); data: {trials, metrics: three, front: Set, selected: Set or null, until}. */
export function cube(onpick) {
  const canvas = h("canvas", { tabindex: "0", role: "img" });
  const note = h("pre", { class: "cube-note hidden", "aria-hidden": "true" });
  const box = h("div", { class: "cube chart tall" }, canvas, note);
  const list = h("div");
  const details = h("details", { class: "as-table" }, h("summary", {}, "Show as table"), list);
  details.addEventListener("toggle", fill);
  const figure = h("figure", {}, box, details);
  let turn = -0.65,
    tilt = 0.42,
    data = null,
    spots = [],
    held = null,
    moved = false;

  figure.draw = (given) => {
    data = given;
    canvas.setAttribute(
      "aria-label",
      `${data.metrics.map((metric) => metric.name).join(", ")} in three dimensions; arrow keys turn it`,
    );
    paint();
    fill();
  };

  function fill() {
    if (!data || !details.open) return;
    const { trials, metrics, front } = data;
    const rows = trials.ordinals.map((ordinal, row) => [
      ordinal,
      front.has(ordinal) ? "yes" : "",
      ...metrics.map((metric) => number(trials.values[metric.index][row])),
    ]);
    show(
      list,
      tableOf(canvas.getAttribute("aria-label"), {
        columns: ["Trial", "Efficient", ...metrics.map(title)],
        rows,
      }),
    );
  }

  function paint() {
    if (!data || !canvas.isConnected) return;
    const p = palette(),
      ratio = devicePixelRatio || 1,
      width = box.clientWidth,
      height = box.clientHeight,
      pen = canvas.getContext("2d");
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    pen.scale(ratio, ratio);
    const { trials, metrics, front, selected, until } = data,
      scale = Math.min(width, height * 1.2) * 0.52;
    const [ct, st, ci, si] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const seen = (x, y, z) => {
      const a = x * ct - y * st,
        b = x * st + y * ct;
      return [width / 2 + a * scale, height / 2 + 8 + (b * si - z * ci) * scale * 0.82, b * ci + z * si];
    };
    const rows = [...trials.ordinals.keys()].filter(
      (row) =>
        trials.outcomes[row] === OK &&
        (!until || trials.ordinals[row] <= until) &&
        metrics.every((metric) => trials.values[metric.index][row] !== null),
    );
    const ranges = metrics.map((metric) =>
      rows.reduce(
        ([low, high], row) => [
          Math.min(low, trials.values[metric.index][row]),
          Math.max(high, trials.values[metric.index][row]),
        ],
        [Infinity, -Infinity],
      ),
    );
    frame(pen, p, seen, metrics, ranges);
    spots = rows
      .map((row) => {
        const at = metrics.map(
          (metric, k) =>
            (trials.values[metric.index][row] - ranges[k][0]) / (ranges[k][1] - ranges[k][0] || 1) - 0.5,
        );
        const [x, y, depth] = seen(...at);
        return { x, y, depth, ordinal: trials.ordinals[row], foot: seen(at[0], at[1], -0.5) };
      })
      .sort((a, b) => a.depth - b.depth);
    for (const spot of spots) {
      const best = front.has(spot.ordinal),
        near = 0.75 + 0.5 * (spot.depth + 0.8);
      if (best && front.size <= 60) line(pen, p.front, 0.25, [spot.x, spot.y], spot.foot);
      pen.globalAlpha = best ? 1 : selected && !selected.has(spot.ordinal) ? 0.12 : 0.4;
      pen.fillStyle = best ? p.front : p.dominated;
      pen.beginPath();
      pen.arc(spot.x, spot.y, (best ? 4.2 : 2.8) * near, 0, 7);
      pen.fill();
      if (best || selected?.has(spot.ordinal)) {
        pen.strokeStyle = selected?.has(spot.ordinal) ? p.accent : p.surface;
        pen.lineWidth = selected?.has(spot.ordinal) ? 2 : 1;
        pen.stroke();
      }
      pen.globalAlpha = 1;
    }
  }

  function line(pen, color, alpha, from, to) {
    pen.globalAlpha = alpha;
    pen.strokeStyle = color;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  function frame(pen, p, seen, metrics, ranges) {
    const ends = [-0.5, 0.5];
    for (const a of ends)
      for (const b of ends) {
        line(pen, p.strong_line, 0.7, seen(-0.5, a, b), seen(0.5, a, b));
        line(pen, p.strong_line, 0.7, seen(a, -0.5, b), seen(a, 0.5, b));
        line(pen, p.strong_line, 0.7, seen(a, b, -0.5), seen(a, b, 0.5));
      }
    pen.font = `12px ${FONT}`;
    pen.textAlign = "center";
    // Each axis is named along its edge that lies outermost on the screen.
    const middle = seen(0, 0, 0);
    [
      (a, b) => [seen(-0.5, a, b), seen(0.5, a, b)],
      (a, b) => [seen(a, -0.5, b), seen(a, 0.5, b)],
      (a, b) => [seen(a, b, -0.5), seen(a, b, 0.5)],
    ].forEach((edge, k) => {
      const all = ends.flatMap((a) => ends.map((b) => edge(a, b)));
      const far = ([from, to]) =>
        k === 2 ? -(from[0] + to[0]) : from[1] + to[1] + 0.001 * Math.abs(from[0] - middle[0]);
      const [from, to] = all.reduce((best, one) => (far(one) > far(best) ? one : best));
      const out = (x, y, by) => {
        const d = Math.hypot(x - middle[0], y - middle[1]) || 1;
        return [x + ((x - middle[0]) / d) * by, y + ((y - middle[1]) / d) * by];
      };
      const [mx, my] = out((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, 30);
      pen.fillStyle = p.ink;
      pen.fillText(
        `${clipped(title(metrics[k]), 24)} ${metrics[k].maximize ? "(more)" : "(less)"}`,
        Math.max(70, Math.min(canvas.clientWidth - 70, mx)),
        my,
      );
      pen.fillStyle = p.muted;
      [
        [from, ranges[k][0]],
        [to, ranges[k][1]],
      ].forEach(([end, value]) => {
        if (!Number.isFinite(value)) return;
        const [x, y] = out(
          end[0] * 0.84 + (from[0] + to[0]) * 0.08,
          end[1] * 0.84 + (from[1] + to[1]) * 0.08,
          14,
        );
        pen.fillText(number(value, 3), x, y + 4);
      });
    });
  }

  const nearest = (event) => {
    const area = canvas.getBoundingClientRect(),
      x = event.clientX - area.left,
      y = event.clientY - area.top;
    let best = null,
      least = 14;
    for (const spot of spots) {
      const d = Math.hypot(spot.x - x, spot.y - y);
      if (d < least) {
        least = d;
        best = spot;
      }
    }
    return best;
  };
  canvas.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    moved = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (held) {
      const [dx, dy] = [event.clientX - held[0], event.clientY - held[1]];
      moved ||= Math.hypot(dx, dy) > 3;
      turn += dx * 0.008;
      tilt = Math.max(-0.2, Math.min(1.4, tilt + dy * 0.006));
      held = [event.clientX, event.clientY];
      requestAnimationFrame(paint);
      return;
    }
    const spot = nearest(event);
    note.classList.toggle("hidden", !spot);
    if (spot) {
      note.textContent = described(data.trials, spot.ordinal);
      note.style.left = `${Math.min(spot.x + 14, box.clientWidth - 190)}px`;
      note.style.top = `${Math.min(spot.y + 10, box.clientHeight - 120)}px`;
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    const spot = !moved && nearest(event);
    held = null;
    if (spot) onpick(spot.ordinal);
  });
  canvas.addEventListener("pointerleave", () => note.classList.add("hidden"));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] }[
      event.key
    ];
    if (!by) return;
    event.preventDefault();
    turn += by[0];
    tilt = Math.max(-0.2, Math.min(1.4, tilt + by[1]));
    paint();
  });
  new ResizeObserver(paint).observe(box);
  return figure;
}
