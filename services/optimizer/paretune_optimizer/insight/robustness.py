"""How the configurations of the front bear small changes of their parameters.

A user will not hit a recommended setting exactly, and a peak as narrow as a needle is worth little. Each
configuration is changed 64 times within a box, the same quasi-random way for all; the model says what becomes
of its metrics, and joint draws of everything tried say what the result is worth beside it. Quantiles follow
the multivariate value-at-risk idea of Daulton et al. 2022 (arXiv 2202.07549), metric by metric.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from paretune.insight import MetricRobustness, Robustness, RobustnessPoint
from paretune.observation import ParetoPoint, ProbabilitySource
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import MOST_POINTS, contenders, require_model, within
from paretune_optimizer.insight.front import pareto_front
from paretune_optimizer.model.feasibility import chances, probability
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.sampling import Stream, generator, sobol_points
from paretune_optimizer.space.axes import Axis, Shape
from paretune_optimizer.space.encoding import Encoding
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]

CHANGES = 64
DRAWS = 64
TAIL = 0.95


@single_threaded
def robustness(
    history: History, radius: float = 0.05, slack: float = 0.05, *, categories: bool = False
) -> Robustness:
    """Return what small changes do to each configuration of the front.

    Args:
        history: the experiment; the answer is a pure function of it.
        radius: largest change as a share of a parameter's range on its scale, above 0.
        slack: what a changed configuration may fall behind in every metric, as a share of the front's range.
        categories: also change categorical parameters, with probability `radius`.

    Returns:
        One point per configuration of the front (at most 200), in its order.

    Raises:
        FailedPrecondition: TOO_FEW_OBSERVATIONS.
        numpy.linalg.LinAlgError: if a covariance matrix cannot be factorised.
    """
    require_model(history)
    points = _chosen(pareto_front(history, source=ProbabilitySource.STANDARD_ERRORS).points)
    if not points:
        return Robustness((), len(history))
    judge = _Judge(history, points, slack)
    rng = generator(history.experiment.seed, len(history), Stream.REPORT)
    U = sobol_points(2 * history.encoding.dimension, CHANGES, rng)
    told = []
    for point in points:
        z = history.encoding.encode(point.assignments)
        told.append(judge.tell(point, z, changed(history.encoding, z, U, radius, categories=categories), rng))
    return Robustness(tuple(told), len(history))


def _chosen(points: Sequence[ParetoPoint]) -> list[ParetoPoint]:
    if len(points) <= MOST_POINTS:
        return list(points)
    order = sorted(range(len(points)), key=lambda i: -points[i].hypervolume_contribution)
    return [points[i] for i in sorted(order[:MOST_POINTS])]


def changed(encoding: Encoding, z: Array, U: Array, radius: float, *, categories: bool) -> Array:
    """Return changed configurations (at most k x p) that keep the linear constraints.

    Args:
        encoding: translator of the space.
        z: the configuration (p).
        U: points of the unit cube (k x 2p): changes, and values of parameters that a change wakes.
        radius: half the width of the box, as a share of each range.
        categories: whether categorical parameters change, each with probability `radius`.

    Returns:
        Snapped coordinates; the configuration itself if no change keeps the constraints.
    """
    p = encoding.dimension
    Z = np.repeat(z[None, :], U.shape[0], axis=0)
    for i, axis in enumerate(encoding.axes):
        if axis.shape is not Shape.CATEGORICAL:
            Z[:, i] = _moved(axis, z[i], U[:, i], radius)
        elif categories:
            other = 1.0 + np.floor(U[:, i] / radius * (axis.levels - 1.0))
            Z[:, i] = np.where(U[:, i] < radius, (z[i] + other) % axis.levels, z[i])
    asleep = ~encoding.active(z[None, :])[0]
    for k in np.flatnonzero(asleep):
        Z[:, k] = encoding.axes[k].from_unit(U[:, p + k])
    Z = encoding.snap(Z)
    good = Z[encoding.satisfied(Z)]
    return good if good.shape[0] else z[None, :]


def _moved(axis: Axis, z: float, u: Array, radius: float) -> Array:
    """Uniform within the radius and the range; of levels, at least one either way."""
    if axis.shape is Shape.CONTINUOUS:
        return np.clip(z + radius * (2.0 * u - 1.0), 0.0, 1.0)
    least, here, most = axis.level(np.clip([z - radius, z, z + radius], 0.0, 1.0))
    low = max(0.0, min(float(least), float(here) - 1.0))
    high = min(axis.levels - 1.0, max(float(most), float(here) + 1.0))
    return axis.at_level(low + np.floor(u * (high - low + 1.0)))


class _Judge:
    """Joint draws of everything tried, conditioned on which changed configurations are judged."""

    def __init__(self, history: History, points: Sequence[ParetoPoint], slack: float) -> None:
        self.history, self.surrogate = history, surrogate_of(history)
        self.conditions = chances(history, self.surrogate)
        rows = np.array([history.row_of(point.observation.id) for point in points])
        Z, _ = contenders(history, rows)
        X = history.encoding.features(Z)
        rng = generator(history.experiment.seed, len(history), Stream.REPORT)
        self.models = [self.surrogate.metrics[j] for j in history.roles.optimized]
        drawn = [model.gp.worlds(X, rng.standard_normal((DRAWS, Z.shape[0]))) for model in self.models]
        self.worlds = [gp for gp, _ in drawn]
        tried = np.stack(
            [model.transform.inverse(y) for model, (_, y) in zip(self.models, drawn, strict=True)], axis=2
        )
        tried[~within(history, tried)] = np.nan
        self.fronts = [values[non_dominated(values)] for values in tried]
        front = history.Y[rows][:, history.roles.optimized]
        span = np.ptp(front, axis=0)
        everything = np.ptp(history.Y[history.ok][:, history.roles.optimized], axis=0)
        self.slack = slack * np.where(span > 0.0, span, everything)

    def tell(self, point: ParetoPoint, z: Array, Z: Array, rng: np.random.Generator) -> RobustnessPoint:
        """Say what becomes of a configuration z (p) changed to Z (k x p)."""
        X = self.history.encoding.features(Z)
        here = self.history.encoding.features(z[None, :])
        columns, metrics = [], []
        for j, model, gp in zip(self.history.roles.optimized, self.models, self.worlds, strict=True):
            mean, variance = gp.predict(X)  # k x S, k
            normals = rng.standard_normal(mean.shape)
            values = model.transform.inverse(mean + np.sqrt(variance)[:, None] * normals)
            centre, spread = model.gp.predict(here)
            nominal, _ = model.transform.moments(centre[:, 0], np.sqrt(spread))
            told = (float(nominal[0]), float(values.mean()), float(np.quantile(values, TAIL)))
            name = self.history.roles.names[j]
            metrics.append(MetricRobustness(name, *(self.history.user_value(j, value) for value in told)))
            columns.append(values)
        feasible = probability(self.conditions, X) if self.conditions else np.ones(Z.shape[0])
        draws = np.stack(columns, axis=2).swapaxes(0, 1)  # S x k x m
        allowed = within(self.history, draws)
        chance = []
        for room in (np.zeros_like(self.slack), self.slack):
            free = [_free(front + room, draw) for front, draw in zip(self.fronts, draws, strict=True)]
            chance.append(float(np.mean(feasible * np.mean(np.array(free) & allowed, axis=0))))
        return RobustnessPoint(
            observation_id=point.observation.id,
            assignments=point.assignments,
            metrics=tuple(metrics),
            probability_efficient=chance[0],
            probability_within_slack=chance[1],
            feasibility=float(feasible.mean()),
        )


def _free(rivals: Array, points: Array) -> NDArray[np.bool_]:
    """Return which points (k x m) no rival (P x m) dominates."""
    worse = np.all(rivals[None] <= points[:, None], axis=2) & np.any(rivals[None] < points[:, None], axis=2)
    return ~np.any(worse, axis=1)
