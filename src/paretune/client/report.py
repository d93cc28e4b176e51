"""From what a user says about a training to an `Observation`: the part that all ways of reporting share."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from paretune.client.scalars import check_mapping, plain, plain_assignments
from paretune.errors import InvalidArgument
from paretune.observation import FailureReason, MetricValue, Observation, Outcome, OutcomeKind, Suggestion
from paretune.parameters import Scalar

Measured = float | tuple[float, float]
"""A measured value, or (value, standard error), in the units of the metric."""


class NotFinite(InvalidArgument):
    """A metric value is NaN or infinite."""


def metric_values(values: Mapping[str, Any]) -> tuple[MetricValue, ...]:
    """The metric vector from ``{"accuracy": 0.97, "inference_ms": (1.8, 0.05)}``.

    Raises:
        InvalidArgument: a value that is not a finite number, a standard error below 0, or no mapping at all.
    """
    check_mapping(values, "values", "a dict from metric to value, or to (value, standard error)")
    return tuple(_metric_value(name, value) for name, value in values.items())


def _metric_value(name: str, measured: Any) -> MetricValue:
    if isinstance(measured, MetricValue):
        return measured
    pair = isinstance(measured, tuple | list)
    if pair and len(measured) != 2:
        raise InvalidArgument.of(
            f"values[{name!r}]", f"is {measured!r}; give a number, or (value, standard error)"
        )
    value, stddev = (plain(measured[0]), plain(measured[1])) if pair else (plain(measured), None)
    where = f"values[{name!r}]"
    if isinstance(value, float) and not math.isfinite(value):
        text = f"is {value!r}, which is not a measurement: report it with trial.infeasible(reason) instead"
        raise NotFinite.of(where, text)
    try:
        return MetricValue(name, value, stddev)
    except InvalidArgument as error:
        raise error.under(where) from None


def outcome_of(infeasible: str = "", crashed: str = "", stopped_early: int | None = None) -> Outcome:
    """The outcome that the arguments of `observe` mean; OK when none is given.

    Raises:
        InvalidArgument: more than one is given.
    """
    if sum((bool(infeasible), bool(crashed), stopped_early is not None)) > 1:
        raise InvalidArgument.of("outcome", "give at most one of infeasible, crashed and stopped_early")
    if infeasible:
        return Outcome(OutcomeKind.INFEASIBLE, infeasible, FailureReason.DECLARED)
    if crashed:
        return Outcome(OutcomeKind.CRASHED, crashed)
    if stopped_early is not None:
        return Outcome(OutcomeKind.STOPPED_EARLY, step=stopped_early)
    return Outcome()


def observation_of(
    experiment_id: str,
    target: Suggestion | Mapping[str, Scalar],
    values: Mapping[str, Any],
    outcome: Outcome = Outcome(),  # noqa: B008 - frozen
    metadata: Mapping[str, str] | None = None,
    start_time: datetime | None = None,
) -> tuple[Observation, str]:
    """The observation of a suggestion or of free assignments, and the fence of its lease ("" without).

    Raises:
        InvalidArgument: a value or assignment that is not allowed.
    """
    leased = isinstance(target, Suggestion)
    lease = target.lease if isinstance(target, Suggestion) else None
    observation = Observation(
        assignments=target.assignments if isinstance(target, Suggestion) else plain_assignments(target),
        values=metric_values(values),
        outcome=outcome,
        experiment_id=experiment_id,
        suggestion_id=target.id if leased else "",  # type: ignore[union-attr]
        metadata={key: str(value) for key, value in (metadata or {}).items()},
        worker=lease.worker if lease else "",
        start_time=start_time,
    )
    return observation, lease.fence if lease else ""
