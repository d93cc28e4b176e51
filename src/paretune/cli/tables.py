"""Tables for people: experiments, one experiment, a front."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich import box
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from paretune.access import DEFAULT_PROJECT
from paretune.cli.console import clean, number
from paretune.experiment import Experiment, Metric, RelativeThreshold, Strategy
from paretune.observation import MetricValue, ParetoFront
from paretune.parameters import Categorical, Parameter, Scalar


def new_table(*columns: str, title: str = "") -> Table:
    """A table in the one style that all have."""
    table = Table(box=box.SIMPLE_HEAD, title=clean(title) or None, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(clean(column))
    return table


def experiments_table(experiments: Iterable[Experiment]) -> Table:
    """One line for each experiment."""
    table = new_table("id", "name", "state", "done", "failed", "created")
    for index in (0, 3, 5):
        table.columns[index].no_wrap = True
    for e in experiments:
        progress, budget = e.progress, e.observation_budget
        done = f"{progress.observations}/{budget}" if budget else str(progress.observations)
        failed = progress.infeasible + progress.crashed + progress.lost
        name, created = Text(clean(e.name)), time_text(e.create_time)
        table.add_row(Text(e.id), name, e.state.name.lower(), done, str(failed or ""), created)
    return table


def count_text(experiment: Experiment) -> str:
    """Observations made and planned, and what runs: ``12/40, 2 running``."""
    progress, budget = experiment.progress, experiment.observation_budget
    words = [f"{progress.observations}/{budget}" if budget else str(progress.observations)]
    for count, word in (
        (progress.leased, "running"),
        (progress.queued, "queued"),
        (progress.infeasible, "infeasible"),
        (progress.crashed, "crashed"),
        (progress.lost, "lost"),
    ):
        if count:
            words.append(f"{count} {word}")
    return ", ".join(words)


def time_text(time: datetime | None) -> str:
    """A time in this machine's zone, to the minute."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M") if time else ""


def experiment_facts(experiment: Experiment) -> Table:
    """What one experiment is, a line for each fact."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    workload, lease = experiment.workload, experiment.lease_policy
    fidelity, stopping = experiment.fidelity, experiment.early_stopping
    settings = ", ".join(f"{key}={value}" for key, value in workload.settings.items()) if workload else ""
    facts = {
        "id": experiment.id,
        "name": experiment.name,
        "project": "" if experiment.project == DEFAULT_PROJECT else experiment.project,
        "state": experiment.state.name.lower(),
        "observations": count_text(experiment),
        "policy": f"{experiment.policy.name.lower()}, seed {experiment.seed}",
        "parallelism": str(experiment.parallelism),
        "remeasure": "yes" if experiment.remeasure else "",
        "workload": f"{workload.name}{f' ({settings})' if settings else ''}" if workload else "",
        "constraints": "; ".join(one.describe() for one in experiment.space.linear_constraints),
        "fidelity": f"{fidelity.name} {fidelity.min}..{fidelity.max}" if fidelity else "",
        "early stopping": ", ".join(rule.name.lower() for rule in stopping.rules) if stopping else "",
        "lease": f"{lease.ttl:g} s, {lease.max_attempts} attempts",
        "labels": ", ".join(f"{key}={value}" for key, value in experiment.labels.items()),
        "created": time_text(experiment.create_time),
    }
    for name, fact in facts.items():
        if fact:
            table.add_row(name, Text(clean(fact)))
    return table


def tokens_table(rows: Sequence[Mapping[str, str]]) -> Table:
    """Tokens, a line for each; `rows` all have the same keys."""
    table = new_table(*rows[0])
    for row in rows:
        table.add_row(*(Text(clean(value)) for value in row.values()))
    return table


def parameters_table(experiment: Experiment) -> Table:
    """The search space."""
    table = new_table("parameter", "values", "scale", "when")
    for parameter in experiment.space:
        when = parameter.condition
        table.add_row(
            Text(clean(parameter.name)),
            Text(clean(parameter.describe())),
            "log" if getattr(parameter, "log", False) else "",
            Text(clean(_when_text(parameter)) if when else ""),
        )
    return table


def _when_text(parameter: Parameter) -> str:
    when = parameter.condition
    return f"{when.parent} in {list(when.values)}" if when else ""


def metrics_table(experiment: Experiment) -> Table:
    """The metrics."""
    table = new_table("metric", "unit", "goal", "role", "threshold")
    for metric in experiment.metrics:
        table.add_row(
            Text(clean(metric.name)), Text(clean(metric.unit)),
            metric.goal.name.lower(), metric.strategy.name.lower(),
            Text(clean(threshold_text(metric))),
        )  # fmt: skip
    return table


def threshold_text(metric: Metric) -> str:
    """The threshold with its unit."""
    if metric.threshold is None:
        return ""
    if isinstance(metric.threshold, RelativeThreshold):
        return f"{metric.threshold.factor:g} x {metric.threshold.baseline_observation_id}"
    return f"{number(metric.threshold)} {metric.unit}".rstrip()


def front_tables(experiment: Experiment, front: ParetoFront, width: int) -> list[Table]:
    """The efficient configurations, best in the first metric first; in two tables where one is too wide.

    Args:
        experiment: says what the columns are.
        front: what to show.
        width: columns of the terminal.
    """
    if not front:
        return []
    whole = _front_table(experiment, front, list(experiment.space))
    console = Console(width=10_000)
    if Measurement.get(console, console.options, whole).maximum <= width:
        return [whole]
    configurations = new_table("#", "configuration")
    for point in front:
        text = assignments_text(in_order(experiment, point.assignments))
        configurations.add_row(str(point.observation.ordinal), Text(clean(text)))
    return [_front_table(experiment, front, []), configurations]


def _front_table(experiment: Experiment, front: ParetoFront, parameters: Iterable[Parameter]) -> Table:
    """One row for each point, with a column for each metric and for each of the parameters."""
    metrics = [metric for metric in experiment.metrics if metric.strategy is not Strategy.STORE]
    heads = [f"{metric.name} ({metric.unit})" if metric.unit else metric.name for metric in metrics]
    table = new_table("#")
    for head in (*heads, "P(eff.)"):
        table.add_column(clean(head), justify="right", no_wrap=True)
    parameters = list(parameters)
    for parameter in parameters:
        side: JustifyMethod = "left" if isinstance(parameter, Categorical) else "right"
        table.add_column(clean(parameter.name), justify=side, no_wrap=True)
    for point in front:
        measured = {value.metric: value for value in point.observation.values}
        table.add_row(
            str(point.observation.ordinal),
            *(measured_text(measured.get(metric.name)) for metric in metrics),
            f"{point.probability_efficient:.2f}",
            *(Text(clean(scalar_text(point.assignments.get(p.name)))) for p in parameters),
        )
    return table


def measured_text(value: MetricValue | None) -> str:
    """A value with its standard error, to the digits that the error leaves: ``0.9720 ± 0.0074``."""
    if value is None:
        return "-"
    if not value.stddev:
        return number(value.value)
    digits = 1 - int(f"{value.stddev:e}".partition("e")[2])
    if not 0 <= digits <= 6:
        return f"{number(value.value)} ± {value.stddev:.1g}"
    return f"{value.value:.{digits}f} ± {value.stddev:.{digits}f}"


def in_order(experiment: Experiment, assignments: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The configuration in the order in which the parameters were declared."""
    return {p.name: assignments[p.name] for p in experiment.space if p.name in assignments}


def scalar_text(value: Scalar | None) -> str:
    """A value of a parameter, short; ``-`` when it is not active."""
    return "-" if value is None else number(value) if isinstance(value, float) else str(value)


def assignments_text(assignments: Mapping[str, Scalar]) -> str:
    """A configuration in one line."""
    return "  ".join(f"{name}={scalar_text(value)}" for name, value in assignments.items())


def front_caption(experiment: Experiment, front: ParetoFront, slack: float = 0.0) -> str:
    """How good the front is, in a sentence; `slack` is that which it was asked for with."""
    if not front:
        return f"No efficient observation among {front.observation_count} yet."
    near = f" or within {slack:g} standard errors of that" if slack else ""
    point = ", ".join(f"{name} {number(value)}" for name, value in front.reference_point.items())
    return (
        f"{len(front)} of {front.observation_count} observations are efficient{near}; "
        f"hypervolume {number(front.hypervolume)} from ({point})."
    )
