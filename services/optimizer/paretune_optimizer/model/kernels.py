"""The Matern-5/2 kernel on scaled inputs, and its derivative.

| symbol | meaning | shape |
|---|---|---|
| X | features of the observed points | n x D |
| l | length scale of each feature column | D |
| r2 | squared scaled distance, sum over columns of ((x - x') / l)^2 | n x n' |
| s2 | signal variance | scalar |
| k | s2 (1 + sqrt5 r + 5/3 r2) exp(-sqrt5 r) | n x n' |
| k' | derivative of k by r2: -(5/6) s2 (1 + sqrt5 r) exp(-sqrt5 r) | n x n' |

Source: Rasmussen and Williams 2006, eq. 4.17. The derivative by r2 has no singularity at r = 0, which is why
everything here is written in r2 and not in r.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def squared_distance(A: Array, B: Array) -> Array:
    """Return squared Euclidean distances between rows.

    Args:
        A: points already divided by their length scales (a x D).
        B: likewise (b x D).

    Returns:
        Array (a x b), never negative. The products lose about eight digits for points closer than 1e-8 of a
        length scale, far below any distance the optimizer proposes.
    """
    r2 = (-2.0 * A) @ B.T
    r2 += np.einsum("ij,ij->i", A, A)[:, None]
    r2 += np.einsum("ij,ij->i", B, B)[None, :]
    return np.maximum(r2, 0.0, out=r2)


def diagonal(K: Array) -> Array:
    """Return the diagonal (n) of a square matrix (n x n) as a view to read and to write."""
    return np.einsum("ii->i", K)


def matern52(r2: Array) -> Array:
    """Return the correlation (unit signal variance) at squared scaled distances.

    Args:
        r2: squared distances, any shape.

    Returns:
        Array of the same shape in (0, 1].
    """
    root = np.sqrt(5.0 * r2)
    return (1.0 + root + root * root / 3.0) * np.exp(-root)


def matern52_with_slope(r2: Array) -> tuple[Array, Array]:
    """Return the correlation and its derivative by r2.

    Args:
        r2: squared distances, any shape.

    Returns:
        Correlation and derivative, both of the shape of r2.
    """
    root = np.sqrt(5.0 * r2)
    decay = np.exp(-root)
    slope = (1.0 + root) * decay
    value = slope + root * root * decay / 3.0
    slope *= -5.0 / 6.0
    return value, slope
