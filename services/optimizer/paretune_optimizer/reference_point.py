"""The reference point: how bad is still worth something.

The user's thresholds first. For other metrics the nadir of the front that the *model* predicts, which sees
trade-offs that have not been measured yet. The nadir of the observed front locks the search: once one extreme
is found, everything beyond it counts for nothing.

The predicted nadir comes from the ends of the predicted front, found by minimising the posterior mean of each
metric, with a little of the others so that a hair of one metric does not buy a ruin of the rest (augmented as
in Steuer and Choo 1983). A pool of random candidates does not contain those ends in more than a few
dimensions, and quantiles of what was observed shrink with the search: both were measured to lock it.

No single rule serves all fronts: a tight point loses far ends and separate pieces, a wide one wastes early
trials on extremes. So successive suggestions take turns between three stances, and a wrong one costs a third
of the trials at most. Chosen on ZDT2, ZDT3, DTLZ7, a convex DTLZ2, Kursawe's problem and the diatom shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.encoding import Encoding
from paretune_optimizer.feasibility import Chance
from paretune_optimizer.gp import GaussianProcess
from paretune_optimizer.projected_bfgs import Stop, ascend

Array = NDArray[np.float64]

MARGIN = 0.1
STARTS = 3
ITERATIONS = 12


@dataclass(frozen=True)
class Stance:
    """How far out the reference point of one suggestion lies.

    Attributes:
        augment: share of the other metrics in the search for the end of one; smaller is farther.
        optimism: standard deviations by which the end's own metric may be better than its mean.
        quantile: quantile of the candidates' posterior means that the point must at least reach, or 0.
    """

    augment: float
    optimism: float
    quantile: float


STANCES = (Stance(0.01, 1.0, 0.0), Stance(0.05, 0.0, 0.0), Stance(0.01, 1.0, 0.75))


def stance_of(ordinal: int) -> Stance:
    """Return the stance of a suggestion."""
    return STANCES[ordinal % len(STANCES)]


class _Ends:
    """Minus the augmented, optimistic mean of one metric per row, plus log feasibility; see `ascend`."""

    def __init__(
        self,
        encoding: Encoding,
        processes: list[GaussianProcess],
        conditions: list[Chance],
        weights: Array,
        optimism: float,
    ) -> None:
        self.encoding, self.processes = encoding, processes
        self.conditions, self.weights = conditions, weights  # weights: B x m
        self.optimism = optimism * (weights == 1.0)  # B x m, of the metric whose end is sought

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
    stance: Stance,
    stop: Stop,
) -> tuple[Array, Array]:
    """Return the configurations at the ends of the predicted front.

    Args:
        encoding: translator of the space.
        processes: one per optimised metric.
        conditions: chances of feasibility, which the ends must keep as well.
        candidates: snapped coordinates to start from (B x p), at least one.
        stance: how far to look.
        stop: when to stop refining.

    Returns:
        Snapped coordinates (m x p), the best found for each metric, and their posterior means (m x m).
    """
    m = len(processes)
    mean = posterior_means(encoding, processes, candidates)  # B x m
    log_chance = np.zeros(candidates.shape[0])
    X = encoding.features(candidates)
    for chance in conditions:
        log_chance += chance.power * chance.log_probability(X)
    weight = np.full((m, m), stance.augment) + (1.0 - stance.augment) * np.eye(m)
    score = log_chance[:, None] - mean @ weight  # B x m; weight is symmetric
    starts = np.argsort(-score, axis=0, kind="stable")[:STARTS].T  # m x STARTS
    owner = np.repeat(np.arange(m), starts.shape[1])
    Z = candidates[starts.reshape(-1)]
    climb = _Ends(encoding, processes, conditions, weight[owner], stance.optimism)
    climbed = ascend(climb, Z, encoding.relaxed, ITERATIONS, stop)
    Z = np.vstack([Z, encoding.snap(climbed)])
    owner = np.concatenate([owner, owner])
    Z, owner = Z[keep := encoding.satisfied(Z)], owner[keep]
    judge = _Ends(encoding, processes, conditions, weight[owner], stance.optimism)
    value, _ = judge.value_and_gradient(Z)
    best = [int(np.flatnonzero(owner == j)[np.argmax(value[owner == j])]) for j in range(m)]
    return Z[best], posterior_means(encoding, processes, Z[best])


def reference_point(thresholds: Array, ends: Array, broad: Array, stance: Stance) -> Array:
    """Return the reference point in standardised, minimised units.

    Args:
        thresholds: the user's worst acceptable values (m), NaN where there is none.
        ends: posterior means at the ends of the predicted front (m x m), one row per end.
        broad: posterior means at a pool of candidates (B x m).
        stance: whose quantile of `broad` to reach.

    Returns:
        Reference point (m), finite: the nadir of the ends, moved out by a tenth of the front's range so that
        the ends themselves count; a metric in which the ends agree still gets a hundredth of a standard
        deviation of room.
    """
    ideal, nadir = ends.min(axis=0), ends.max(axis=0)
    if stance.quantile:
        nadir = np.maximum(nadir, np.quantile(broad, stance.quantile, axis=0))
    nadir = nadir + MARGIN * np.maximum(nadir - ideal, 0.1)
    return np.where(np.isfinite(thresholds), thresholds, nadir)


def posterior_means(encoding: Encoding, processes: list[GaussianProcess], Z: Array) -> Array:
    """Return the posterior means (B x m) of processes at coordinates (B x p)."""
    X = encoding.features(Z)
    return np.stack([gp.predict(X)[0][:, 0] for gp in processes], axis=1)
