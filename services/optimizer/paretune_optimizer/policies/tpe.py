"""Multi-objective tree-structured Parzen estimator, for very large or deeply conditional spaces.

    standing -> good | bad -> two Parzen mixtures -> draws of the good one -> the best ratio

Bergstra et al. 2011 with the split of Ozaki et al. 2022 (MOTPE): non-domination rank first, and a front that
does not fit whole is thinned by hypervolume. INFEASIBLE rows are bad, CRASHED ones teach nothing, pending
configurations count as bad, which keeps parallel workers apart. O(n) per suggestion, but for the sorting.
"""

from __future__ import annotations

import heapq
import math

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.history import History
from paretune_optimizer.policies.parzen import Parzen
from paretune_optimizer.policies.ranking import standing
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.maximize import fresh
from paretune_optimizer.space.priors import bend

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

SHARE = 0.1
MOST_GOOD = 25
DRAWS = 48
ROUNDS = 4


def propose(history: History, ordinal: int, pending: Array, taken: Array) -> Array | None:
    """Return the draw of the good mixture with the highest ratio of good to bad density.

    Args:
        history: the experiment.
        ordinal: ordinal of the suggestion.
        pending: coordinates in training (b x p).
        taken: coordinates never to propose again (t x p).

    Returns:
        Valid coordinates (p), or None if every draw was taken.
    """
    encoding = history.encoding
    good, bad = split(history)
    promising = Parzen(encoding, history.Z[good])
    others = Parzen(encoding, np.vstack([history.Z[bad], pending]))
    rng = generator(history.experiment.seed, ordinal, Stream.TPE)
    for _ in range(ROUNDS):
        Z = promising.draw(DRAWS, rng)
        Z = Z[encoding.satisfied(Z)]
        if Z.shape[0] == 0:  # narrow constraints: draws of the prior can be repaired
            Z = encoding.sample(bend(encoding.axes, rng.random((DRAWS, encoding.dimension))), rng)
        Z = Z[fresh(encoding, Z, taken)]
        if Z.shape[0]:
            return Z[int(np.argmax(promising.log_density(Z) - others.log_density(Z)))]
    return None


def split(history: History) -> tuple[Ints, Ints]:
    """Return the rows that count as good and those that count as bad.

    Good is a tenth of the rows with values, at least one more than there are metrics and at most 25.
    """
    found = standing(history)
    n, m = found.Y.shape
    count = min(n, MOST_GOOD, max(math.ceil(SHARE * n), m + 1))
    chosen: list[int] = []
    for front in found.fronts():
        room = count - len(chosen)
        if room <= 0:
            break
        chosen += (front if front.size <= room else front[spread(found.Y[front], room)]).tolist()
    good = np.zeros(n, dtype=np.bool_)
    good[chosen] = True
    return found.rows[good], np.concatenate([found.rows[~good], found.failed])


def spread(Y: Array, count: int) -> Ints:
    """Return some points of a front that together cover most of its hypervolume, picked greedily.

    Args:
        Y: points of a front (P x m), minimised.
        count: how many, at most P.

    Returns:
        Positions (count), the most valuable first. A point's gain only shrinks as others are picked, so a
        gain that is still the largest after it was brought up to date needs no look at the others.
    """
    half = Y / 2.0  # ranges of halves cannot overflow
    low, wide = half.min(axis=0), np.ptp(half, axis=0)
    scaled = (half - low) / np.where(wide > 0.0, wide, 1.0)
    reference = np.full(Y.shape[1], 1.1)
    queue = [(-float(np.prod(reference - y)), k, 0) for k, y in enumerate(scaled)]
    heapq.heapify(queue)
    chosen: list[int] = []
    total = 0.0
    while len(chosen) < count:
        gain, k, seen = heapq.heappop(queue)
        if seen == len(chosen):
            chosen.append(k)
            total -= gain
        else:
            gain = total - hypervolume(scaled[[*chosen, k]], reference)
            heapq.heappush(queue, (gain, k, len(chosen)))
    return np.array(chosen, dtype=np.intp)
