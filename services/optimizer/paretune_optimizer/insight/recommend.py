"""Pick one configuration from the front: by weights, by limits, or at the knee.

The front is that of expected noise-free values of the configurations that were tried, when the model serves
(`draws.model_serves`): of many noisy measurements the best looking ones are the luckiest. Otherwise it is
that of the measured values. Scaled values run from 0, the best of a metric on that front, to 1, the worst.

* weights: augmented weighted Chebyshev distance to the ideal point (Steuer and Choo 1983), which can reach
  any point of the front, unlike a weighted sum;
* limits: best of one metric within worst acceptable values of others (the epsilon-constraint of Haimes 1971);
* knee: farthest below the plane through the worst corners of the front (Das 1999), which after scaling is the
  smallest mean of the scaled values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.errors import FailedPrecondition, InvalidArgument, Violation
from paretune.experiment import Goal
from paretune.insight import Recommendation
from paretune.observation import MetricPrediction, ParetoPoint, ProbabilitySource
from paretune.parameters import is_number, unknown_name
from paretune_optimizer.fronts.hypervolume import contributions
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import expected_values, model_serves, within
from paretune_optimizer.insight.front import chances_of, feasible_rows, reference_of
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

AUGMENT = 0.01
"""Share of the plain sum in the Chebyshev distance: enough to tell ties, too little to change a choice."""


@dataclass(frozen=True)
class _Choice:
    """What there is to choose from.

    Attributes:
        rows: rows of the history, one per configuration of the front (P).
        values: values that count, minimised, of all metrics (P x M).
        stddev: their standard deviations (P x M).
        source: where the values come from.
    """

    rows: Ints
    values: Array
    stddev: Array
    source: ProbabilitySource


@single_threaded
def recommend(
    history: History,
    *,
    weights: Mapping[str, float] | None = None,
    metric: str = "",
    limits: Mapping[str, float] | None = None,
) -> Recommendation:
    """Return one configuration of the front and the reason for it.

    Args:
        history: the experiment; the answer is a pure function of it.
        weights: importance by optimized metric.
        metric: with limits: optimized metric to be best in; empty: the only one without a limit.
        limits: worst acceptable value by metric, in its units. Without weights and limits: the knee.

    Raises:
        InvalidArgument: unknown metrics, weights that are negative or all zero.
        FailedPrecondition: TOO_FEW_OBSERVATIONS: nothing feasible was observed; NOTHING_WITHIN_LIMITS.
    """
    if weights is not None:
        _check_weights(history, weights)
    by_limits = weights is None and (bool(metric) or limits is not None)
    best = _metric_to_optimize(history, metric, limits or {}) if by_limits else 0
    choice = _front(history)
    scaled = _scaled(choice.values[:, history.roles.optimized])
    if weights is not None:
        chosen, why = _by_weights(history, scaled, weights)
    elif by_limits:
        chosen, why = _by_limits(history, choice, best, limits or {})
    else:
        chosen, why = _knee(history, scaled)
    return _recommendation(history, choice, chosen, why)


def _front(history: History) -> _Choice:
    rows = feasible_rows(history, len(history))
    if rows.size == 0:
        raise FailedPrecondition(
            "Nothing feasible was observed yet.",
            reason="TOO_FEW_OBSERVATIONS",
            metadata={"observations": "0"},
        )
    optimized = history.roles.optimized
    source = ProbabilitySource.STANDARD_ERRORS
    values, stddev = history.Y[rows], np.nan_to_num(history.stddev[rows])
    if model_serves(history, 0):
        source = ProbabilitySource.MODEL
        _, first = np.unique(history.Z[rows], axis=0, return_index=True)
        first = np.sort(first)
        rows, values, stddev = rows[first], values[first], stddev[first]
        mean, spread = expected_values(history, history.Z[rows])
        told = np.isfinite(mean)
        values, stddev = np.where(told, mean, values), np.where(told, spread, stddev)
        kept = within(history, values[:, optimized])
        if np.any(kept):
            rows, values, stddev = rows[kept], values[kept], stddev[kept]
    efficient = non_dominated(values[:, optimized])
    return _Choice(rows[efficient], values[efficient], stddev[efficient], source)


def _scaled(values: Array) -> Array:
    best, worst = values.min(axis=0), values.max(axis=0)
    return (values - best) / np.where(worst > best, worst - best, 1.0)


def _check_weights(history: History, weights: Mapping[str, float]) -> None:
    names = [history.roles.names[j] for j in history.roles.optimized]
    wrong = [
        Violation(f"weights[{name!r}]", unknown_name("optimized metric", name, names))
        for name in weights
        if name not in names
    ]
    wrong += [
        Violation(f"weights[{name!r}]", f"is {weight!r}; it must be finite and not negative")
        for name, weight in weights.items()
        if name in names and not (is_number(weight) and weight >= 0)
    ]
    if not wrong and not any(weight > 0 for weight in weights.values()):
        wrong = [Violation("weights", "must not all be 0")]
    if wrong:
        raise InvalidArgument(violations=wrong)


def _by_weights(history: History, scaled: Array, weights: Mapping[str, float]) -> tuple[int, str]:
    names = [history.roles.names[j] for j in history.roles.optimized]
    w = np.array([weights.get(name, 0.0) for name in names])
    w = w / w.sum()
    weighted = w * scaled
    # The least bit of every metric, so that a weight of 0 still prefers the better of two equals.
    distance = weighted.max(axis=1) + AUGMENT * weighted.sum(axis=1) + 1e-6 * scaled.sum(axis=1)
    told = ", ".join(f"{name} {share:.0%}" for name, share in zip(names, w, strict=True))
    chosen = int(np.argmin(distance))
    return chosen, f"Its largest weighted step from the best of each metric is the smallest ({told})"


def _knee(history: History, scaled: Array) -> tuple[int, str]:
    chosen = int(np.argmin(scaled.mean(axis=1)))
    given = ", ".join(
        f"{value:.0%} of {name}" for value, name in zip(scaled[chosen], _names(history), strict=True)
    )
    return chosen, (
        "It is the knee, farthest below the plane through the worst corners of the front; of the ranges "
        f"there it gives up {given}"
    )


def _metric_to_optimize(history: History, metric: str, limits: Mapping[str, float]) -> int:
    """Column to be best in, once metric and limits are found to make sense."""
    names = [history.roles.names[j] for j in history.roles.optimized]
    wrong = [
        Violation(f"limits[{name!r}]", unknown_name("metric", name, history.roles.names))
        for name in limits
        if name not in history.roles.names
    ]
    wrong += [
        Violation(f"limits[{name!r}]", f"is {value!r}; it must be finite")
        for name, value in limits.items()
        if not is_number(value)
    ]
    free = [name for name in names if name not in limits]
    if metric and metric not in names:
        wrong.append(Violation("metric", unknown_name("optimized metric", metric, names)))
    elif not metric and len(free) != 1:
        wrong.append(Violation("metric", f"is required: which of {', '.join(free or names)} shall be best?"))
    if wrong:
        raise InvalidArgument(violations=wrong)
    return history.roles.column[metric or free[0]]


def _by_limits(
    history: History, choice: _Choice, column: int, limits: Mapping[str, float]
) -> tuple[int, str]:
    kept = np.ones(choice.rows.size, dtype=np.bool_)
    told = []
    for name, limit in limits.items():
        j = history.roles.column[name]
        meets = choice.values[:, j] <= history.roles.sign[j] * limit
        sign = "<=" if history.roles.metrics[j].goal is Goal.MINIMIZE else ">="
        told.append(f"{name} {sign} {limit:g}")
        if not np.any(meets):
            known = choice.values[np.isfinite(choice.values[:, j]), j]
            best = f"{history.user_value(j, float(known.min())):g}" if known.size else "unknown"
            raise FailedPrecondition(
                f"No configuration of the front has {told[-1]}; the best has {best}.",
                reason="NOTHING_WITHIN_LIMITS",
                metadata={"metric": name, "limit": f"{limit:g}", "best": best},
            )
        kept &= meets
    if not np.any(kept):
        raise FailedPrecondition(
            f"No configuration of the front has {' and '.join(told)}; each limit alone is met.",
            reason="NOTHING_WITHIN_LIMITS",
        )
    inside = np.flatnonzero(kept)
    # Ties in the metric are broken by the sum of the others.
    others = _scaled(choice.values[:, history.roles.optimized]).sum(axis=1)
    chosen = inside[np.lexsort((others[inside], choice.values[inside, column]))[0]]
    where = f" among the {inside.size} with {' and '.join(told)}" if told else ""
    return int(chosen), f"It has the best {history.roles.names[column]}{where}"


def _recommendation(history: History, choice: _Choice, chosen: int, why: str) -> Recommendation:
    row = int(choice.rows[chosen])
    optimized = history.roles.optimized
    rows = feasible_rows(history, len(history))
    Y = history.Y[rows][:, optimized]
    share = contributions(Y, reference_of(history, Y[non_dominated(Y)], None))[rows == row]
    chance = chances_of(history, np.array([row]), choice.source)
    point = ParetoPoint(history.observations[row], float(chance[0]), float(share[0]))
    expected = tuple(
        MetricPrediction(
            name, history.user_value(j, float(choice.values[chosen, j])), float(choice.stddev[chosen, j])
        )
        for j, name in enumerate(history.roles.names)
        if np.isfinite(choice.values[chosen, j])
    )
    values = ", ".join(f"{one.metric} {one.mean:.4g}" for one in expected if one.metric in _names(history))
    kind = "expected " if choice.source is ProbabilitySource.MODEL else ""
    which = "The only configuration" if choice.rows.size == 1 else f"One of {choice.rows.size} configurations"
    reason = f"{which} on the front, {kind}{values}. {why}."
    return Recommendation(point, expected, reason, int(choice.rows.size), choice.source)


def _names(history: History) -> list[str]:
    return [history.roles.names[j] for j in history.roles.optimized]
