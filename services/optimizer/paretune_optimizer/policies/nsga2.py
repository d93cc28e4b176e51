"""NSGA-II (Deb et al. 2002), without a state: the population is what the history says it is.

    standing -> the best N by rank and crowding -> tournaments -> crossover, mutation -> one child

Steady-state: every suggestion is one child of the best N observations so far, feasible ones first
(constrained domination). Numbers cross by SBX and mutate polynomially (Deb and Agrawal 1995) on their
coordinates, categories are inherited from either parent and mutate to any choice. The first population is
quasi-random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.policies.ranking import standing
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.maximize import fresh
from paretune_optimizer.space.axes import Axis, Shape
from paretune_optimizer.space.encoding import Encoding

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.intp]

CROSSOVER = 0.9
CROSSOVER_INDEX = 15.0
MUTATION_INDEX = 20.0
CHILDREN = 64
OPEN_POPULATION = 40


def population_size(history: History) -> int:
    """Return N: a sixth of the budget, between 12 and 100; 40 without a budget."""
    budget = history.experiment.observation_budget
    return min(100, max(12, budget // 6)) if budget else OPEN_POPULATION


def propose(history: History, ordinal: int, taken: Array) -> Array | None:
    """Return a child of the best observations.

    Args:
        history: the experiment.
        ordinal: ordinal of the suggestion.
        taken: coordinates never to propose again (t x p).

    Returns:
        Valid coordinates (p), or None if there are no two parents or every child tried was taken.
    """
    rows, rank, crowd = population(history, population_size(history))
    if rows.size < 2:
        return None
    encoding = history.encoding
    rng = generator(history.experiment.seed, ordinal, Stream.NSGA2)
    mothers, fathers = (_tournament(rank, crowd, rng) for _ in range(2))
    Z = _cross(encoding, history.Z[rows[mothers]], history.Z[rows[fathers]], rng)
    Z = encoding.snap(_mutate(encoding, Z, rng))
    Z = Z[encoding.satisfied(Z)]
    free = np.flatnonzero(fresh(encoding, Z, taken))
    return Z[free[0]] if free.size else None


def population(history: History, size: int) -> tuple[Ints, Ints, Array]:
    """Return the best rows of a history (at most size), their ranks, 0 the best, and crowding distances."""
    found = standing(history)
    rows: list[int] = []
    ranks: list[int] = []
    crowds: list[float] = []
    for rank, front in enumerate(found.fronts()):
        room = size - len(rows)
        if room <= 0:
            break
        crowd = crowding(found.Y[front])
        best = np.argsort(-crowd, kind="stable")[:room]
        rows += found.rows[front[best]].tolist()
        ranks += [rank] * best.size
        crowds += crowd[best].tolist()
    return np.array(rows, dtype=np.intp), np.array(ranks, dtype=np.intp), np.array(crowds)


def crowding(Y: Array) -> Array:
    """Return the crowding distances (P) of the points of a front (P x m): the sides of the free cuboid.

    The ends of the front have infinite distance.
    """
    out = np.zeros(Y.shape[0])
    half = Y / 2.0  # ranges of halves cannot overflow
    for column in half.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        out[order[[0, -1]]] = np.inf
        wide = ordered[-1] - ordered[0]
        if wide > 0.0:
            out[order[1:-1]] += (ordered[2:] - ordered[:-2]) / wide
    return out


def _tournament(rank: Ints, crowd: Array, rng: np.random.Generator) -> Ints:
    """Return winners (CHILDREN) of binary tournaments: lower rank, then larger distance."""
    one, two = rng.integers(rank.size, size=(2, CHILDREN))
    first = (rank[one] < rank[two]) | ((rank[one] == rank[two]) & (crowd[one] >= crowd[two]))
    return np.where(first, one, two)


def _cross(encoding: Encoding, mothers: Array, fathers: Array, rng: np.random.Generator) -> Array:
    """Return one child (p) per pair of parents (B x p each)."""
    B, p = mothers.shape
    u, side, share, wed = rng.random((B, p)), rng.random((B, p)), rng.random((B, p)), rng.random((B, 1))
    power = 1.0 / (CROSSOVER_INDEX + 1.0)
    factor = np.where(u <= 0.5, 2.0 * u, 0.5 / np.maximum(1.0 - u, 1e-300)) ** power
    blend = 0.5 * (mothers + fathers) + np.where(side < 0.5, 0.5, -0.5) * factor * (mothers - fathers)
    categorical = np.array([axis.shape is Shape.CATEGORICAL for axis in encoding.axes])
    # A value means something only in a parent where the parameter is active.
    here, there = encoding.active(mothers), encoding.active(fathers)
    either = np.where(share < 0.5, mothers, fathers)
    either = np.where(here == there, either, np.where(here, mothers, fathers))
    fresh_values = np.column_stack([axis.from_unit(u[:, i]) for i, axis in enumerate(encoding.axes)])
    either = np.where(here | there, either, fresh_values)
    child = np.where(categorical | ~(here & there) | (share < 0.5), either, blend)
    return np.where(wed < CROSSOVER, child, mothers)


def _mutate(encoding: Encoding, Z: Array, rng: np.random.Generator) -> Array:
    """Return children (B x p) with each parameter changed with probability 1 / p."""
    B, p = Z.shape
    out = Z.copy()
    change, u = rng.random((B, p)) < 1.0 / p, rng.random((B, p))
    for i, axis in enumerate(encoding.axes):
        moved = axis.from_unit(u[:, i]) if axis.shape is Shape.CATEGORICAL else _step(axis, Z[:, i], u[:, i])
        out[:, i] = np.where(change[:, i], moved, out[:, i])
    return out


def _step(axis: Axis, z: Array, u: Array) -> Array:
    """Return polynomial mutations (B) of coordinates within [0, 1]; ordered axes move by a level at least."""
    power = MUTATION_INDEX + 1.0
    down = (2.0 * u + (1.0 - 2.0 * u) * (1.0 - z) ** power).clip(0.0) ** (1.0 / power) - 1.0
    up = 1.0 - (2.0 * (1.0 - u) + (2.0 * u - 1.0) * z**power).clip(0.0) ** (1.0 / power)
    moved = np.clip(z + np.where(u < 0.5, down, up), 0.0, 1.0)
    if axis.shape is Shape.CONTINUOUS:
        return moved
    level, goal = axis.level(z), axis.level(moved)
    return axis.at_level(np.where(goal == level, level + np.where(u < 0.5, -1.0, 1.0), goal))
