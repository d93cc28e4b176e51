"""Expected hypervolume improvement in logarithms, with derivatives by the predicted moments.

Everything is minimised. A candidate has, in each of W worlds, a mean per metric; all worlds share one
variance per metric; metrics are independent Gaussians. With psi_j(t) = E[(t - Y_j)+],

    EHVI = sum over boxes of prod_j [psi_j(high_j) - psi_j(low_j)],

exact for one to three metrics (Emmerich and Klinkenberg 2008; Yang et al. 2019, arXiv 1904.12672, eq. 15 and
on), averaged over worlds, which is the Rao-Blackwellised noisy EHVI (Daulton et al. 2021, arXiv 2105.08195,
integrates over the same worlds but samples the candidate too). Every term is kept as a logarithm (Ament et
al. 2023, arXiv 2310.20708): in linear space most of the domain underflows to a flat zero.

Improvement beyond a floor (`floors`) counts less: the width of a box that reaches
across it is psi(high) - (1 - hope) psi(floor).

For four and more metrics boxes multiply beyond use. There the identity of Golovin and Zhang 2020 (arXiv
2006.04655, lemma 5) is used: hypervolume is the mean over random directions of the scalarisation
s(y) = min_j ((r_j - y_j) / lambda_j)+ to the power m. The expectation over the candidate of each direction is
one integral of a product of Gaussian probabilities, computed by Gauss-Legendre quadrature.

| symbol | meaning | shape |
|---|---|---|
| mean | predicted means | m x B x W |
| sd | predicted standard deviations | m x B |
| T_j | distinct thresholds of metric j over all worlds | T_j |
| I | boxes of all worlds, world by world | I |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp

from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.search.boxes import improvement_boxes
from paretune_optimizer.search.floors import Floors
from paretune_optimizer.search.psi import LOG_ROOT_TAU, Slopes, log_psi, log_psi_exponential

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

EXACT_METRICS = 3
DIRECTIONS = 64
NODES = 8


class Improvement(Protocol):
    """Expected improvement of candidates over a set of worlds."""

    def log_value(self, mean: Array, sd: Array) -> tuple[Array, Slopes]:
        """Return log EHVI (B), and its derivatives by the means (m x B x W) and the deviations (m x B)."""


@dataclass(frozen=True)
class _Side:
    """Thresholds of one metric, and where each box finds its two."""

    values: Array  # T
    world: Ints  # T
    high: Ints  # I, index into T
    low: Ints  # I, index into T; any where `share` is 0
    share: Array  # I, share of what lies beyond `low` that does not count: 1 bounded, 0 open, else by a floor


class BoxImprovement:
    """Exact log EHVI for one to three metrics.

    The thresholds of all metrics stand side by side in one array, since a search evaluates a few points at a
    time, and then numpy's calls cost more than what they compute.
    """

    def __init__(self, fronts: list[Array], reference: Array, rates: Array, floors: Floors) -> None:
        """Decompose the fronts of all worlds.

        Args:
            fronts: one array (P x m) per world; dominated rows are ignored, none may be left.
            reference: reference point (m), the same in all worlds: averaging over worlds with their own
                points would average different quantities.
            rates: growth of each metric's own unit per unit of its model (m), 0 where they are
                proportional; see `log_psi_exponential`.
            floors: where improvement begins to count less.
        """
        boxes = [improvement_boxes(front, reference) for front in fronts]
        sizes = [box.high.shape[0] for box in boxes]
        self.worlds = len(boxes)
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        world = np.repeat(np.arange(self.worlds), sizes)
        low, high = np.vstack([box.low for box in boxes]), np.vstack([box.high for box in boxes])
        sides = [
            _side(low[:, j], high[:, j], world, floors.value[j], floors.hope[j]) for j in range(rates.size)
        ]
        counts = [side.values.size for side in sides]
        begin = np.cumsum([0, *counts])
        self.values = np.concatenate([side.values for side in sides])  # T of all metrics
        self.metric = np.repeat(np.arange(rates.size), counts)
        self.mean = self.metric * self.worlds + np.concatenate([side.world for side in sides])
        self.high = np.concatenate(
            [side.high + at for side, at in zip(sides, begin[:-1], strict=True)]
        )  # m I
        self.low = np.concatenate([side.low + at for side, at in zip(sides, begin[:-1], strict=True)])
        self.share = np.concatenate([side.share for side in sides])
        self.rates = rates[self.metric]
        self.curved, self.plain = np.flatnonzero(self.rates != 0.0), np.flatnonzero(self.rates == 0.0)

    def log_value(self, mean: Array, sd: Array) -> tuple[Array, Slopes]:
        """Return log EHVI (B), and its derivatives by the means (m x B x W) and the deviations (m x B)."""
        m, B, W = mean.shape
        log_h, psi_slopes = self._psi(mean.transpose(1, 0, 2).reshape(B, m * W), sd.T)
        # Log [psi(high) - psi(low)] per metric and box.
        upper = log_h[:, self.high]  # B x m I
        # q = psi(low) / psi(high) < 1; kept off 1 for strips too thin to tell apart.
        q = np.exp(np.minimum(log_h[:, self.low] - upper, -1e-14)) * self.share
        rest = 1.0 - q  # at least 1e-14, so that the product of three is above zero
        total = upper.reshape(B, m, -1).sum(axis=1) + np.log(rest.reshape(B, m, -1).prod(axis=1))  # B x I
        top = total.max(axis=1, keepdims=True)
        weight = np.exp(total - top)
        norm = weight.sum(axis=1, keepdims=True)

        def slopes() -> tuple[Array, Array]:
            share = np.tile(weight / norm, m) / rest  # B x m I
            by_mean, by_sd = psi_slopes()
            d_mean = share * (by_mean[:, self.high] - q * by_mean[:, self.low])
            d_sd = share * (by_sd[:, self.high] - q * by_sd[:, self.low])
            by_world = np.add.reduceat(d_mean.reshape(B, m, -1), self.starts, axis=2)
            return by_world.transpose(1, 0, 2), d_sd.reshape(B, m, -1).sum(axis=2).T

        return top[:, 0] + np.log(norm[:, 0]) - np.log(self.worlds), slopes

    def _psi(self, mean: Array, sd: Array) -> tuple[Array, Slopes]:
        """Return log psi at all thresholds (B x T), and its derivatives by mean and deviation.

        Args:
            mean: means (B x m W).
            sd: deviations (B x m).
        """
        log_sd, sd = np.log(sd)[:, self.metric], sd[:, self.metric]  # B x T
        z = (self.values - mean[:, self.mean]) / sd
        if not self.plain.size:
            return log_psi_exponential(self.values, z, sd, self.rates)
        plain, curved = self.plain, self.curved
        log_h, ratios = log_psi(z[:, plain] if curved.size else z)
        if not curved.size:
            return log_h + log_sd, lambda: _scaled(ratios(), sd)
        value = np.empty_like(z)
        value[:, plain] = log_h + log_sd[:, plain]
        value[:, curved], curved_slopes = log_psi_exponential(
            self.values[curved], z[:, curved], sd[:, curved], self.rates[curved]
        )

        def slopes() -> tuple[Array, Array]:
            by_mean, by_sd = np.empty_like(z), np.empty_like(z)
            by_mean[:, plain], by_sd[:, plain] = _scaled(ratios(), sd[:, plain])
            by_mean[:, curved], by_sd[:, curved] = curved_slopes()
            return by_mean, by_sd

        return value, slopes


def _scaled(ratios: tuple[Array, Array], sd: Array) -> tuple[Array, Array]:
    """Return the derivatives of log psi by mean and deviation, from those of `log_psi`."""
    return ratios[0] / -sd, ratios[1] / sd


def _side(low: Array, high: Array, world: Ints, floor: float, hope: float) -> _Side:
    open_ = ~np.isfinite(low)
    share = 1.0 - open_
    if hope < 1.0:
        # A world may have drawn values beyond the floor: there the open boxes begin at the lowest of them.
        lowest = np.full(int(world.max()) + 1, floor)
        np.minimum.at(lowest, world, np.where(open_, high, low))
        low, share = np.where(open_, lowest[world], low), np.where(open_, 1.0 - hope, 1.0)
    keys = np.concatenate([np.stack([world, high], axis=1), np.stack([world, low], axis=1)])
    bounded = np.isfinite(keys[:, 1])
    unique, where = np.unique(keys[bounded], axis=0, return_inverse=True)
    at = np.zeros(keys.shape[0], dtype=np.intp)
    at[bounded] = where.reshape(-1)
    return _Side(unique[:, 1], unique[:, 0].astype(np.intp), at[: high.size], at[high.size :], share)


class ScalarisedImprovement:
    """Log EHVI for four and more metrics, exact for each of a fixed set of random directions."""

    def __init__(
        self,
        fronts: list[Array],
        reference: Array,
        ideal: Array,
        rates: Array,
        rng: np.random.Generator,
    ) -> None:
        """Draw directions and place the quadrature nodes.

        Args:
            fronts: one array (P x m) per world.
            reference: reference point (m).
            ideal: best value that is expected, per metric (m); a deviation better is allowed for.
            rates: curvature of each metric's unit (m); directions and volumes are in own units.
            rng: source of the directions.
        """
        m, worlds = ideal.size, len(fronts)
        ideal, reference = _own_unit(ideal - 1.0, rates), _own_unit(reference, rates)
        fronts = [_own_unit(front, rates) for front in fronts]
        directions = np.abs(rng.standard_normal((DIRECTIONS, m))) + 1e-3
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        directions *= np.maximum(reference - ideal, 1e-9)
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        t, log_w, world, direction = [], [], [], []
        # Directions are dealt out to the worlds, so the cost does not grow with their number.
        for q in range(DIRECTIONS):
            w = q % worlds
            gains = (reference - fronts[w]) / directions[q]  # P x m
            best = max(0.0, float(gains.min(axis=1).max())) if gains.size else 0.0
            top = max(float(np.min((reference - ideal) / directions[q])), best + 0.05)
            half = 0.5 * (top - best)
            at = best + half * (nodes + 1.0)
            t.append(at)
            log_w.append(np.log(weights * half) + np.log(m) + (m - 1) * np.log(at))
            world += [w] * NODES
            direction += [q] * NODES
        self.log_weight = np.concatenate(log_w) - np.log(DIRECTIONS)  # I
        self.world = np.array(world, dtype=np.intp)
        thresholds = reference - directions[direction] * np.concatenate(t)[:, None]  # I x m
        self.thresholds = _model_scale(thresholds, rates)
        self.worlds = worlds

    def log_value(self, mean: Array, sd: Array) -> tuple[Array, Slopes]:
        """Return log EHVI up to a constant (B), and its derivatives as `Improvement` says."""
        total: Array = np.repeat(self.log_weight[None, :], mean.shape[1], axis=0)  # B x I
        parts = []
        for j in range(mean.shape[0]):
            z = (self.thresholds[:, j] - mean[j][:, self.world]) / sd[j][:, None]
            log_Phi = log_ndtr(z)
            total += log_Phi
            parts.append((z, log_Phi))
        value = np.asarray(logsumexp(total, axis=1))

        def slopes() -> tuple[Array, Array]:
            weight = np.exp(total - value[:, None])
            onehot = (self.world[:, None] == np.arange(self.worlds)).astype(np.float64)  # I x W
            by_mean, by_sd = np.empty_like(mean), np.empty_like(sd)
            for j, (z, log_Phi) in enumerate(parts):
                slope = np.exp(-0.5 * z * z - LOG_ROOT_TAU - log_Phi)  # d log Phi / dz
                pull = weight * slope / sd[j][:, None]
                by_mean[j] = -pull @ onehot
                by_sd[j] = -np.sum(pull * z, axis=1)
            return by_mean, by_sd

        return value, slopes


def expected_improvement(
    fronts: list[Array],
    reference: Array,
    ideal: Array,
    rates: Array,
    rng: np.random.Generator,
    floors: Floors | None = None,
) -> Improvement:
    """Return the improvement over fronts: exact up to three metrics, by directions beyond.

    Args:
        fronts: values (P x m) of each world, minimised.
        reference: reference point (m).
        ideal: best reachable value per metric (m); used beyond three metrics only.
        rates: curvature of each metric's unit (m), see `log_psi_exponential`.
        rng: source of directions; used beyond three metrics only.
        floors: where improvement begins to count less; used up to three metrics only.
    """
    if ideal.size <= EXACT_METRICS:
        return BoxImprovement(fronts, reference, rates, floors or Floors.none(ideal.size))
    clipped = [front[np.all(front < reference, axis=1)] for front in fronts]
    return ScalarisedImprovement([f[non_dominated(f)] for f in clipped], reference, ideal, rates, rng)


def _own_unit(x: Array, rates: Array) -> Array:
    """Return values (... x m) of the models in the metrics' own units, see `log_psi_exponential`."""
    steep = np.where(rates == 0.0, 1.0, rates)
    return np.where(rates == 0.0, x, np.exp(np.clip(steep * x, -600.0, 600.0)) / steep)


def _model_scale(y: Array, rates: Array) -> Array:
    """Return the inverse of `_own_unit`; values that a logarithm cannot reach come out far below."""
    steep = np.where(rates == 0.0, 1.0, rates)
    return np.where(rates == 0.0, y, np.log(np.maximum(steep * y, 1e-30)) / steep)
