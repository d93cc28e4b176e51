// Numbers, times and names as people read them.

export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(digits - 2).replace("e+", "e");
  return Number(value.toPrecision(digits)).toLocaleString("en", { maximumSignificantDigits: digits });
}

export function withError(value, error) {
  if (value === null || value === undefined || error === null || error === undefined) return number(value);
  const places = error > 0 ? Math.max(0, 1 - Math.floor(Math.log10(error))) : 0;
  if (error > 0 && places <= 8) return `${value.toFixed(places)} ± ${error.toFixed(places)}`;
  return `${number(value)} ± ${number(error, 2)}`;
}

/** A probability; a dash where none was computed. */
export const chance = (value) => (value === null ? "–" : value.toFixed(2));
export const share = (part) => `${Math.round(part * 100)} %`;

export function count(value) {
  return Number(value).toLocaleString("en");
}

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${Number(value) === 1 ? one : many}`;
}

export function ago(time, now = Date.now()) {
  const seconds = (now - new Date(time).getTime()) / 1000;
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 5) return "just now";
  for (const [size, word] of [
    [86400 * 365, "year"],
    [86400 * 30, "month"],
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ]) {
    if (seconds >= size) return `${plural(Math.floor(seconds / size), word)} ago`;
  }
  return "just now";
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${number(seconds, 3)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${number(minutes / 60, 2)} h`;
}

export const clock = (time) =>
  new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
export const bare = (name, prefix) => (name || "").replace(prefix, "").toLowerCase().replaceAll("_", " ");
export const stateOf = (experiment) => bare(experiment.state, "EXPERIMENT_STATE_");
export const policyOf = (policy) => bare(policy, "POLICY_") || "auto";
/** Names by id; a name that several experiments have is told apart by the id. */
export function namesOf(experiments) {
  const often = new Map();
  for (const { name } of experiments) often.set(name, (often.get(name) || 0) + 1);
  return new Map(experiments.map(({ id, name }) => [id, often.get(name) > 1 ? `${name} (${id})` : name]));
}
export const title = (metric) => (metric.unit ? `${metric.name} [${metric.unit}]` : metric.name);
