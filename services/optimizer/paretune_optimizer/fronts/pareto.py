"""Dominance: which points are efficient, with slack, under constraints, and with what probability.

Everything is minimised; `metrics` flips signs once, before values come here.
"""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def non_dominated(Y: Array, slack: Array | None = None) -> Mask:
    """Return which rows no other row dominates; equal rows keep each other company.

    Args:
        Y: points (n x m), minimised; a row with a NaN is never efficient.
        slack: how much better (m), in units of Y, another row must be in every metric before it excludes a
            row; None means the plain rule. A user's tolerance for noise.

    Returns:
        Mask (n). O(n log n) for m <= 3 (Kung, Luccio and Preparata 1975, in moocore); with slack, each row
        moved down by the slack is held against the front, O(n P).
    """
    mask = np.zeros(Y.shape[0], dtype=np.bool_)
    known = np.flatnonzero(np.all(np.isfinite(Y), axis=1))
    if known.size == 0:
        return mask
    points = Y[known]
    if Y.shape[1] == 1:
        plain = points[:, 0] <= points.min()
    else:
        plain = np.asarray(moocore.is_nondominated(points, keep_weakly=True), dtype=np.bool_)
    if slack is None or not np.any(slack > 0.0):
        mask[known[plain]] = True
        return mask
    front = np.unique(points[plain], axis=0)  # P x m
    moved = points - slack
    beaten = np.zeros(known.size, dtype=np.bool_)
    for rival in front:
        beaten |= np.all(rival <= moved, axis=1) & np.any(rival < moved, axis=1)
    mask[known[~beaten | plain]] = True
    return mask


def efficient_probability(draws: Array) -> Array:
    """Return how often each row is efficient over joint draws.

    Args:
        draws: values (S x n x m), minimised.

    Returns:
        Frequencies (n) in [0, 1]. Their standard error is at most 0.5 / sqrt(S).
    """
    if draws.shape[0] == 0:
        return np.zeros(draws.shape[1])
    return np.mean([non_dominated(draw) for draw in draws], axis=0)


def draws_from_stddev(Y: Array, stddev: Array, count: int, rng: np.random.Generator) -> Array:
    """Return draws of the true values given reported standard errors, independent between rows and metrics.

    Args:
        Y: reported values (n x m).
        stddev: standard errors (n x m); NaN counts as exact.
        count: number of draws, S.
        rng: source of randomness.

    Returns:
        Array (S x n x m).
    """
    noise = rng.standard_normal((count, *Y.shape))
    return Y[None] + noise * np.nan_to_num(stddev)[None]
