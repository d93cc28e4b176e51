"""Hypervolumes of many metrics, estimated along rays from the reference point.

In polar coordinates around the reference point r a hypervolume is an integral over the directions w of the
positive part of the unit sphere,

    A / (m 2^m) E_w[max_i s_i(w)^m],    s_i(w) = min_k (r - y_i)_k / w_k,

with A the area of the whole sphere, and what point i dominates alone lies on the rays where it reaches
farthest, beyond the second (Deng and Zhang 2019, "Approximating hypervolume and hypervolume contributions
using polar coordinate", IEEE Transactions on Evolutionary Computation 23). Metrics are scaled to the best
values of the points. The directions are normalised normal draws of one scrambled Sobol sequence, the same
for all fronts of as many metrics, so that what differs between two fronts is not the draw.

Against exact values for 4 to 10 metrics (15 to 401 points on a sphere, on a plane, and efficient ones of a
cube): volumes within .7 % up to 8 metrics and 3 % beyond; half of the larger contributions within 5 to 25 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from paretune_optimizer.sampling import Stream, generator, sobol_points

Array = NDArray[np.float64]

DIRECTIONS = 1 << 14
_BLOCK = 1024


def estimate(Y: Array, reference: Array) -> tuple[float, Array]:
    """Return the hypervolume of points, and what each of them dominates alone.

    Args:
        Y: points (n x m), minimised, all better than the reference point, n >= 1.
        reference: reference point (m).

    Returns:
        Volume and exclusive volumes (n).
    """
    whole, alone = 0.0, np.zeros(Y.shape[0])
    for part in _volumes(Y, reference):
        padded = np.column_stack([part, np.zeros(part.shape[0])])  # a single point has nothing behind it
        first = padded.argmax(axis=1)
        second, best = np.partition(padded, -2, axis=1)[:, -2:].T
        whole += float(best.sum())
        alone += np.bincount(first, weights=best - second, minlength=Y.shape[0])[: Y.shape[0]]
    return whole, alone


def estimated_history(Y: Array, reference: Array) -> Array:
    """Return the hypervolume after each of the points (n); arguments as for `estimate`."""
    total = np.zeros(Y.shape[0])
    for part in _volumes(Y, reference):
        total += np.maximum.accumulate(part, axis=1).sum(axis=0)
    return total


def _volumes(Y: Array, reference: Array) -> Iterator[Array]:
    """Yield, for a block of directions at a time, the volume that each point (n) dominates along each."""
    m = reference.size
    gain = reference - Y
    scale = gain.max(axis=0)
    area = 2.0 * math.pi ** (m / 2) / math.gamma(m / 2)
    share = area / (m * 2.0**m) / DIRECTIONS * float(np.prod(scale))
    gain = gain / scale
    uniform = sobol_points(m, DIRECTIONS, generator(0, m, Stream.REPORT))
    normal = np.abs(ndtri(np.clip(uniform, 1e-12, 1.0 - 1e-12)))
    normal = np.maximum(normal, 1e-12)  # a half would become a metric that does not count
    rays = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    for start in range(0, DIRECTIONS, _BLOCK):
        w = rays[start : start + _BLOCK]
        reach = np.full((w.shape[0], Y.shape[0]), np.inf)
        for k in range(m):
            np.minimum(reach, gain[:, k] / w[:, k : k + 1], out=reach)
        yield share * reach**m
