"""Uniform random configurations: the baseline that everything else must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.maximize import fresh

Array = NDArray[np.float64]

TRIES = 64


def propose(history: History, ordinal: int, taken: Array) -> Array | None:
    """Return independent uniform coordinates (p) for a suggestion, not taken if that is easily had.

    Args:
        history: the experiment.
        ordinal: ordinal of the suggestion.
        taken: coordinates to avoid (t x p).

    Returns:
        Valid coordinates; None only if the linear constraints leave no known point.
    """
    encoding = history.encoding
    rng = generator(history.experiment.seed, ordinal, Stream.RANDOM)
    # Linear constraints are met by rejection first, which keeps the distribution uniform.
    Z = encoding.from_unit(rng.random((TRIES, encoding.dimension)))
    good = Z[encoding.satisfied(Z)]
    if good.shape[0] == 0:
        good = encoding.sample(rng.random((TRIES, encoding.dimension)), rng)
    free = np.flatnonzero(fresh(encoding, good, taken))
    if free.size:
        return good[free[0]]
    return good[0] if good.shape[0] else encoding.centre()
