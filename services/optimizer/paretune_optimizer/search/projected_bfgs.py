"""Many small ascents in lockstep: projected BFGS with one shared, vectorised evaluation per iteration.

Each start has its own dense inverse Hessian and step length. Stacking the starts into one long vector for
L-BFGS instead would mix the curvatures of unrelated starts. The update is Nocedal and Wright 2006, eq. 6.17;
variables at a bound whose gradient points outwards are held there (Bertsekas 1982), and steps are clipped to
the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.space.encoding import Encoding

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

REACH = 0.25
ARMIJO = 1e-4
TOLERANCE = 1e-6


class Objective(Protocol):
    """What is climbed."""

    encoding: Encoding

    def value_and_gradient(self, Z: Array) -> tuple[Array, Array]:
        """Return values (B) and gradients by the relaxed coordinates (B x k)."""


class Stop(Protocol):
    """When to stop early."""

    @property
    def over(self) -> bool:
        """Whether to stop now."""


def ascend(objective: Objective, Z: Array, free: Sequence[int], iterations: int, stop: Stop) -> Array:
    """Climb from every row of Z.

    Args:
        objective: function and its gradient along the encoding's relaxed coordinates.
        Z: starts (B x p), valid.
        free: parameters that may move, a subset of the relaxed ones.
        iterations: most evaluations.
        stop: checked before each evaluation.

    Returns:
        End points (B x p), inside [0, 1] and the linear constraints (as far as relaxed ints can tell), none
        worse than its start.
    """
    moved = Z.copy()
    if not free or Z.shape[0] == 0:
        return moved
    encoding = objective.encoding
    pick = [encoding.relaxed.index(i) for i in free]
    B, k = Z.shape[0], len(free)
    rows = np.ix_(np.arange(B), np.array(free))
    x = Z[rows]  # B x k
    value, gradient = objective.value_and_gradient(Z)
    g = gradient[:, pick]
    H: Array = np.repeat(np.eye(k)[None], B, axis=0)
    scaled = np.zeros(B, dtype=np.bool_)
    step = np.ones(B)
    live = np.ones(B, dtype=np.bool_)
    for _ in range(iterations):
        d = _direction(x, g, H)
        live &= np.max(np.abs(d), axis=1) > TOLERANCE
        if not np.any(live) or stop.over:
            break
        trial = np.minimum(np.maximum(x + step[:, None] * d, 0.0), 1.0)
        moved[rows] = trial
        # `active` and the features read snapped parents only, and no parent is relaxed.
        # All rows are evaluated, finished ones too: an objective may depend on the row.
        new_value, slope = objective.value_and_gradient(moved)
        new_gradient = slope[:, pick]
        new_value[~encoding.satisfied(moved)] = -np.inf
        s = trial - x
        good = live & (new_value >= value + ARMIJO * np.einsum("bk,bk->b", s, g))
        _update(H, s, g - new_gradient, good, scaled)
        x, g = np.where(good[:, None], trial, x), np.where(good[:, None], new_gradient, g)
        value = np.where(good, new_value, value)
        step = np.where(good, np.minimum(1.0, 2.0 * step), 0.35 * step)
        live &= step > 1e-4
    moved[rows] = x
    return moved


def _direction(x: Array, g: Array, H: Array) -> Array:
    """Return projected ascent directions (B x k), at most a quarter of the range long in any coordinate."""
    held = ((x <= 0.0) & (g < 0.0)) | ((x >= 1.0) & (g > 0.0))
    inner = np.where(held, 0.0, g)
    d = np.matmul(H, inner[:, :, None])[:, :, 0]
    d[held] = 0.0
    # A direction that does not climb (held variables bend it) falls back to the gradient.
    flat = np.einsum("bk,bk->b", d, inner) <= 0.0
    d[flat] = inner[flat]
    longest = np.max(np.abs(d), axis=1, keepdims=True)
    return d * np.minimum(1.0, REACH / np.maximum(longest, 1e-300))


def _update(H: Array, s: Array, y: Array, good: Mask, scaled: Mask) -> None:
    """Update inverse Hessians of the negated objective in place where curvature is positive."""
    sy = np.einsum("bk,bk->b", s, y)
    size = np.sqrt(np.einsum("bk,bk->b", s, s) * np.einsum("bk,bk->b", y, y))
    use = good & (sy > 1e-10 * size) & (sy > 1e-300)
    first = use & ~scaled
    if np.any(first):
        H[first] *= (sy[first] / np.einsum("bk,bk->b", y[first], y[first]))[:, None, None]
        scaled |= first
    # The others get an update of zero.
    s, y, rho = np.where(use[:, None], s, 0.0), np.where(use[:, None], y, 0.0), use / np.where(use, sy, 1.0)
    Hy = np.matmul(H, y[:, :, None])[:, :, 0]
    bend = rho * (1.0 + rho * np.einsum("bk,bk->b", y, Hy))
    v = 0.5 * bend[:, None] * s - rho[:, None] * Hy
    half = v[:, :, None] * s[:, None, :]
    H += half + half.transpose(0, 2, 1)
