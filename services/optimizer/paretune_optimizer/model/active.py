"""Which rows a model keeps when there are more than it can pay for.

A model of at most 800 rows costs the same at 1,000 observations and at 100,000. Seven tenths of them lie
nearest to the front, in units of the model's length scales, so that it is exact where the search goes on; the
rest is a random cover, which says where not to look. Rows are chosen by where they lie and not by what came
out: of noisy measurements the best are the luckiest, and a model of those alone believes them.
"""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.model.kernels import squared_distance
from paretune_optimizer.sampling import Stream, generator

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

ACTIVE_ROWS = 800
NEAR_SHARE = 0.7
CENTRES = 100
"""Rows of the best Pareto ranks around which others are near."""


def active_rows(history: History, index: Ints, inverse_length: Array, epoch: int) -> Ints:
    """Return positions within `index` (n rows of the history) of at most 800 rows, in order.

    Args:
        history: the experiment.
        index: rows that a model may use.
        inverse_length: one over the length scale of each feature (D).
        epoch: addresses the random cover, which stays while the epoch does.
    """
    if index.size <= ACTIVE_ROWS:
        return np.arange(index.size)
    X = history.encoding.features(history.Z[index]) * inverse_length
    centres = np.isin(index, best_ranked(history, index, CENTRES))
    distance = np.min(squared_distance(X, X[centres]), axis=1)
    order = np.argsort(distance, kind="stable")
    near, others = np.split(order, [int(NEAR_SHARE * ACTIVE_ROWS)])
    rng = generator(history.experiment.seed, epoch, Stream.FIT)
    cover = rng.choice(np.sort(others), size=ACTIVE_ROWS - near.size, replace=False)
    return np.sort(np.concatenate([near, cover]))


def best_ranked(history: History, index: Ints, count: int) -> Ints:
    """Return at most `count` of the rows `index`, those of the best Pareto ranks, in order.

    A metric that was not measured counts as the worst value seen.
    """
    if index.size <= count:
        return index
    Y = history.Y[index][:, history.roles.optimized]
    known = np.isfinite(Y)
    worst = np.max(np.where(known, Y, -np.inf), axis=0)
    rank = moocore.pareto_rank(np.where(known, Y, np.where(np.isfinite(worst), worst, 0.0)))
    return np.sort(index[np.argsort(rank, kind="stable")[:count]])
