"""Values that a metric seems unable to get below, and how much is hoped for beyond them.

Many metrics end somewhere: a share of errors at zero, a violation at zero, a coordinate of a test problem at
zero. A Gaussian process does not know that. Next to the edge it keeps believing in values beyond it, a strip
of improvement that no front point ever closes because none can get there, and the search tries the edge for
ever: of 100 evaluations of DTLZ2 with three metrics 70 went to its corners.

The edge shows itself: several configurations share the best value. By Laplace's rule of succession, of c
configurations that ended at the same best value the next one gets below it with a probability of about 1 / c.
So improvement beyond a best value that c configurations share counts 1 / c of what it is worth: a weighted
hypervolume (Zitzler, Brockhoff and Thiele 2007). Nothing is ruled out, and a best value that is reached once
changes nothing. docs/decisions/0033.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.model.surrogate import Surrogate

Array = NDArray[np.float64]

SAME = 1e-9
"""Share of a metric's range by which values that count as the same may differ."""


@dataclass(frozen=True)
class Floors:
    """The best values of the optimised metrics, and what is hoped for beyond them.

    Attributes:
        value: best value seen (m), minimised, on the scale of the models.
        hope: weight of improvement beyond it (m): 1 / number of configurations that share it.
    """

    value: Array
    hope: Array

    @classmethod
    def none(cls, m: int) -> Floors:
        """Return floors of m metrics that change nothing."""
        return cls(np.full(m, -np.inf), np.ones(m))

    def hoped(self, j: int, y: Array) -> tuple[Array, Array]:
        """Return values of metric j, those beyond the floor drawn back to it, and the derivative by them."""
        if self.hope[j] == 1.0:
            return y, np.ones_like(y)
        slope = np.where(y < self.value[j], self.hope[j], 1.0)
        return self.value[j] + slope * (y - self.value[j]), slope


def floors_of(history: History, surrogate: Surrogate) -> Floors:
    """Return the floors of an experiment's optimised metrics, of trainings that finished."""
    columns = history.roles.optimized
    floors = Floors.none(len(columns))
    for k, j in enumerate(columns):
        rows = history.ok[np.isfinite(history.Y[history.ok, j])]
        if rows.size == 0:
            continue
        y = history.Y[rows, j]
        best = rows[y - y.min() <= SAME * np.ptp(y)]
        floors.value[k] = surrogate.metrics[j].transform.forward(y.min(keepdims=True))[0]
        floors.hope[k] = 1.0 / np.unique(history.Z[best], axis=0).shape[0]
    return floors
