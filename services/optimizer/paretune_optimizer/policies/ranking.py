"""Observations in order of merit, for the policies that rank instead of model: constrained domination.

Feasible rows come before others and are ordered by non-domination; rows that miss a threshold follow, by how
far they miss it (Deb et al. 2002, section VI). A threshold on an optimised metric counts like a constraint:
it is the worst value that is acceptable. CRASHED rows, and rows without all optimised values, have no place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.observation import OutcomeKind
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Standing:
    """What a history says about which configurations are good.

    Attributes:
        rows: rows of the history with all optimised values (n).
        Y: their minimised optimised values (n x m).
        violation: how far they miss thresholds, each relative to the worst miss (n); 0: feasible.
        failed: rows whose configuration is INFEASIBLE.
    """

    rows: Ints
    Y: Array
    violation: Array
    failed: Ints

    def fronts(self) -> Iterator[Ints]:
        """Yield positions in `rows`, best first: front by front, then row by row where infeasible."""
        left = np.flatnonzero(self.violation == 0.0)
        while left.size:
            efficient = non_dominated(self.Y[left])
            yield left[efficient]
            left = left[~efficient]
        others = np.flatnonzero(self.violation > 0.0)
        for position in others[np.argsort(self.violation[others], kind="stable")]:
            yield np.array([position])


def standing(history: History) -> Standing:
    """Return the standing of the observations of a history."""
    optimized = history.roles.optimized
    finished = np.isin(history.outcome, (OutcomeKind.OK.value, OutcomeKind.STOPPED_EARLY.value))
    rows = np.flatnonzero(finished & np.all(np.isfinite(history.Y[:, optimized]), axis=1))
    violation = np.zeros(rows.size)
    for j, bound in enumerate(history.thresholds()):
        if not np.isfinite(bound):
            continue
        # Halves cannot overflow; an unknown value of a constraint is as bad as the worst.
        miss = np.maximum(history.Y[rows, j] / 2.0 - bound / 2.0, 0.0)
        worst = np.nanmax(miss) if np.any(np.isfinite(miss)) else 0.0
        violation += np.nan_to_num(miss / worst if worst > 0.0 else miss, nan=1.0)
    failed = np.flatnonzero(history.outcome == OutcomeKind.INFEASIBLE.value)
    return Standing(rows, history.Y[rows][:, optimized], violation, failed)
