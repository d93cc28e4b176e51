"""The region that would improve on a front, cut into disjoint boxes.

Everything is minimised. A box is a product of intervals (low_j, high_j]; low_j may be minus infinity. The
boxes are disjoint and their union is every point better than the reference point that no front point
weakly dominates, so a new point improves the hypervolume by the sum over boxes of its overlaps.

m = 1: one box. m = 2: strips between neighbours, P + 1 boxes. m = 3: the strips of a staircase that is swept
along the third metric; a strip is closed into a box when a new point cuts it. At most 2 P + 1 boxes, the
count of Dächert, Klamroth, Lacour and Vanderpooten 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.fronts.pareto import non_dominated

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """Disjoint boxes that cover the region of improvement.

    Attributes:
        low: lower corners (I x m), minus infinity where open.
        high: upper corners (I x m), at most the reference point.
    """

    low: Array
    high: Array


def improvement_boxes(Y: Array, reference: Array) -> Boxes:
    """Decompose the region between a front and the reference point.

    Args:
        Y: points (n x m), minimised, m from 1 to 3; dominated ones and ones beyond the reference point are
            ignored (a front that is not clipped to it would give boxes of negative width).
        reference: reference point (m).

    Returns:
        Boxes, at least one.

    Raises:
        ValueError: for more than three metrics, where scalarisation takes over.
    """
    m = reference.size
    inside = Y[np.all(reference - Y > 0.0, axis=1)]
    front = np.unique(inside[non_dominated(inside)], axis=0)
    if m == 1:
        best = front.min() if front.size else reference[0]
        return Boxes(np.full((1, 1), -np.inf), np.full((1, 1), best))
    if m == 2:
        return _strips(front, reference)
    if m == 3:
        return _sweep(front, reference)
    raise ValueError(f"exact boxes are for at most 3 metrics, not {m}")


def _strips(front: Array, reference: Array) -> Boxes:
    order = np.argsort(front[:, 0], kind="stable")
    a, b = front[order, 0], front[order, 1]
    low = np.full((a.size + 1, 2), -np.inf)
    low[1:, 0] = a
    high = np.stack([np.append(a, reference[0]), np.concatenate([[reference[1]], b])], axis=1)
    return Boxes(low, high)


def _sweep(front: Array, reference: Array) -> Boxes:
    # Strips of the staircase below the current level: [left, right, ceiling, level where it opened].
    strips = [[-np.inf, reference[0], reference[1], -np.inf]]
    low: list[list[float]] = []
    high: list[list[float]] = []
    for x, y, level in front[np.lexsort((front[:, 1], front[:, 0], front[:, 2]))]:
        kept: list[list[float]] = []
        opened = False
        for left, right, ceiling, since in strips:
            if right <= x or ceiling <= y:
                kept.append([left, right, ceiling, since])
                continue
            if left < x:
                kept.append([left, x, ceiling, since])
                left = x  # split at x; the right part goes on below
            if since < level:
                low.append([left, -np.inf, since])
                high.append([right, ceiling, level])
            if opened:
                kept[-1][1] = right
            else:
                kept.append([left, right, y, level])
                opened = True
        strips = kept
    for left, right, ceiling, since in strips:
        low.append([left, -np.inf, since])
        high.append([right, ceiling, reference[2]])
    return Boxes(np.array(low), np.array(high))
