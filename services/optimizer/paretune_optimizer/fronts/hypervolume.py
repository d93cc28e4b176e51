"""Hypervolume: of a front, of each point of it, and after every observation.

Everything is minimised. Exact values come from moocore (Fonseca, Paquete and Lopez-Ibanez 2006; O(P log P)
for two and three metrics). They cost more with every metric: the contributions of 60 points in 8 metrics take
up to 20 seconds. Fronts of more points than `exact_points` are estimated (`rays`; docs/decisions/0055).
History is incremental: an observation that the front so far dominates changes nothing, and only the others
cost a computation.
"""

from __future__ import annotations

import math

import moocore
import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.fronts.rays import estimate, estimated_history

Array = NDArray[np.float64]


def exact_points(m: int) -> float:
    """Return how many efficient points of m metrics get exact values: as many as half a second allows."""
    return math.inf if m <= 3 else max(8, 1600 >> (m - 2))


def hypervolume(Y: Array, reference: Array) -> float:
    """Return the volume dominated by points and bounded by the reference point.

    Args:
        Y: points (n x m), minimised; dominated points, points beyond the reference and rows with a NaN add
            nothing.
        reference: reference point (m), finite.

    Returns:
        Volume in the product of the metrics' units, 0.0 when no point is better than the reference point; an
        estimate when more points than `exact_points` are efficient.
    """
    inside = Y[np.all(reference > Y, axis=1)]
    if inside.shape[0] == 0:
        return 0.0
    if reference.size == 1:
        return float(reference[0] - inside.min())
    if _many(inside):
        return estimate(inside, reference)[0]
    # Differences first: huge offsets between metrics would cost the digits that matter.
    return float(moocore.hypervolume(inside - reference, ref=np.zeros(reference.size)))


def contributions(Y: Array, reference: Array) -> Array:
    """Return the volume that only each point dominates among the efficient ones.

    Args:
        Y: points (n x m), minimised.
        reference: reference point (m).

    Returns:
        Array (n), 0.0 for points that are dominated, repeated or beyond the reference point; estimates when
        more points than `exact_points` are efficient.
    """
    out = np.zeros(Y.shape[0])
    inside = np.flatnonzero(np.all(reference > Y, axis=1))
    front = inside[non_dominated(Y[inside])] if inside.size else inside
    if front.size == 0:
        return out
    if reference.size == 1:
        best = np.sort(np.append(Y[inside, 0], reference[0]))
        out[front] = best[1] - best[0] if front.size == 1 else 0.0
        return out
    if _many(Y[front]):
        out[front] = estimate(Y[front], reference)[1]
        return out
    found = moocore.hv_contributions(Y[front] - reference, ref=np.zeros(reference.size))
    out[front] = np.maximum(np.asarray(found, dtype=np.float64), 0.0)
    return out


def _many(inside: Array) -> bool:
    """Tell whether more of some points (n x m) are efficient than get exact values."""
    limit = exact_points(inside.shape[1])
    return inside.shape[0] > limit and int(np.sum(non_dominated(inside))) > limit


_BLOCK = 1024


class HypervolumeHistory:
    """Hypervolume after each observation, one at a time.

    Attributes:
        values: hypervolume after each call of `append`.
        front: the efficient points so far (P x m), inside the reference point, without repetitions.
    """

    def __init__(self, reference: Array) -> None:
        """Start with no point.

        Args:
            reference: reference point (m), finite; one for the whole history.
        """
        self.reference = reference
        self.values: list[float] = []
        self.front = np.empty((0, reference.size))

    def append(self, y: Array) -> float:
        """Add one observation.

        Args:
            y: minimised values (m); a NaN, as of a failed training, adds nothing.

        Returns:
            The hypervolume now.
        """
        last = self.values[-1] if self.values else 0.0
        if np.all(y < self.reference) and not np.any(np.all(self.front <= y, axis=1)):
            keep = ~np.all(y <= self.front, axis=1)
            self.front = np.vstack([self.front[keep], y])
            # Rounding must not let a growing set shrink.
            last = max(last, hypervolume(self.front, self.reference))
        self.values.append(last)
        return last

    def extend(self, Y: Array) -> None:
        """Add observations (n x m) in order."""
        for begin in range(0, len(Y), _BLOCK):
            block = Y[begin : begin + _BLOCK]
            # Nearly all of a long history is dominated by what came before: seen at once for a whole block.
            idle = ~np.all(block < self.reference, axis=1)
            for efficient in self.front:
                idle |= np.all(efficient <= block, axis=1)
            for y, nothing in zip(block, idle, strict=True):
                if nothing:
                    self.values.append(self.values[-1] if self.values else 0.0)
                else:
                    self.append(y)


def hypervolume_history(Y: Array, reference: Array) -> Array:
    """Return the hypervolume after each of the rows (n) of Y (n x m), minimised.

    An estimate for all rows when more points than `exact_points` are efficient in the end.
    """
    inside = np.all(reference > Y, axis=1)
    if _many(Y[inside]):
        curve = np.zeros(Y.shape[0])
        curve[inside] = estimated_history(Y[inside], reference)
        return np.maximum.accumulate(curve)
    history = HypervolumeHistory(reference)
    history.extend(Y)
    return np.array(history.values)
