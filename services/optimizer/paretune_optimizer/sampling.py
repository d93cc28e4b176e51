"""Random numbers that depend on names, not on history: counter-based streams and scrambled Sobol points.

Every draw of the optimizer is addressed by (experiment seed, suggestion ordinal, stream). The same address
gives the same numbers on every machine and in any order of calls, which is what makes a suggestion
reproducible (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox is a keyed bijection
of a counter, so the address *is* the state).

| stream | used for |
|---|---|
| DESIGN | the scrambling of the Sobol sequence, one per experiment |
| SEARCH | candidate pools and mutations of one suggestion |
| WORLDS | posterior draws of one suggestion |
| FIT | subsets of observations used to fit length scales |
| RANDOM | the random policy |
| REPORT | Monte Carlo in reports: P(efficient) and the like |
| TPE | draws of the Parzen estimator for one suggestion |
| NSGA2 | tournaments, crossover and mutation of one suggestion |
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.stats import qmc

Array = NDArray[np.float64]

SOBOL_MAX_DIMENSION = 21_201
_MASK = (1 << 64) - 1


class Stream(IntEnum):
    """What a stream of random numbers is for; part of its address."""

    DESIGN = 0
    SEARCH = 1
    WORLDS = 2
    FIT = 3
    RANDOM = 4
    REPORT = 5
    TPE = 6
    NSGA2 = 7


def generator(seed: int, ordinal: int, stream: Stream) -> np.random.Generator:
    """Return the random generator at an address.

    Args:
        seed: seed of the experiment, any integer (taken modulo 2**64).
        ordinal: ordinal of the suggestion within the experiment, at least 0.
        stream: what the numbers are for.

    Returns:
        A generator whose output is a pure function of the three arguments. Two addresses never overlap: the
        ordinal sits in the third word of Philox' counter, 2**128 draws away from its neighbours.
    """
    key = np.array([seed & _MASK, int(stream)], dtype=np.uint64)
    counter = np.array([0, 0, ordinal & _MASK, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def sobol_points(dimension: int, count: int, rng: np.random.Generator, skip: int = 0) -> Array:
    """Return scrambled Sobol points (Owen 1998, linear matrix scramble as in scipy).

    Args:
        dimension: number of columns, at least 1. Beyond 21,201, the reach of the direction numbers of Joe and
            Kuo (2008), plain uniform numbers are returned.
        count: number of rows.
        rng: source of the scramble.
        skip: rows of the sequence to leave out first.

    Returns:
        Array (count x dimension) in [0, 1).
    """
    if count <= 0:
        return np.empty((0, dimension))
    if dimension > SOBOL_MAX_DIMENSION:
        return rng.random((skip + count, dimension))[skip:]
    engine = _engine(dimension, rng)
    if skip:
        engine.fast_forward(skip)
        points = engine.random(count)
    else:
        # Whole powers of two only: scipy warns otherwise, and rows beyond count cost nothing.
        points = engine.random_base2(max(0, (count - 1).bit_length()))[:count]
    return np.asarray(points, dtype=np.float64)


def _engine(dimension: int, rng: np.random.Generator) -> qmc.Sobol:
    from scipy.stats import qmc  # half a second: not before it is needed

    # An integer, not the generator: scipy spawns children, which counter-based generators built by key lack.
    scramble = int(rng.integers(1 << 62))
    try:
        return qmc.Sobol(dimension, scramble=True, rng=scramble)
    except TypeError:  # scipy < 1.15 calls it seed
        return qmc.Sobol(dimension, scramble=True, seed=scramble)
