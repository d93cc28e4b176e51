"""What a configuration would give: mean vector, uncertainty, P(feasible), P(efficient)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.observation import MetricPrediction
from paretune.parameters import Scalar
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.model.feasibility import chances, probability
from paretune_optimizer.model.surrogate import Surrogate, surrogate_of
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.acquisition import baseline
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]

DRAWS = 64
BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What the models say about one configuration.

    Attributes:
        metrics: mean and standard deviation of the noise-free value, in the metric's own units and
            direction; optimised and constrained metrics.
        feasibility: probability that it runs and keeps the constraints; None when nothing can be said.
        efficient: probability that it would be on the front of what has been observed; None if not asked.
    """

    metrics: tuple[MetricPrediction, ...]
    feasibility: float | None
    efficient: float | None = None


@single_threaded
def predict_assignments(history: History, assignments: Sequence[Mapping[str, Scalar]]) -> list[Prediction]:
    """Predict valid configurations, P(efficient) included.

    Args:
        history: the experiment; with no observation the answer is the prior, very wide.
        assignments: configurations, already validated against the space.

    Returns:
        One prediction for each.

    Raises:
        numpy.linalg.LinAlgError: if a covariance matrix cannot be factorised.
    """
    return predict(history, history.encoding.encode_all(assignments), efficient=True)


def predict(history: History, Z: Array, *, efficient: bool = False) -> list[Prediction]:
    """Predict at coordinates (B x p); as `predict_assignments`."""
    surrogate = surrogate_of(history)
    X = history.encoding.features(Z)
    moments = {}
    for j, model in surrogate.metrics.items():
        mean, variance = model.gp.predict(X)
        moments[j] = model.transform.moments(mean[:, 0], np.sqrt(variance))
    conditions = chances(history, surrogate)
    feasible = probability(conditions, X) if conditions else None
    on_front = efficient_chance(history, surrogate, Z) if efficient else None
    return [
        Prediction(
            tuple(
                MetricPrediction(history.roles.names[j], float(history.user_value(j, mean[b])), float(sd[b]))
                for j, (mean, sd) in moments.items()
            ),
            None if feasible is None else float(feasible[b]),
            None if on_front is None else float(on_front[b]),
        )
        for b in range(Z.shape[0])
    ]


def efficient_chance(history: History, surrogate: Surrogate, Z: Array, *, conditions: bool = True) -> Array:
    """Return the probability (B) that each point is efficient, times that it is feasible (if `conditions`).

    64 joint posterior draws of the noise-free values at the baseline and at the points; a point counts when
    no baseline point dominates it in the draw. Points are judged against the baseline, not each other.
    """
    required = chances(history, surrogate)
    known = baseline(history, surrogate, required)
    rng = generator(history.experiment.seed, len(history), Stream.REPORT)
    out = np.zeros(Z.shape[0])
    for start in range(0, Z.shape[0], BATCH):
        points = Z[start : start + BATCH]
        distinct, where = np.unique(np.vstack([known.Z, points]), axis=0, return_inverse=True)
        where = where.reshape(-1)
        X = history.encoding.features(distinct)
        draws = np.stack(
            [
                surrogate.metrics[j].gp.worlds(X, rng.standard_normal((DRAWS, X.shape[0])))[1]
                for j in history.roles.optimized
            ],
            axis=2,
        )  # S x b x m
        b = known.Z.shape[0]
        rivals, mine = draws[:, where[:b]], draws[:, where[b:]]
        out[start : start + BATCH] = np.mean(
            [_undominated(r, q) for r, q in zip(rivals, mine, strict=True)], axis=0
        )
    if conditions and required:
        out = out * probability(required, history.encoding.features(Z))
    return out


def _undominated(rivals: Array, points: Array) -> Array:
    """Return for each point (1.0 or 0.0) whether no rival dominates it."""
    if rivals.shape[0] == 0:
        return np.ones(points.shape[0])
    front = rivals[non_dominated(rivals)]
    worse = np.all(front[None] <= points[:, None], axis=2) & np.any(front[None] < points[:, None], axis=2)
    return (~np.any(worse, axis=1)).astype(np.float64)
