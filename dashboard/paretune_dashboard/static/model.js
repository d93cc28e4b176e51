// What a page knows about one experiment: its trials as columns, and how its metrics and parameters read.

export const OK = 1; // INFEASIBLE 2, CRASHED 3, STOPPED_EARLY 4
export const OUTCOMES = ["", "ok", "infeasible", "crashed", "stopped early"];

/** Stands for a second metric where there is only one: the trials in their order. */
export const ORDINAL = { name: "trial", unit: "", index: -1, optimized: false };

/** Metrics of an experiment, with what pages ask of them. */
export function metricsOf(experiment) {
  return experiment.metrics.map((metric, index) => ({
    ...metric,
    index,
    maximize: metric.goal === "GOAL_MAXIMIZE",
    optimized:
      !metric.strategy ||
      metric.strategy === "STRATEGY_OPTIMIZE" ||
      metric.strategy === "STRATEGY_UNSPECIFIED",
    limit: metric.threshold?.absolute,
    relative: metric.threshold?.relative,
  }));
}

/** Parameters with their kind, range and choices. */
export function parametersOf(experiment) {
  return experiment.parameters.map((parameter, index) => {
    const domain = parameter.double_domain || parameter.int_domain;
    return {
      name: parameter.name,
      index,
      kind: parameter.categorical_domain ? "categorical" : parameter.int_domain ? "int" : "double",
      choices: parameter.categorical_domain?.choices || null,
      min: domain ? Number(domain.min) : 0,
      max: domain ? Number(domain.max) : 1,
      log: Boolean(domain?.log),
      grid: domain?.grid?.length ? domain.grid.map(Number) : null,
      condition: parameter.condition || null,
      fallback: parameter.default_value ? plainValue(parameter.default_value) : undefined,
    };
  });
}

export function plainValue(value) {
  if ("string_value" in value) return value.string_value;
  return Number("int_value" in value ? value.int_value : value.double_value);
}

export function wireValue(parameter, value) {
  if (parameter.kind === "categorical") return { string_value: value };
  return parameter.kind === "int"
    ? { int_value: String(Math.round(value)) }
    : { double_value: Number(value) };
}

/** Trials as columns; grows with live rows. */
export class Trials {
  constructor(document) {
    this.replace(document);
  }

  replace(document) {
    this.experiment = document.experiment;
    this.metrics = metricsOf(document.experiment);
    this.parameters = parametersOf(document.experiment);
    this.total = document.total;
    this.ordinals = document.ordinals;
    this.outcomes = document.outcomes;
    const blank = () => Array(document.ordinals.length).fill(null);
    this.values = document.values.map((column) => column || blank());
    this.stddevs = document.stddevs.map((column) => column || blank());
    this.cells = document.parameters.map((column) => column || blank());
    this.at = new Map(this.ordinals.map((ordinal, row) => [ordinal, row]));
    this.active = document.active || [];
  }

  /** Take in live rows; whether there were any. */
  add(rows) {
    this.total = rows.total;
    rows.ordinals.forEach((ordinal, k) => {
      let row = this.at.get(ordinal);
      if (row === undefined) this.at.set(ordinal, (row = this.ordinals.push(ordinal) - 1));
      this.outcomes[row] = rows.outcomes[k];
      for (const [into, from] of [
        [this.values, rows.values],
        [this.stddevs, rows.stddevs],
        [this.cells, rows.parameters],
      ]) {
        into.forEach((column, index) => {
          column[row] = from[index] ? from[index][k] : null;
        });
      }
    });
    return rows.ordinals.length > 0;
  }

  get size() {
    return this.ordinals.length;
  }
  get optimized() {
    return this.metrics.filter((metric) => metric.optimized);
  }

  /** Up and across in metric space: the first optimized metric, and the second, any other, or the trials. */
  get plane() {
    const [up, second] = this.optimized;
    return [up, second || this.metrics.find((metric) => metric !== up) || ORDINAL];
  }

  /** The values of a metric, or the numbers of the trials, row by row. */
  along(metric) {
    return metric === ORDINAL ? this.ordinals : this.values[metric.index];
  }

  /** The value of a parameter as people read it. */
  cell(parameter, row) {
    const value = this.cells[parameter.index][row];
    return value === null ? null : parameter.choices ? parameter.choices[value] : value;
  }

  /** Assignments of a row, by name, for requests. */
  assignments(row) {
    return this.parameters.flatMap((parameter) => {
      const value = this.cell(parameter, row);
      return value === null ? [] : [[parameter, value]];
    });
  }
}
