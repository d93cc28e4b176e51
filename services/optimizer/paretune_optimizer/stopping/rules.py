"""The rules: what is known when a training reaches a rung, and whether it should go on.

Notation

| symbol | meaning | shape |
|---|---|---|
| v | the training's metric vector at the rung, NaN where unknown | M |
| A | vectors of finished trainings when they were at this rung | n x M |
| B | their final vectors | n x M |
| K | neighbours: finished trainings whose row of A is nearest to v, by metrics that move | |
| f_i | v + B_i - A_i for neighbour i: where the training could end | K x M |
| c | confidence | |

Everything is minimised. FEASIBILITY and DOMINATED test the hypothesis that the training ends well: that it
meets the threshold, or is not dominated by the front. If its own change were exchangeable with those of its
neighbours, the p-value after seeing theirs is

    p = (1 + #{i : f_i ends well}) / (K + 1)

(a one-sided prediction bound from order statistics, Wilks 1941, as conformal prediction uses it, Vovk et
al. 2005). The training is stopped when p <= 1 - c. K = ceil(c / (1 - c)) is the smallest number that can
say so: the nearest few, because curves that look alike now change alike. Neighbours finished, so they were
worth finishing: what is expected of the training is rather too good, which errs on the side of going on.

HALVING is asynchronous successive halving (Li et al. 2020, stopping variant) with the order of merit of
NSGA-II (Deb et al. 2002): non-dominated rank, then crowding distance, much as Schmucker et al. 2021 do.

A training whose vector is efficient among all at its rung is never called dominated: its neighbours all lie
on one side of it, and tell too little about where it goes.

Every rule looks at the rungs only, so that no training gets a hundred chances to be stopped by mistake.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.stopping import EarlyStopping, EarlyStoppingRule
from paretune_optimizer.fronts.pareto import non_dominated

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """What is known when a training reaches a rung; minimised, NaN where unknown.

    Attributes:
        vector: its metrics now (M).
        peers: metrics of all others when they reached this rung (n x M), also of those that were stopped.
        finished_then: metrics of finished trainings when they reached this rung (k x M).
        finished: their final metrics (k x M).
        front: efficient final vectors of the optimised metrics (P x m).
        bound: thresholds (M).
        optimized: columns of the optimised metrics (m).
    """

    vector: Array
    peers: Array
    finished_then: Array
    finished: Array
    front: Array
    bound: Array
    optimized: list[int]


def judge(look: Look, stopping: EarlyStopping) -> tuple[EarlyStoppingRule, str] | None:
    """The first rule that says stop, with a reason for people; None: go on."""
    for rule in stopping.rules:
        if reason := _RULES[rule](look, stopping):
            return rule, reason
    return None


def endings(vector: Array, then: Array, finished: Array, confidence: float) -> Array:
    """Where a training could end, one row for each of its K neighbours; no rows when there are fewer.

    Args:
        vector: v (M).
        then: A (n x M).
        finished: B (n x M).
        confidence: c.

    Returns:
        f (K x M); NaN where the metric is unknown at the rung.
    """
    count = neighbours_needed(confidence)
    known = np.flatnonzero(np.isfinite(vector))
    usable = np.flatnonzero(np.all(np.isfinite(then[:, known]), axis=1))
    if not known.size or usable.size < count:
        return np.empty((0, vector.size))
    then = then[usable]
    change: Array = finished[usable] - then
    # A metric that hardly moves in training, such as an inference time, says little about where it goes.
    spread, moves = np.std(then[:, known], axis=0), np.nanstd(change[:, known], axis=0)
    weight = np.where(spread > 0.0, moves / np.where(spread > 0.0, spread, 1.0) ** 2, 0.0)
    away = (then[:, known] - vector[known]) * weight
    nearest = np.argsort(np.sum(away**2, axis=1), kind="stable")[:count]
    return vector + change[nearest]


def neighbours_needed(confidence: float) -> int:
    """K: the smallest number of neighbours that can give this confidence."""
    return math.ceil(round(confidence / (1.0 - confidence), 9))


def _endings(look: Look, confidence: float) -> Array:
    return endings(look.vector, look.finished_then, look.finished, confidence)


def _unlikely(good: int, of: int, confidence: float) -> bool:
    return of > 0 and (1 + good) / (of + 1) <= 1.0 - confidence + 1e-12


def _feasibility(look: Look, stopping: EarlyStopping) -> str:
    ends = _endings(look, stopping.confidence)
    for j in np.flatnonzero(np.isfinite(look.bound) & np.isfinite(look.vector)):
        meets = int(np.sum(~(ends[:, j] > look.bound[j])))
        if _unlikely(meets, len(ends), stopping.confidence):
            return f"metric {j} would miss its threshold, as {len(ends) - meets} of {len(ends)} like it did"
    return ""


def _dominated(look: Look, stopping: EarlyStopping) -> str:
    ends = _endings(look, stopping.confidence)[:, look.optimized]
    if not len(ends) or not len(look.front):
        return ""
    if _efficient_now(look):
        return ""
    ends = np.where(np.isfinite(ends), ends, -math.inf)  # what is unknown could be better than anything seen
    beaten = np.zeros(len(ends), dtype=np.bool_)
    for point in look.front:
        beaten |= np.all(point <= ends, axis=1) & np.any(point < ends, axis=1)
    good = int(np.sum(~beaten))
    if _unlikely(good, len(ends), stopping.confidence):
        return f"its end would be dominated by the front in {len(ends) - good} of {len(ends)} cases like it"
    return ""


def _efficient_now(look: Look) -> bool:
    """Whether nobody else had a better vector at this rung: such a training has no neighbours above it."""
    mine = look.vector[look.optimized]
    others = look.peers[:, look.optimized]
    return bool(np.all(np.isfinite(mine)) and non_dominated(np.vstack([others, mine]))[-1])


def _halving(look: Look, stopping: EarlyStopping) -> str:
    mine = look.vector[look.optimized]
    others = look.peers[:, look.optimized]
    others = others[np.all(np.isfinite(others), axis=1)]
    if not np.all(np.isfinite(mine)) or len(others) + 1 < stopping.reduction:
        return ""
    place = place_of_last(np.vstack([others, mine]))
    keep = math.ceil((len(others) + 1) / stopping.reduction)
    if place < keep:
        return ""
    return f"place {place + 1} of {len(others) + 1} at this step, where the best {keep} go on"


def place_of_last(Y: Array) -> int:
    """Place of the last row in the order of merit, from 0: non-dominated rank, then crowding distance.

    Args:
        Y: vectors (n x m), minimised and finite.
    """
    left = np.arange(len(Y))
    before = 0
    while True:
        efficient = non_dominated(Y[left])
        front = left[efficient]
        if front[-1] == len(Y) - 1:  # the last row is the last of its front
            distance = crowding(Y[front])
            return before + int(np.sum(distance[:-1] >= distance[-1]))
        before += front.size
        left = left[~efficient]


def crowding(Y: Array) -> Array:
    """Crowding distance (Deb et al. 2002) of each row (n) of a front (n x m); infinite at its ends."""
    distance = np.zeros(len(Y))
    for column in Y.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = math.inf
        if spread > 0.0 and len(Y) > 2:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance


_RULES = {
    EarlyStoppingRule.FEASIBILITY: _feasibility,
    EarlyStoppingRule.DOMINATED: _dominated,
    EarlyStoppingRule.HALVING: _halving,
}
