// Colours of charts: those of the style sheet, in the theme of the moment.

const NAMES = [
  "bg",
  "surface",
  "sunken",
  "ink",
  "muted",
  "faint",
  "line",
  "strong-line",
  "accent",
  "accent-soft",
  "front",
  "front-soft",
  "dominated",
  "infeasible",
  "pending",
  "other",
  "other-2",
  "other-3",
  "good",
  "warn",
];

export const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';

/** The colours by name, such as `strong_line`. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(
    NAMES.map((name) => [name.replaceAll("-", "_"), style.getPropertyValue(`--${name}`).trim()]),
  );
}

/** What all charts share. The tooltip is drawn on the canvas: names that users chose never become markup. */
export function common(p) {
  return {
    animation: false,
    textStyle: { fontFamily: FONT, color: p.ink },
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: p.surface,
      borderColor: p.strong_line,
      borderWidth: 1,
      padding: [8, 11],
      textStyle: { color: p.ink, fontSize: 12.5, fontFamily: FONT, lineHeight: 18 },
    },
    aria: { enabled: false },
  };
}

/** A value axis. */
export function axis(p, name, more = {}) {
  // An end that was computed is no round number and would crowd the one beside it.
  const [showMinLabel, showMaxLabel] = [more.min, more.max].map((end) => !Number.isFinite(end));
  return {
    type: "value",
    scale: true,
    name,
    nameLocation: "middle",
    nameGap: 30,
    nameTextStyle: { color: p.muted, fontSize: 12.5 },
    axisLine: { show: true, lineStyle: { color: p.strong_line } },
    axisTick: { show: false },
    axisLabel: { color: p.muted, fontSize: 11.5, hideOverlap: true, showMinLabel, showMaxLabel },
    splitLine: { lineStyle: { color: p.line, opacity: 0.7 } },
    ...more,
  };
}
