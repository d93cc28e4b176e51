"""The Pareto front and its hypervolume as people see them: in the metrics' own units and directions.

An observation can be on the front when its outcome is OK and it meets every constraint and every threshold.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from paretune.errors import InvalidArgument, Violation
from paretune.observation import ParetoFront, ParetoPoint, ProbabilitySource
from paretune.parameters import unknown_name
from paretune_optimizer.fronts.hypervolume import contributions, hypervolume
from paretune_optimizer.fronts.hypervolume import hypervolume_history as hypervolumes
from paretune_optimizer.fronts.pareto import draws_from_stddev, efficient_probability, non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import contenders, joint_draws, model_exists, model_serves
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

MARGIN = 0.1
DRAWS = 256
CREDIBLE = 3.0
"""Standard errors beyond which a dominated point is not counted as possibly efficient."""


def pareto_front(
    history: History,
    as_of: int = 0,
    slack: float = 0.0,
    reference: Mapping[str, float] | None = None,
    source: ProbabilitySource | None = None,
) -> ParetoFront:
    """Return the efficient observations.

    Args:
        history: the experiment.
        as_of: only the first this many observations; 0 means all.
        slack: keep observations that are dominated by no more than this many standard errors in every
            metric (the median of those reported for the metric).
        reference: reference point by metric name, in the metrics' units; None: see `reference_of`.
        source: what the probabilities of being efficient come from; None: the model when it serves, see
            `draws.model_serves`. Of an earlier front, or where the model fails, the standard errors. With
            `ProbabilitySource.NONE` they are 0.

    Returns:
        Front ordered by the first optimized metric, best first, with probabilities of being efficient (256
        draws), hypervolume and exclusive contributions.

    Raises:
        InvalidArgument: a reference point with unknown, missing or non-finite values.
    """
    count = min(as_of, len(history)) if as_of else len(history)
    rows = feasible_rows(history, count)
    Y = history.Y[rows][:, history.roles.optimized]
    stddev = history.stddev[rows][:, history.roles.optimized]
    plain = non_dominated(Y)
    ref = reference_of(history, Y[plain], reference)
    kept = plain if slack == 0.0 else non_dominated(Y, slack * _typical(stddev))
    on_front = np.flatnonzero(kept)
    on_front = on_front[np.lexsort(Y[on_front].T[::-1])]
    chance, source = _chances(history, rows, on_front, count, source)
    exclusive = np.zeros(rows.size)
    exclusive[plain] = contributions(Y[plain], ref)
    points = [
        ParetoPoint(history.observations[rows[i]], float(chance[k]), float(exclusive[i]))
        for k, i in enumerate(on_front)
    ]
    return ParetoFront(tuple(points), hypervolume(Y[plain], ref), named(history, ref), count, source)


def hypervolume_history(
    history: History, reference: Mapping[str, float] | None = None
) -> tuple[list[float], dict[str, float]]:
    """Return the hypervolume after 1, 2, 3, ... observations of any outcome, and the reference point.

    One reference point, that of the whole history unless given, holds for all of the curve.

    Raises:
        InvalidArgument: as `pareto_front`.
    """
    rows = feasible_rows(history, len(history))
    Y = history.Y[rows][:, history.roles.optimized]
    ref = reference_of(history, Y[non_dominated(Y)], reference)
    curve = np.zeros(len(history))
    curve[rows] = hypervolumes(Y, ref)
    return np.maximum.accumulate(curve).tolist(), named(history, ref)


def feasible_rows(history: History, count: int) -> Ints:
    """Return which of the first `count` rows can be on the front."""
    index = history.ok[history.ok < count]
    Y, bound = history.Y[index], history.thresholds()
    good = np.all(np.isfinite(Y[:, history.roles.optimized]), axis=1)
    for j in history.roles.modelled:
        if np.isfinite(bound[j]):
            good &= Y[:, j] <= bound[j]
    return index[good]


def reference_of(history: History, front: Array, given: Mapping[str, float] | None) -> Array:
    """Return the reference point (m), minimised: given, else thresholds, else the moved nadir of the front.

    Args:
        history: the experiment.
        front: efficient values of the optimised metrics (P x m), minimised.
        given: reference point by metric, in the metrics' units; None: none.

    Raises:
        InvalidArgument: a given point with unknown or missing metrics.
    """
    names = [history.roles.names[j] for j in history.roles.optimized]
    sign = history.roles.sign[history.roles.optimized]
    if given is not None:
        wrong = [
            Violation("reference_point", unknown_name("optimized metric", n, names))
            for n in given
            if n not in names
        ] + [Violation("reference_point", f"lacks a value of {n!r}") for n in names if n not in given]
        if wrong:
            raise InvalidArgument(violations=wrong)
        return sign * np.array([given[name] for name in names])
    bound = history.thresholds()[history.roles.optimized]
    if front.shape[0] == 0:
        return np.nan_to_num(bound)
    best, worst = front.min(axis=0), front.max(axis=0)
    spread = worst - best
    # A front of one value still needs room: a hundredth of its size in the end.
    spread = np.where(spread > 0, spread, 0.1 * np.maximum(np.abs(worst), 1e-12))
    return np.where(np.isfinite(bound), bound, worst + MARGIN * spread)


def named(history: History, ref: Array) -> dict[str, float]:
    """Return a minimised point (m) of the optimised metrics by name, in the metrics' units."""
    optimized = history.roles.optimized
    return {history.roles.names[j]: history.user_value(j, float(ref[k])) for k, j in enumerate(optimized)}


def _typical(stddev: Array) -> Array:
    """Median reported standard error per metric (m); 0 where none was reported."""
    return np.array([np.median(s[np.isfinite(s)]) if np.any(np.isfinite(s)) else 0.0 for s in stddev.T])


def chances_of(history: History, chosen: Ints, source: ProbabilitySource) -> Array:
    """Return P(efficient) of chosen feasible rows, by the model or by the reported standard errors."""
    rows = feasible_rows(history, len(history))
    return _chances(history, rows, np.flatnonzero(np.isin(rows, chosen)), len(history), source)[0]


def _chances(
    history: History, rows: Ints, on_front: Ints, count: int, source: ProbabilitySource | None
) -> tuple[Array, ProbabilitySource]:
    """P(efficient) of the rows on the front, and what it was computed from."""
    if source is ProbabilitySource.NONE:
        return np.zeros(on_front.size), source
    present = count == len(history)
    if source is None and present and model_serves(history, on_front.size):
        source = ProbabilitySource.MODEL
    if source is ProbabilitySource.MODEL and present and model_exists(history):
        try:
            return _model_chances(history, rows[on_front]), source
        except np.linalg.LinAlgError:  # numbers beyond a factorisation: the reported errors still hold
            pass
    Y = history.Y[rows][:, history.roles.optimized]
    stddev = history.stddev[rows][:, history.roles.optimized]
    return _reported_chances(history, Y, stddev, count)[on_front], ProbabilitySource.STANDARD_ERRORS


@single_threaded
def _model_chances(history: History, rows: Ints) -> Array:
    """P(efficient) of the configurations of rows among all that were tried, by the model."""
    Z, where = contenders(history, rows)
    return efficient_probability(joint_draws(history, Z, DRAWS))[where]


def _reported_chances(history: History, Y: Array, stddev: Array, count: int) -> Array:
    """P(efficient) of every row, given the reported standard errors."""
    chance = np.zeros(Y.shape[0])
    error = CREDIBLE * np.nan_to_num(stddev)
    possible = ~_dominated(Y - error, Y + error)
    rng = generator(history.experiment.seed, count, Stream.REPORT)
    draws = draws_from_stddev(Y[possible], stddev[possible], DRAWS, rng)
    chance[possible] = efficient_probability(draws)
    return chance


def _dominated(low: Array, high: Array) -> NDArray[np.bool_]:
    """Which rows are dominated even at their best by some other row at its worst."""
    front = np.unique(high[non_dominated(high)], axis=0)
    out = np.zeros(low.shape[0], dtype=np.bool_)
    for rival in front:
        out |= np.all(rival <= low, axis=1) & np.any(rival < low, axis=1)
    return out
