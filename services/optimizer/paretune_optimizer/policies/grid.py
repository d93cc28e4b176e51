"""A full grid, walked in a scattered order.

Finite spaces are listed whole. A space with doubles or too many configurations gets a coarser grid: as many
levels per numeric axis as fit the budget, at least two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.policies import quasi_random
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.maximize import fresh
from paretune_optimizer.space.axes import Shape
from paretune_optimizer.space.encoding import ENUMERATION_LIMIT, Encoding

Array = NDArray[np.float64]

OPEN_BUDGET = 256


def propose(history: History, ordinal: int, taken: Array) -> Array | None:
    """Return the first grid point in the experiment's order that is not taken.

    Args:
        history: the experiment.
        ordinal: ordinal of the suggestion, used once the grid is used up.
        taken: coordinates to avoid (t x p).

    Returns:
        Valid coordinates (p), quasi-random ones after the last grid point.
    """
    Z = _grid(history.encoding, history.experiment.observation_budget or OPEN_BUDGET)
    rng = generator(history.experiment.seed, 0, Stream.DESIGN)
    Z = Z[rng.permutation(Z.shape[0])]
    free = np.flatnonzero(fresh(history.encoding, Z, taken))
    return Z[free[0]] if free.size else quasi_random.propose(history, ordinal, taken)


def _grid(encoding: Encoding, budget: int) -> Array:
    finite = encoding.enumerate(ENUMERATION_LIMIT)
    if finite is not None:
        return finite
    numeric = [axis for axis in encoding.axes if axis.shape is not Shape.CATEGORICAL]
    choices = float(np.prod([a.levels for a in encoding.axes if a.shape is Shape.CATEGORICAL], initial=1.0))
    per_axis = max(2, int((min(budget, ENUMERATION_LIMIT) / choices) ** (1.0 / max(1, len(numeric))) + 1e-9))
    Z = encoding.middle[None, :]
    for i, axis in enumerate(encoding.axes):
        at = np.linspace(0.0, 1.0, per_axis)
        if axis.shape is Shape.CATEGORICAL:
            at = np.arange(axis.levels, dtype=np.float64)
        levels = np.unique(axis.snap(at))
        # Axes beyond the limit stay at their middle: two levels each would already be too many points.
        if Z.shape[0] * levels.size > ENUMERATION_LIMIT:
            continue
        Z = np.repeat(Z, levels.size, axis=0)
        Z[:, i] = np.tile(levels, Z.shape[0] // levels.size)
    Z = np.unique(encoding.snap(Z), axis=0)
    return Z[encoding.satisfied(Z)]
