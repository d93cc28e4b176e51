"""The reference point: how bad is still worth something.

The user's thresholds first. For other metrics the nadir of the front that the *model* predicts, which sees
trade-offs that have not been measured yet. The nadir of the observed front locks the search: once one extreme
is found, everything beyond it counts for nothing.

The predicted nadir comes from the ends of the predicted front. There is one for each metric that is given up:
it minimises the sum of the others plus a share of the metric given up, so that a hair of the others does not
buy its ruin (augmented as in Steuer and Choo 1983). Of three or more metrics there may also be one for each
that is pursued alone, at that share of all others. Either kind by itself may lock the search: one point may
hold the minima of several metrics, and two metrics that only get bad together are never given up together.

No single point serves all fronts: a tight one loses far ends and separate pieces for good, a wide one wastes
early trials on extremes. So successive suggestions take turns between three stances, and a wrong one costs a
third of the trials at most. A metric moved out alone only pays where being worse in it buys something.

| stance | ends | point: a tenth of the range beyond their nadir |
|---|---|---|
| FAR | share 0.01, other metrics a standard deviation better than their means; of both kinds | |
| NEAR | share 0.05 of the means, one metric given up: ends that the model is sure of | |
| WIDE | as FAR | and in one metric, in turn, as far as all but a few candidates reach |

docs/decisions/0034 and 0041 tell what was measured to choose them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.model.feasibility import Chance
from paretune_optimizer.model.gp import GaussianProcess
from paretune_optimizer.search.floors import Floors
from paretune_optimizer.search.projected_bfgs import Stop, ascend
from paretune_optimizer.space.encoding import Encoding

Array = NDArray[np.float64]

MARGIN = 0.1
ROOM = 0.01
"""Standard deviations by which the point lies beyond the nadir even where the ends agree."""
STARTS = 3
ITERATIONS = 12


@dataclass(frozen=True)
class Stance:
    """How far out the reference point of one suggestion lies.

    Attributes:
        share: of the metric given up in the search for an end; smaller is farther.
        optimism: standard deviations by which the other metrics may be better than their means at an end.
        together: whether ends are also sought where all metrics but one are given up.
        wide: whether one metric must at least reach a quantile of the candidates' posterior means.
    """

    share: float
    optimism: float
    together: bool = True
    wide: bool = False


FAR, NEAR, WIDE = Stance(0.01, 1.0), Stance(0.05, 0.0, together=False), Stance(0.01, 1.0, wide=True)


def stance_of(ordinal: int, m: int) -> tuple[Stance, int]:
    """Return the stance of a suggestion, and which of m metrics a wide one moves out."""
    return (FAR, NEAR, WIDE)[ordinal % 3], ordinal // 3 % m


class _Ends:
    """Minus the weighted, optimistic sum of the metrics, plus log feasibility; see `ascend`."""

    def __init__(
        self,
        encoding: Encoding,
        processes: list[GaussianProcess],
        conditions: list[Chance],
        floors: Floors,
        weights: Array,
        optimism: float,
    ) -> None:
        self.encoding, self.processes, self.floors = encoding, processes, floors
        self.conditions, self.weights = conditions, weights  # weights: B x m
        self.optimism = optimism * (weights == 1.0)  # B x m, not of the metric given up

    def value_and_gradient(self, Z: Array) -> tuple[Array, Array]:
        X = self.encoding.features(Z)
        total, gradient = np.zeros(Z.shape[0]), np.zeros_like(X)
        for j, gp in enumerate(self.processes):
            mean, variance, kept = gp.forward(X)
            sd = np.sqrt(variance)
            own = self.optimism[:, j]
            best, slope = self.floors.hoped(j, mean[:, 0] - own * sd)
            total -= self.weights[:, j] * best
            pull = -self.weights[:, j] * slope
            gradient += gp.backward(kept, pull[:, None], -pull * own / (2.0 * sd))
        for chance in self.conditions:
            value, products = chance.forward(X)
            total += value
            gradient += chance.backward(products)
        columns = gradient[:, self.encoding.relaxed_columns]
        if self.encoding.conditional:
            columns = columns * self.encoding.active(Z)[:, self.encoding.relaxed]
        return total, columns


def predicted_ends(
    encoding: Encoding,
    processes: list[GaussianProcess],
    conditions: list[Chance],
    floors: Floors,
    candidates: Array,
    mean: Array,
    stance: Stance,
    stop: Stop,
) -> tuple[Array, Array]:
    """Return the configurations at the ends of the predicted front.

    Args:
        encoding: translator of the space.
        processes: one per optimised metric.
        conditions: chances of feasibility, which the ends must keep as well.
        floors: values beyond which a metric is not expected to get.
        candidates: snapped coordinates to start from (B x p), at least one.
        mean: posterior means there (B x m).
        stance: how far to look.
        stop: when to stop refining.

    Returns:
        Snapped coordinates (E x p) of E = m or 2 m ends, and their posterior means (E x m).
    """
    log_chance = np.zeros(candidates.shape[0])
    X = encoding.features(candidates)
    for chance in conditions:
        log_chance += chance.power * chance.log_probability(X)
    weight = _weights(len(processes), stance)  # E x m
    score = log_chance[:, None] - mean @ weight.T  # B x E
    starts = np.argsort(-score, axis=0, kind="stable")[:STARTS].T  # E x STARTS
    owner = np.repeat(np.arange(weight.shape[0]), starts.shape[1])
    Z = candidates[starts.reshape(-1)]
    climb = _Ends(encoding, processes, conditions, floors, weight[owner], stance.optimism)
    climbed = ascend(climb, Z, encoding.relaxed, ITERATIONS, stop)
    Z = np.vstack([Z, encoding.snap(climbed)])
    owner = np.concatenate([owner, owner])
    Z, owner = Z[keep := encoding.satisfied(Z)], owner[keep]
    judge = _Ends(encoding, processes, conditions, floors, weight[owner], stance.optimism)
    value, _ = judge.value_and_gradient(Z)
    best = [int(np.flatnonzero(owner == j)[np.argmax(value[owner == j])]) for j in range(weight.shape[0])]
    return Z[best], posterior_means(encoding, processes, Z[best])


def _weights(m: int, stance: Stance) -> Array:
    """Return the weights of m metrics at each end (E x m): each given up, then perhaps each pursued alone."""
    rest = (1.0 - stance.share) * np.eye(m)
    return np.vstack([1.0 - rest, stance.share + rest]) if m > 2 and stance.together else 1.0 - rest


def reach(n: int) -> float:
    """Return the quantile of the candidates that a wide stance reaches after n observations.

    Separate pieces of a front are worth looking for once the nearest one is known.
    """
    return max(0.75, 1.0 - 6.0 / max(n, 1))


def reference_point(thresholds: Array, ends: Array, broad: Array, stance: Stance, turn: int, n: int) -> Array:
    """Return the reference point in standardised, minimised units.

    Args:
        thresholds: the user's worst acceptable values (m), NaN where there is none.
        ends: posterior means at the ends of the predicted front (E x m), one row per end.
        broad: posterior means at a pool of candidates (B x m).
        stance: where to put it.
        turn: metric that a wide stance moves out (0 to m - 1).
        n: number of observations.

    Returns:
        Reference point (m), finite, always beyond the best of the ends.
    """
    ideal, nadir = ends.min(axis=0), ends.max(axis=0)
    if stance.wide:
        nadir[turn] = max(nadir[turn], np.quantile(broad[:, turn], reach(n)))
    point = nadir + MARGIN * (nadir - ideal) + ROOM
    return np.where(np.isfinite(thresholds), thresholds, point)


def posterior_means(encoding: Encoding, processes: list[GaussianProcess], Z: Array) -> Array:
    """Return the posterior means (B x m) of processes at coordinates (B x p)."""
    X = encoding.features(Z)
    return np.stack([gp.mean_at(X) for gp in processes], axis=1)
