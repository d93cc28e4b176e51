"""Tables for people about what a model says."""

from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table
from rich.text import Text

from paretune.cli.console import clean, number
from paretune.cli.tables import in_order, new_table, scalar_text
from paretune.experiment import Experiment
from paretune.insight import Attainment, AttainmentSurface, Importance, Robustness, StopAdvice
from paretune.observation import MetricPrediction
from paretune.parameters import Assignments

SHOWN = 10
"""Rows of a curve, where a picture or `--json` shows all."""


def _numbers(*columns: str) -> Table:
    """A table whose first column is text and all others are numbers."""
    table = new_table(columns[0])
    for column in columns[1:]:
        table.add_column(clean(column), justify="right", no_wrap=True)
    return table


def _heads(experiment: Experiment) -> dict[str, str]:
    return {m.name: f"{m.name} ({m.unit})" if m.unit else m.name for m in experiment.metrics}


def configuration_lines(experiment: Experiment, assignments: Assignments) -> Iterator[str]:
    """One line for each parameter."""
    values = in_order(experiment, assignments)
    width = max(map(len, values), default=0)
    for name, value in values.items():
        yield f"{name:{width}}  {scalar_text(value)}"


def prediction_table(
    experiment: Experiment, told: Iterable[MetricPrediction], head: str = "expected"
) -> Table:
    """Values with standard deviations, where there are any; `head` says what the values are."""
    table = _numbers("metric", head, "±")
    for one in told:
        name = Text(clean(_heads(experiment)[one.metric]))
        table.add_row(name, number(one.mean), f"{one.stddev:.2g}" if one.stddev else "")
    return table


def importance_table(found: Importance) -> Table:
    """A row for each parameter, the most important for the front first; a column for each target."""
    targets = [found.front, *(target for target in found.targets if target.metric)]
    table = _numbers("parameter", *(target.metric or "front" for target in targets))
    for one in found.front.parameters:
        shares = (target.shares.get(one.parameter, 0.0) for target in targets)
        table.add_row(Text(clean(one.parameter)), *(f"{100 * share:.0f} %" for share in shares))
    table.add_section()
    table.add_row("explained", *(f"{100 * max(0.0, target.explained):.0f} %" for target in targets))
    return table


def robustness_table(experiment: Experiment, found: Robustness, ordinals: Mapping[str, int]) -> Table:
    """A row for each configuration of the front."""
    heads = _heads(experiment)
    metrics = [one.metric for one in found.points[0].metrics] if found.points else []
    columns = [word for metric in metrics for word in (heads[metric], "worst")]
    table = _numbers("#", *columns, "holds", "P(feasible)")
    for point in found.points:
        values = [number(v) for one in point.metrics for v in (one.nominal, one.worst)]
        chances = [f"{point.probability_within_slack:.2f}", f"{point.feasibility:.2f}"]
        table.add_row(str(ordinals.get(point.observation_id, "")), *values, *chances)
    return table


def surface_table(experiment: Experiment, surface: AttainmentSurface) -> Table:
    """Some of the best points of one surface, from one end to the other."""
    heads = [_heads(experiment)[metric.name] for metric in experiment.optimized_metrics]
    table = _numbers(f"attained with {surface.level:.0%}", *heads)
    step = -(-len(surface.points) // SHOWN)
    for point in surface.points[:: step or 1]:
        table.add_row("", *(number(point[metric.name]) for metric in experiment.optimized_metrics))
    if not surface.points:
        table.add_row("nothing")
    return table


def attainment_caption(found: Attainment) -> str:
    """How certain the front is, in a sentence."""
    words = f"{found.samples} draws of the front by {found.source.name.lower()}"
    if found.expectation is None:
        return words + "."
    mean, off = found.expectation.hypervolume, found.expectation.deviation
    share = f" ({off / mean:.0%})" if mean > 0 else ""
    return f"{words}; hypervolume {number(mean)} on average, of which {number(off)}{share} is uncertain."


def forecast_table(found: StopAdvice) -> Table:
    """The hypervolume after more trials, the last one always."""
    table = _numbers("more trials", "hypervolume", "5 %", "95 %")
    step = -(-len(found.forecast) // SHOWN)
    for one in reversed(found.forecast[::-1][::step]):
        table.add_row(str(one.trials), *(number(v) for v in (one.mean, one.low, one.high)))
    return table
