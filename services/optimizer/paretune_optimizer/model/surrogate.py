"""The models of one experiment: which rows, which map, which length scales, and when to learn them anew.

What is learned is a pure function of (experiment seed, rows so far, a constraint's threshold), never of when
somebody asked, so that a restarted service makes the same suggestions:

* at *anchors* (1, 2, 3, 4, 6, 8, 11, ... times 4/3 rows) the map is chosen and theta is fitted cold;
* at every row up to 150, then at each 3 % of growth, theta is refined from the last anchor's theta with at
  most 12 L-BFGS iterations.

Both are remembered in `History.learned`; a restart computes at most two fits per metric. Refitting for ever
from the previous theta would be cheaper by little and would keep an early bad mode.

Rows that count: OK rows with a value of the metric, and STOPPED_EARLY rows with the value that they were
heading for (`History.Y`). INFEASIBLE rows feed the feasibility model only (labels -1), CRASHED rows feed
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.observation import OutcomeKind
from paretune_optimizer.history import History
from paretune_optimizer.metrics import Map, Transform, candidate_maps, fit_transform, loggable
from paretune_optimizer.model.active import active_rows
from paretune_optimizer.model.gp import GaussianProcess, Rows, merge_replicates
from paretune_optimizer.model.hyperparameters import fit, prior_mode
from paretune_optimizer.sampling import Stream, generator

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

FEASIBILITY = -1
"""Column number that stands for the feasibility model."""
FIT_ROWS = 300
ANCHOR_ROWS = 150
EVERY_ROW_UNTIL = 150
MAP_GAIN = 0.1
"""Nats per row by which a map must beat the identity: a map changes what improvement means."""


@dataclass(frozen=True)
class Learned:
    """Hyperparameters of one metric at one point of the history."""

    map: Map
    theta: Array


@dataclass(frozen=True)
class MetricModel:
    """Posterior of one metric in standardised units."""

    transform: Transform
    gp: GaussianProcess


@dataclass(frozen=True)
class Surrogate:
    """All posteriors of one experiment.

    Attributes:
        metrics: by column of the value matrix, optimised and constrained ones.
        feasibility: regression on labels +1 / -1, or None while nothing has failed.
        failures: number of INFEASIBLE rows.
        learned_at: rows that the oldest hyperparameters have seen.
    """

    metrics: dict[int, MetricModel]
    feasibility: GaussianProcess | None
    failures: int
    learned_at: int


def surrogate_of(history: History) -> Surrogate:
    """Return the models of the current rows, building them if rows came since the last call."""
    if history.surrogate is None:
        history.surrogate = _build(history)
    return history.surrogate


def _build(history: History) -> Surrogate:
    metrics: dict[int, MetricModel] = {}
    learned_at = len(history)
    for j in history.roles.modelled:
        index = metric_rows(history, j)
        learned, seen = _learned(history, j, index)
        learned_at = min(learned_at, seen)
        index = index[_active(history, index, learned.theta)]
        transform, rows = _metric_data(history, j, index, learned.map)
        metrics[j] = MetricModel(transform, GaussianProcess(learned.theta, rows))
    failures = int(np.sum(history.outcome == OutcomeKind.INFEASIBLE.value))
    feasibility = None
    if failures:
        index = label_rows(history)
        learned, _ = _learned(history, FEASIBILITY, index)
        index = index[_active(history, index, learned.theta)]
        feasibility = GaussianProcess(learned.theta, _label_data(history, index))
    return Surrogate(metrics, feasibility, failures, learned_at)


def _active(history: History, index: Ints, theta: Array) -> Ints:
    inverse_length = np.exp(-theta[:-2])[history.encoding.groups]
    return active_rows(history, index, inverse_length, refit_before(index.size))


def metric_rows(history: History, column: int) -> Ints:
    """Return the rows that teach about a metric, in order."""
    done = np.isin(history.outcome, (OutcomeKind.OK.value, OutcomeKind.STOPPED_EARLY.value))
    return np.flatnonzero(done & np.isfinite(history.Y[:, column]))


def label_rows(history: History) -> Ints:
    """Return the rows that teach about feasibility, in order."""
    return np.flatnonzero(history.outcome != OutcomeKind.CRASHED.value)


def _metric_data(history: History, column: int, index: Ints, map_: Map) -> tuple[Transform, Rows]:
    y = history.Y[index, column]
    transform = fit_transform(map_, y, float(history.roles.sign[column]), _bound(history, column))
    stddev = np.nan_to_num(history.stddev[index, column])
    # Delta method: the reported error in units of the model. Slopes may be infinite for subnormal values.
    with np.errstate(over="ignore", invalid="ignore"):
        variance = np.where(stddev > 0.0, np.minimum((stddev * transform.slope(y)) ** 2, 1e6), 0.0)
    X = history.encoding.features(history.Z[index])
    return transform, merge_replicates(X, transform.forward(y), variance, history.encoding.groups)


def _label_data(history: History, index: Ints) -> Rows:
    label = np.where(history.outcome[index] == OutcomeKind.INFEASIBLE.value, -1.0, 1.0)
    X = history.encoding.features(history.Z[index])
    return merge_replicates(X, label, np.zeros(index.size), history.encoding.groups)


def anchor_before(count: int) -> int:
    """Return the largest anchor that is at most `count` (at least 1)."""
    anchor = 1
    while True:
        following = max(anchor + 1, round(anchor * 4 / 3))
        if following > count:
            return anchor
        anchor = following


def refit_before(count: int) -> int:
    """Return the largest number of rows, at most `count`, at which theta is refined."""
    if count <= EVERY_ROW_UNTIL:
        return count
    at = EVERY_ROW_UNTIL
    while round(at * 1.03) <= count:
        at = round(at * 1.03)
    return max(at, anchor_before(count))


def _learned(history: History, column: int, index: Ints) -> tuple[Learned, int]:
    """Return hyperparameters for the rows of a metric, and how many rows of the history they have seen."""
    if index.size == 0:
        return Learned(Map.IDENTITY, prior_mode(int(history.encoding.groups.max()) + 1)), 0
    anchor, refit = anchor_before(index.size), refit_before(index.size)
    # Of all rows: one that came later than the anchor may rule a logarithm out.
    log = column != FEASIBILITY and _loggable(history, column, index)
    cold = _remembered(history, column, index[:anchor], None, log)
    end = int(index[refit - 1]) + 1
    return (cold if refit == anchor else _remembered(history, column, index[:refit], cold, log)), end


def _loggable(history: History, column: int, index: Ints) -> bool:
    """Tell whether a metric may get a logarithm: not once it has shown a zero, or a hair above it."""
    sign = history.roles.sign[column]
    return loggable(history.Y[index, column] * sign, history.thresholds()[column] * sign)


def _bound(history: History, column: int) -> float:
    """Return the minimised threshold of a constraint; NaN for anything else."""
    return float(history.thresholds()[column]) if column in history.roles.constrained else math.nan


def _remembered(history: History, column: int, index: Ints, start: Learned | None, log: bool) -> Learned:
    bound = _bound(history, column)
    key = (column, int(index[-1]) + 1, start is None, log, None if math.isnan(bound) else bound)
    if key not in history.learned:
        history.learned[key] = _learn(history, column, index, start, log)
    return history.learned[key]


def _learn(history: History, column: int, index: Ints, start: Learned | None, log: bool) -> Learned:
    rng = generator(history.experiment.seed, index.size, Stream.FIT)
    limit = ANCHOR_ROWS if start is None else FIT_ROWS
    if index.size > limit:
        index = np.sort(rng.choice(index, size=limit, replace=False))
    if column == FEASIBILITY:
        rows = _label_data(history, index)
        return Learned(Map.IDENTITY, fit(rows, start.theta if start else None, 12 if start else 60))
    if start is not None:
        _, rows = _metric_data(history, column, index, start.map)
        return Learned(start.map, fit(rows, start.theta, 12))
    y = history.Y[index, column]
    best, best_score = Learned(Map.IDENTITY, np.zeros(0)), -np.inf
    for map_ in candidate_maps(y, log):
        transform, rows = _metric_data(history, column, index, map_)
        theta = fit(rows, None, 60)
        score = _score(GaussianProcess(theta, rows), transform, y) / y.size
        score -= 0.0 if map_ is Map.IDENTITY else MAP_GAIN
        if score > best_score or best.theta.size == 0:
            best, best_score = Learned(map_, theta), score
    return best


def _score(gp: GaussianProcess, transform: Transform, y: Array) -> float:
    """Return the leave-one-out log likelihood of the values in their own units, Jacobian included.

    A point is left out with all its replicates: their mean is predicted from the other points, and of c
    replicates c - 1 deviations from the mean count by themselves (Binois, Gramacy and Ludkovski 2018, eq. 3).
    """
    residual, variance = gp.leave_one_out()
    fitted = -0.5 * float(np.sum(residual**2 / variance + np.log(2.0 * np.pi * variance)))
    extra = float(np.sum(gp.rows.count - 1.0))
    if extra:
        single = gp.rows.single(gp.nugget)
        within = extra * np.log(2.0 * np.pi * single) + float(np.sum(np.log(gp.rows.count)))
        fitted -= 0.5 * float(within + gp.rows.scatter / single)
    return fitted + float(np.sum(np.log(np.maximum(transform.slope(y), 1e-300))))
