"""Beliefs about single parameters: a map of the sampling cube, and a density.

A prior bends one column of the cube by its inverse distribution function, truncated to the range, before
`Axis.from_unit` cuts the cube into values. What needs uniform numbers (the random policy, importance) leaves
the cube as it is. Densities are relative to the uniform one: 1 where there is no prior.

| prior | numbers | grids |
|---|---|---|
| Normal | around the mean, in log units on a log axis | masses in proportion to the density at each value |
| Beta | over the (log) range | over the levels, equally wide |
| Weights | | masses of the choices |
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln, log_ndtr, ndtri_exp, xlog1py, xlogy

from paretune.parameters import Beta, Categorical, Normal, Weights
from paretune_optimizer.space.axes import Axis, Shape

Array = NDArray[np.float64]

BELOW_ONE = float(np.nextafter(1.0, 0.0))
FAR, SHARP = 100.0, 1e-6
_LOG_ROOT_TAU = 0.5 * math.log(2.0 * math.pi)
FLOOR = 1e-12
"""Least density: a belief may be wrong, and a logarithm must stay finite."""


def bend(axes: list[Axis], U: Array) -> Array:
    """Return points of the cube (n x p) that follow the priors, for uniform ones."""
    out = U
    for i, axis in enumerate(axes):
        if axis.parameter.prior is not None:
            out = out.copy() if out is U else out
            out[:, i] = bend_axis(axis, U[:, i])
    return out


def bend_axis(axis: Axis, u: Array) -> Array:
    """Return numbers in [0, 1) (n) that follow the prior of an axis, for uniform ones."""
    prior = axis.parameter.prior
    if prior is None:
        return u
    masses = _masses(axis)
    if masses is not None:
        level = np.searchsorted(np.cumsum(masses), u, side="right")
        last = float(np.flatnonzero(masses)[-1])  # the sum may fall short of 1 by a rounding error
        return (np.minimum(level, last) + 0.5) / masses.size
    if isinstance(prior, Normal):
        bent = _truncated_quantile(u, *_standardised(axis, prior))
    else:
        assert isinstance(prior, Beta)  # noqa: S101 - all that is left
        bent = betaincinv(prior.alpha, prior.beta, u)
    return np.clip(np.nan_to_num(bent, nan=0.5), 0.0, BELOW_ONE)


def density(axis: Axis, z: Array) -> Array:
    """Return the prior's density (n), relative to the uniform one, at snapped coordinates (n)."""
    prior = axis.parameter.prior
    if prior is None:
        return np.ones(z.shape)
    masses = _masses(axis)
    if masses is not None:
        return np.maximum(masses[axis.level(z).astype(np.intp)] * masses.size, FLOOR)
    inside = np.clip(z, 1e-9, 1.0 - 1e-9)  # Beta densities may be infinite at the ends
    if isinstance(prior, Normal):
        low, high, loc, scale = _standardised(axis, prior)
        gap = (inside - loc) / scale
        told = np.exp(-0.5 * gap * gap - _LOG_ROOT_TAU - _log_mass(low, high)) / scale
    else:
        assert isinstance(prior, Beta)  # noqa: S101 - all that is left
        a, b = prior.alpha, prior.beta
        told = np.exp(xlogy(a - 1.0, inside) + xlog1py(b - 1.0, -inside) - betaln(a, b))
    return np.maximum(np.nan_to_num(told, nan=1.0), FLOOR)


def log_density(axes: list[Axis], Z: Array) -> Array:
    """Return the logarithm of the product of all priors (n) at snapped coordinates (n x p)."""
    total = np.zeros(Z.shape[0])
    for i, axis in enumerate(axes):
        if axis.parameter.prior is not None:
            total += np.log(density(axis, Z[:, i]))
    return total


def _masses(axis: Axis) -> Array | None:
    """Return the probability of each level of a categorical or grid axis; None for others."""
    parameter, prior = axis.parameter, axis.parameter.prior
    if isinstance(prior, Weights):
        masses = np.array(prior.weights, dtype=np.float64)
        masses = masses / masses.max()
    elif isinstance(parameter, Categorical) or not parameter.grid or prior is None:
        return None
    elif isinstance(prior, Normal):
        values = np.array(parameter.grid, dtype=np.float64)
        values = np.log(values) if parameter.log else values
        loc, scale = _relative(prior, float(values[0]), float(values[-1]))
        gap = ((values - values[0]) / np.ptp(values) - loc) / scale
        masses = np.exp(-0.5 * (gap * gap - np.min(gap * gap)))
    else:
        edges = np.linspace(0.0, 1.0, axis.levels + 1)
        masses = np.diff(betainc(prior.alpha, prior.beta, edges))
    return np.asarray(masses / masses.sum(), dtype=np.float64)


def _standardised(axis: Axis, prior: Normal) -> tuple[float, float, float, float]:
    """Return the truncated normal on the cube: its two ends in deviations from the mean, mean, deviation.

    The value k of an int takes the cell from k - 1/2 to k + 1/2, on a log axis from k to k + 1, as in
    `Axis.from_unit`.
    """
    parameter = axis.parameter
    assert not isinstance(parameter, Categorical)  # noqa: S101 - Normal is for numbers
    low, high, mean = float(parameter.min), float(parameter.max), prior.mean
    ordered = axis.shape is Shape.ORDERED
    if parameter.log:
        if ordered:
            mean, high = math.log(math.exp(min(mean, 700.0)) + 0.5), high + 1.0
        low, high = math.log(low), math.log(high)
    elif ordered:
        low, high = low - 0.5, high + 0.5
    loc, scale = _relative(prior, low, high, mean)
    return -loc / scale, (1.0 - loc) / scale, loc, scale


def _log_mass(low: float, high: float) -> float:
    """Return log(Phi(high) - Phi(low)), low < high, without cancellation in either tail."""
    if low > 0.0:
        low, high = -high, -low
    upper = log_ndtr(high)
    return float(upper + np.log(-np.expm1(log_ndtr(low) - upper)))


def _truncated_quantile(u: Array, low: float, high: float, loc: float, scale: float) -> Array:
    """Return quantiles u of the normal (loc, scale) between its ends, given in deviations from loc."""
    if low > 0.0:
        return 2.0 * loc - _truncated_quantile(1.0 - u, -high, -low, loc, scale)
    with np.errstate(divide="ignore"):
        below = np.logaddexp(log_ndtr(low), np.log(u) + _log_mass(low, high))
    return loc + scale * np.asarray(ndtri_exp(below), dtype=np.float64)


def _relative(prior: Normal, low: float, high: float, mean: float | None = None) -> tuple[float, float]:
    """Return mean and deviation in units of a range, from its lower end; `mean` replaces the prior's.

    Beliefs sharper, or farther away, than the bounds here are the same to a search, and strain arithmetic.
    """
    wide = high - low
    loc = (prior.mean if mean is None else mean) / wide - low / wide
    return min(max(loc, -FAR), FAR), min(max(prior.stddev / wide, SHARP), FAR)
