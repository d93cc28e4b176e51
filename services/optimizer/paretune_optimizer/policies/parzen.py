"""Parzen mixtures over a mixed, conditional space.

One component per configuration, and one for the prior. A component is a product of kernels, one per
parameter: truncated normals on the coordinates of numbers, smoothed points on categories. A parameter that is
inactive in the component's configuration has its prior there; one that is inactive in the point asked about
has no say. So one mixture covers all branches of a tree. Densities are relative to the uniform one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri

from paretune.parameters import Int
from paretune_optimizer.space.axes import Axis, Shape
from paretune_optimizer.space.encoding import Encoding
from paretune_optimizer.space.priors import bend_axis, density

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.intp]

TABLE = 64
"""Ordered axes with at most this many levels have kernels that sum to one over the levels."""
WIDEST = 0.5
FINEST = 0.01


class Parzen:
    """A mixture around configurations.

    Args:
        encoding: translator of the space.
        centres: snapped coordinates (k x p), possibly none.
    """

    def __init__(self, encoding: Encoding, centres: Array) -> None:
        """Choose a bandwidth for every parameter."""
        self.encoding, self.centres = encoding, centres
        self.active = encoding.active(centres)
        self.width = np.array(
            [
                _width(axis, centres[self.active[:, i], i], len(centres))
                for i, axis in enumerate(encoding.axes)
            ]
        )

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return draws (count x p), snapped; linear constraints are not looked at."""
        k = self.centres.shape[0]
        component = rng.integers(k + 1, size=count)
        from_prior = component == k
        component = np.minimum(component, k - 1)
        Z = np.empty((count, self.encoding.dimension))
        for i, axis in enumerate(self.encoding.axes):
            u, shift = rng.random(count), rng.random(count)
            Z[:, i] = axis.from_unit(bend_axis(axis, u))
            if k:
                own = ~from_prior & self.active[component, i]
                moved = self._moved(i, axis, self.centres[component, i], u, shift, Z[:, i])
                Z[:, i] = np.where(own, moved, Z[:, i])
        return self.encoding.snap(Z)

    def log_density(self, Z: Array) -> Array:
        """Return the log density (B) at snapped coordinates (B x p). O(B k p)."""
        asked = self.encoding.active(Z)
        total = np.zeros((Z.shape[0], self.centres.shape[0]))
        prior = np.zeros(Z.shape[0])
        for i, axis in enumerate(self.encoding.axes):
            believed = np.log(density(axis, Z[:, i]))
            prior += np.where(asked[:, i], believed, 0.0)
            here = self._log_kernel(i, axis, Z[:, i])
            if not self.active[:, i].all():
                here = np.where(self.active[:, i], here, believed[:, None])
            total += here if asked[:, i].all() else np.where(asked[:, i][:, None], here, 0.0)
        told = np.column_stack([total, prior])
        return np.asarray(logsumexp(told, axis=1) - np.log(told.shape[1]), dtype=np.float64)

    def _log_kernel(self, i: int, axis: Axis, z: Array) -> Array:
        """Return the log kernels (B x k) of one parameter."""
        at, width = self.centres[:, i], self.width[i]
        if axis.shape is Shape.CATEGORICAL:
            spread = width * density(axis, z)[:, None]
            same = (1.0 - width) * axis.levels
            return np.asarray(np.log(spread + same * (z[:, None] == at)), dtype=np.float64)
        if axis.shape is Shape.ORDERED and axis.levels <= TABLE:
            table = np.log(_table(axis, width) / cells(axis)[:, None])
            return np.asarray(table[axis.level(z).astype(np.intp)][:, axis.level(at).astype(np.intp)])
        inside = _log_difference(-at / width, (1.0 - at) / width)
        gap = (z[:, None] - at) / width
        return np.asarray(
            -0.5 * gap * gap - (inside + np.log(width * np.sqrt(2.0 * np.pi))), dtype=np.float64
        )

    def _moved(self, i: int, axis: Axis, at: Array, u: Array, shift: Array, free: Array) -> Array:
        """Return draws (B) of one parameter around centres; `free` are draws of its prior."""
        width = self.width[i]
        if axis.shape is Shape.CATEGORICAL:
            return np.where(shift < width, free, at)
        if axis.shape is Shape.ORDERED and axis.levels <= TABLE:
            steps = np.cumsum(_table(axis, width), axis=0)[:, axis.level(at).astype(np.intp)]  # L x B
            return axis.at_level((steps < u * steps[-1]).sum(axis=0).astype(np.float64))
        low, high = ndtr(-at / width), ndtr((1.0 - at) / width)
        return np.clip(at + width * ndtri(np.clip(low + u * (high - low), 1e-12, 1.0 - 1e-12)), 0.0, 1.0)


def _width(axis: Axis, values: Array, count: int) -> float:
    """Return the bandwidth of a numeric axis, or the share of a category's mass that is spread.

    Scott's rule in one dimension, never below a level or a hundredth of the range.
    """
    if axis.shape is Shape.CATEGORICAL:
        return axis.levels / (count + axis.levels)
    if values.size < 2:
        return WIDEST
    finest = max(FINEST, 1.0 / (values.size + 1.0) ** 1.5)
    if axis.shape is Shape.ORDERED:
        finest = max(finest, min(WIDEST, 0.5 / (axis.levels - 1.0)))
    return float(np.clip(1.06 * np.std(values) * values.size**-0.2, finest, WIDEST))


def cells(axis: Axis) -> Array:
    """Return the share of the sampling cube (L) that `Axis.from_unit` gives to each level."""
    parameter = axis.parameter
    if isinstance(parameter, Int) and parameter.log and not parameter.grid:
        edges = np.log(np.arange(parameter.min, parameter.max + 2, dtype=np.float64))
        return np.asarray(np.diff(edges) / (edges[-1] - edges[0]), dtype=np.float64)
    return np.full(axis.levels, 1.0 / axis.levels)


def _table(axis: Axis, width: float) -> Array:
    """Return the kernels of an ordered axis (L x L): masses over the rows for the centre of each column."""
    z = axis.at_level(np.arange(axis.levels, dtype=np.float64))
    mass = np.exp(-0.5 * np.square((z[:, None] - z) / width)) * cells(axis)[:, None]
    return np.asarray(np.maximum(mass / mass.sum(axis=0), 1e-300), dtype=np.float64)


def _log_difference(low: Array, high: Array) -> Array:
    """Return log(ndtr(high) - ndtr(low)) where zero lies between them."""
    return np.asarray(log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high))), dtype=np.float64)
