"""The reference points: how bad is still worth something.

The user's thresholds first. For other metrics the nadir of the front that the *model* predicts, which sees
trade-offs that have not been measured yet. The nadir of the observed front locks the search: once one extreme
is found, everything beyond it counts for nothing.

The predicted nadir comes from the ends of the predicted front. There is one for each metric that is given up:
it minimises the sum of the others, each less a standard deviation, plus a share of the metric given up
(augmented as in Steuer and Choo 1983). The minima of single metrics would do for two; of three or more, one
point may hold several of them, and a metric that is bad at no end would lock the search.

No single share serves all fronts. A large one (NEAR) leaves out an end that buys a hair of the others with a
ruin of the metric given up: concave fronts are reached sooner. It loses far ends and separate pieces for
good. A small one (FAR) keeps those, and wastes early trials on extremes. So improvement is counted against
two points, each in shares of its own volume (`improvement.expected_improvement`): the near one, and the near
one with ONE metric moved out to the far one, or to where a quarter of the candidates are worse. Metrics take
turns. A metric moved out alone only pays where being worse in it buys something that the near point does not
know.

Weighing regions by a measure: Zitzler, Brockhoff and Thiele 2007 (The hypervolume indicator revisited);
the rule itself is our own. docs/decisions/0008 tells what chose it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.encoding import Encoding
from paretune_optimizer.feasibility import Chance
from paretune_optimizer.gp import GaussianProcess
from paretune_optimizer.projected_bfgs import Stop, ascend

Array = NDArray[np.float64]

NEAR, FAR = 0.1, 0.01
"""Share of the metric given up in the search for an end; smaller reaches farther."""
OPTIMISM = 1.0
"""Standard deviations by which the other metrics may be better than their means at an end."""
BROAD = 0.75
"""Quantile of the candidates' posterior means that the metric moved out reaches at least."""
MARGIN = 0.1
STARTS = 3
ITERATIONS = 12


class _Ends:
    """Minus the weighted, optimistic sum of the metrics, plus log feasibility; see `ascend`."""

    def __init__(
        self,
        encoding: Encoding,
        processes: list[GaussianProcess],
        conditions: list[Chance],
        weights: Array,
    ) -> None:
        self.encoding, self.processes = encoding, processes
        self.conditions, self.weights = conditions, weights  # weights: B x m
        self.optimism = OPTIMISM * (weights == 1.0)  # B x m, not of the metric given up

    def value_and_gradient(self, Z: Array) -> tuple[Array, Array]:
        X = self.encoding.features(Z)
        total, gradient = np.zeros(Z.shape[0]), np.zeros_like(X)
        for j, gp in enumerate(self.processes):
            mean, variance, kept = gp.forward(X)
            sd = np.sqrt(variance)
            own = self.optimism[:, j]
            total += own * sd - self.weights[:, j] * mean[:, 0]
            gradient += gp.backward(kept, -self.weights[:, j : j + 1], own / (2.0 * sd))
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
    candidates: Array,
    stop: Stop,
) -> tuple[Array, Array, Array]:
    """Return the configurations at the ends of the predicted front, near and far ones.

    Args:
        encoding: translator of the space.
        processes: one per optimised metric.
        conditions: chances of feasibility, which the ends must keep as well.
        candidates: snapped coordinates to start from (B x p), at least one.
        stop: when to stop refining.

    Returns:
        Snapped coordinates (2 m x p), one for each metric given up, near ones first, and the posterior
        means of the near (m x m) and of the far ones (m x m).
    """
    m = len(processes)
    mean = posterior_means(encoding, processes, candidates)  # B x m
    log_chance = np.zeros(candidates.shape[0])
    X = encoding.features(candidates)
    for chance in conditions:
        log_chance += chance.power * chance.log_probability(X)
    weight = np.vstack([1.0 - (1.0 - share) * np.eye(m) for share in (NEAR, FAR)])  # 2 m x m
    score = log_chance[:, None] - mean @ weight.T  # B x 2 m
    starts = np.argsort(-score, axis=0, kind="stable")[:STARTS].T  # 2 m x STARTS
    owner = np.repeat(np.arange(2 * m), starts.shape[1])
    Z = candidates[starts.reshape(-1)]
    climb = _Ends(encoding, processes, conditions, weight[owner])
    climbed = ascend(climb, Z, encoding.relaxed, ITERATIONS, stop)
    Z = np.vstack([Z, encoding.snap(climbed)])
    owner = np.concatenate([owner, owner])
    Z, owner = Z[keep := encoding.satisfied(Z)], owner[keep]
    judge = _Ends(encoding, processes, conditions, weight[owner])
    value, _ = judge.value_and_gradient(Z)
    best = [int(np.flatnonzero(owner == j)[np.argmax(value[owner == j])]) for j in range(2 * m)]
    means = posterior_means(encoding, processes, Z[best])
    return Z[best], means[:m], means[m:]


def reference_points(thresholds: Array, near: Array, far: Array, broad: Array, turn: int) -> Array:
    """Return the reference points in standardised, minimised units.

    Args:
        thresholds: the user's worst acceptable values (m), NaN where there is none.
        near: posterior means at the near ends of the predicted front (m x m), one row per end.
        far: the same at the far ends.
        broad: posterior means at a pool of candidates (B x m).
        turn: metric to move out (0 to m - 1).

    Returns:
        Reference points (1 or 2 x m), finite: the nadir of the near ends, and the same with one metric moved
        out. Both lie out by a tenth of the range so that the ends themselves count; a metric in which the
        ends agree still gets a hundredth of a standard deviation of room.
    """
    ideal, nadir = near.min(axis=0), near.max(axis=0)
    points = np.stack([nadir, nadir])
    points[1, turn] = max(nadir[turn], far[:, turn].max(), np.quantile(broad[:, turn], BROAD))
    points += MARGIN * np.maximum(points - ideal, 0.1)
    return np.unique(np.where(np.isfinite(thresholds), thresholds, points), axis=0)


def posterior_means(encoding: Encoding, processes: list[GaussianProcess], Z: Array) -> Array:
    """Return the posterior means (B x m) of processes at coordinates (B x p)."""
    X = encoding.features(Z)
    return np.stack([gp.predict(X)[0][:, 0] for gp in processes], axis=1)
