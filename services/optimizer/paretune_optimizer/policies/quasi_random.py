"""Scrambled Sobol points, bent by priors: the first design, and what is served when a model cannot be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.sampling import Stream, generator, sobol_points
from paretune_optimizer.search.maximize import fresh
from paretune_optimizer.space.priors import bend

Array = NDArray[np.float64]

TRIES = 64


def propose(history: History, ordinal: int, taken: Array) -> Array | None:
    """Return the point of the experiment's Sobol sequence that belongs to a suggestion.

    Args:
        history: the experiment.
        ordinal: ordinal of the suggestion; the sequence advances with it, whatever came between.
        taken: coordinates to avoid (t x p).

    Returns:
        Valid coordinates (p); the last try if all tries are taken; None only if the linear constraints leave
        no known point.
    """
    encoding = history.encoding
    rng = generator(history.experiment.seed, 0, Stream.DESIGN)
    repair = generator(history.experiment.seed, ordinal, Stream.SEARCH)
    U = bend(encoding.axes, sobol_points(encoding.dimension, 1, rng, skip=ordinal))
    found = _first(history, encoding.sample(U, repair), taken)
    if found is not None:
        return found
    # Taken or impossible: look further along a sequence of this suggestion's own.
    rng = generator(history.experiment.seed, ordinal, Stream.DESIGN)
    U = bend(encoding.axes, sobol_points(encoding.dimension, TRIES, rng))
    Z = encoding.sample(U, repair)
    found = _first(history, Z, taken)
    if found is not None:
        return found
    return Z[-1] if Z.shape[0] else encoding.centre()


def _first(history: History, Z: Array, taken: Array) -> Array | None:
    free = np.flatnonzero(fresh(history.encoding, Z, taken))
    return Z[free[0]] if free.size else None
