"""What a configuration is worth trying for: log noisy EHVI plus log probability of feasibility.

The baseline is the set of points that may be efficient, with pending ones. Each of S worlds is one joint
posterior draw of their noise-free values; given a world the expectation over the candidate is exact
(`improvement`). Noise, pending trials and batches are this one mechanism. With nothing pending and little
noise one world, the posterior mean, is enough; with noise S = 4, with pending points S = 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.model.active import best_ranked
from paretune_optimizer.model.feasibility import Chance, chances, probability
from paretune_optimizer.model.gp import GaussianProcess
from paretune_optimizer.model.surrogate import Surrogate
from paretune_optimizer.search.floors import Floors
from paretune_optimizer.search.improvement import Improvement, expected_improvement
from paretune_optimizer.space.encoding import Encoding
from paretune_optimizer.space.priors import log_density

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

WORLDS = 8
NOISE_WORLDS = 4
DRAWN = 40
BASELINE = 160
RANKED = 1000
NOISY = 0.15
_LOWEST = -1e300
"""Stands for what is not a number, too: `numpy.fmax` prefers numbers."""
PRIOR_TRIALS = 10.0
"""The density of the parameters' priors enters to the power of this over n, as in Hvarfner et al. 2022
(arXiv 2204.11051), so that a wrong belief costs trials but not the search."""


class Acquisition:
    """Log acquisition at coordinates, with gradient along the relaxed ones.

    The gradient leaves priors out: it only proposes where to look, and what it finds is compared by `value`.
    """

    def __init__(
        self,
        encoding: Encoding,
        processes: list[GaussianProcess],
        improvement: Improvement,
        conditions: list[Chance],
        trust: float = 0.0,
    ) -> None:
        """Assemble.

        Args:
            encoding: translator of the space.
            processes: one per optimised metric, all with the same number of worlds.
            improvement: expected improvement over those worlds.
            conditions: chances to multiply by.
            trust: exponent of the density of the user's priors, by which to multiply as well.
        """
        self.encoding, self.processes = encoding, processes
        self.improvement, self.conditions, self.trust = improvement, conditions, trust

    def value(self, Z: Array) -> Array:
        """Return the log acquisition (B) at coordinates (B x p); minus infinity never, very low perhaps."""
        X = self.encoding.features(Z)
        predicted = [gp.predict(X) for gp in self.processes]
        mean = np.stack([p[0] for p in predicted])
        sd = np.sqrt(np.stack([p[1] for p in predicted]))
        total = self.improvement.log_value(mean, sd)[0]
        for chance in self.conditions:
            total = total + chance.power * chance.log_probability(X)
        if self.trust:
            total = total + self.trust * log_density(self.encoding.axes, Z)
        return np.fmax(total, _LOWEST)

    def value_and_gradient(self, Z: Array) -> tuple[Array, Array]:
        """Return the log acquisition (B) and its gradient by the relaxed coordinates (B x k)."""
        X = self.encoding.features(Z)
        kept = [gp.forward(X) for gp in self.processes]
        mean = np.stack([k[0] for k in kept])
        sd = np.sqrt(np.stack([k[1] for k in kept]))
        total, slopes = self.improvement.log_value(mean, sd)
        by_mean, by_sd = slopes()
        gradient = np.zeros_like(X)
        for j, gp in enumerate(self.processes):
            gradient += gp.backward(kept[j][2], by_mean[j], by_sd[j] / (2.0 * sd[j]))
        for chance in self.conditions:
            value, products = chance.forward(X)
            total = total + value
            gradient += chance.backward(products)
        columns = gradient[:, self.encoding.relaxed_columns]
        if self.encoding.conditional:
            columns = columns * self.encoding.active(Z)[:, self.encoding.relaxed]
        return np.fmax(total, _LOWEST), columns if np.all(np.isfinite(columns)) else np.nan_to_num(columns)


@dataclass(frozen=True)
class Baseline:
    """Points that may be efficient, and how well they are known.

    Attributes:
        Z: coordinates (b x p), distinct.
        mean: posterior means of the optimised metrics (b x m).
        sd: posterior standard deviations (b x m).
        efficient: whether the mean is on the denoised front (b).
    """

    Z: Array
    mean: Array
    sd: Array
    efficient: Mask


def baseline(history: History, surrogate: Surrogate, conditions: list[Chance]) -> Baseline:
    """Return the observed points whose optimistic mean the denoised front does not dominate.

    Points that more likely break a constraint metric than keep it are left out. At most 160 points are kept:
    the denoised front itself, then those whose optimistic means are closest to it. Of them 40 are drawn
    jointly in each world (`build`); the others, if on the front, stand at their posterior means.
    """
    m = len(history.roles.optimized)
    rows = best_ranked(history, history.ok, RANKED)
    Z = np.unique(history.Z[rows], axis=0) if rows.size else np.empty((0, history.encoding.dimension))
    mean, sd = predict_optimized(history, surrogate, Z)
    constraints = [c for c in conditions if c.gp is not surrogate.feasibility]
    if constraints and Z.shape[0]:
        keep = probability(constraints, history.encoding.features(Z)) >= 0.5 ** len(constraints)
        Z, mean, sd = Z[keep], mean[keep], sd[keep]
    if Z.shape[0] == 0:
        return Baseline(Z, mean.reshape(0, m), sd.reshape(0, m), np.zeros(0, dtype=np.bool_))
    efficient = non_dominated(mean)
    front = mean[efficient]
    optimistic = mean - sd
    # How far the optimistic mean lies behind the front, in the metric where it lies least behind.
    behind = np.array([np.max(np.min(row - front, axis=1)) for row in optimistic])
    order = np.lexsort((behind, ~efficient))
    order = order[(behind[order] <= 0.0) | efficient[order]]
    order = np.sort(_thin(order, efficient, mean, BASELINE))
    return Baseline(Z[order], mean[order], sd[order], efficient[order])


def _thin(order: Ints, efficient: Mask, mean: Array, count: int) -> Ints:
    """Keep `count` points; from a longer front, its extremes and then what lies farthest from those kept."""
    front = order[efficient[order]]
    if front.size <= count:
        return order[:count]
    Y = mean[front]
    Y = (Y - Y.min(axis=0)) / np.maximum(np.ptp(Y, axis=0), 1e-12)
    kept = [int(i) for i in dict.fromkeys(np.argmin(Y, axis=0).tolist())]
    distance = np.min([np.abs(Y - Y[i]).max(axis=1) for i in kept], axis=0)
    while len(kept) < count:
        kept.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.abs(Y - Y[kept[-1]]).max(axis=1))
    return front[kept]


def predict_optimized(history: History, surrogate: Surrogate, Z: Array) -> tuple[Array, Array]:
    """Return posterior means and deviations (B x m) of the optimised metrics, standardised."""
    X = history.encoding.features(Z)
    predicted = [surrogate.metrics[j].gp.predict(X) for j in history.roles.optimized]
    mean = np.stack([p[0][:, 0] for p in predicted], axis=1)
    return mean, np.sqrt(np.stack([p[1] for p in predicted], axis=1))


def build(
    history: History,
    surrogate: Surrogate,
    known: Baseline,
    pending: Array,
    reference: Array,
    ideal: Array,
    floors: Floors,
    rng: np.random.Generator,
) -> tuple[Acquisition, Acquisition]:
    """Return a cheap acquisition for screening and the full one.

    Args:
        history: the experiment.
        surrogate: its models.
        known: baseline of observed points.
        pending: coordinates of configurations in training (b x p).
        reference: reference point (m), standardised.
        ideal: best values that are expected (m), standardised.
        floors: where improvement begins to count less.
        rng: source of the worlds.

    Returns:
        Acquisition on the posterior mean, and on S worlds; the same object twice when S = 1.
    """
    processes = [surrogate.metrics[j].gp for j in history.roles.optimized]
    conditions = chances(history, surrogate)
    rates = np.array([surrogate.metrics[j].transform.rate for j in history.roles.optimized])
    mean_front = known.mean[known.efficient]
    guess = mean_front
    pending = _distinct(pending, known.Z)
    if pending.shape[0]:
        guess = np.vstack([mean_front, predict_optimized(history, surrogate, pending)[0]])
    trust = PRIOR_TRIALS / max(len(history), 1) if history.encoding.believed else 0.0
    mean_improvement = expected_improvement([guess], reference, ideal, rates, rng, floors)
    cheap = Acquisition(history.encoding, processes, mean_improvement, conditions, trust)
    if pending.shape[0] == 0 and not _noisy(known):
        return cheap, cheap
    order = np.argsort(~known.efficient, kind="stable")
    drawn_rows = np.sort(_thin(order, known.efficient, known.mean, DRAWN))
    rest = np.setdiff1d(np.flatnonzero(known.efficient), drawn_rows)
    Z = np.vstack([known.Z[drawn_rows], pending])
    X = history.encoding.features(Z)
    worlds = WORLDS if pending.shape[0] else NOISE_WORLDS
    drawn = [gp.worlds(X, rng.standard_normal((worlds, Z.shape[0]))) for gp in processes]
    values = np.stack([values for _, values in drawn], axis=2)  # W x b x m
    present = np.ones(values.shape[:2], dtype=np.bool_)
    if pending.shape[0] and conditions:
        # A pending configuration may fail: it is missing from a world as often as it would.
        lives = probability(conditions, history.encoding.features(pending))
        present[:, drawn_rows.size :] = rng.random((worlds, lives.size)) < lives
    fronts = [np.vstack([v[there], known.mean[rest]]) for v, there in zip(values, present, strict=True)]
    improvement = expected_improvement(fronts, reference, ideal, rates, rng, floors)
    return cheap, Acquisition(history.encoding, [gp for gp, _ in drawn], improvement, conditions, trust)


def _distinct(pending: Array, known: Array) -> Array:
    """Return pending points that are neither repeated nor in the baseline; equal rows break a Cholesky."""
    seen = {row.tobytes() for row in known}
    fresh = []
    for row in pending:
        if row.tobytes() not in seen:
            seen.add(row.tobytes())
            fresh.append(row)
    return np.array(fresh).reshape(-1, pending.shape[1])


def _noisy(known: Baseline) -> bool:
    """Tell whether the front is known less well than its points are apart."""
    front, sd = known.mean[known.efficient], known.sd[known.efficient]
    if front.shape[0] < 2:
        return bool(np.any(sd > NOISY))
    spacing = np.ptp(front, axis=0) / (front.shape[0] - 1)
    return bool(np.median(sd / np.maximum(spacing, 1e-9), axis=0).max() > 1.0)
