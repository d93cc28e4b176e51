"""Search for the configuration of highest acquisition in a mixed space.

1. A pool: half Sobol, half mutations of the efficient points; screened on the cheap acquisition, the best
   rescored on the full one.
2. Batched projected BFGS from the winner and from Boltzmann draws, over doubles and wide ints.
3. Snap, then coordinate sweeps over all choices, small ints and neighbours of wide ints, in one batch each.
4. The best three once more through 2 (doubles only) and 3.

Values are only ever compared at snapped points: a relaxation is high off the grid, next to points already
measured, and rounding its optimum would propose those again. Each stage keeps the best so far, so the search
may be cut short at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.sampling import sobol_points
from paretune_optimizer.search.acquisition import Acquisition
from paretune_optimizer.search.projected_bfgs import ascend
from paretune_optimizer.space.axes import Axis, Shape
from paretune_optimizer.space.encoding import Encoding

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

POOL = 768
RESCORED = 96
STARTS = 8
REFINED = 3
ITERATIONS = 25
POLISH = 12
SWEEPS = 4
SWEEP_CHOICES = 64
EXCHANGES = 32
NEAR = 1e-6


@dataclass(frozen=True)
class Deadline:
    """A moment after which only cheap work may begin.

    Attributes:
        clock: monotonic seconds.
        at: the moment, on that clock.
    """

    clock: Callable[[], float]
    at: float

    @property
    def over(self) -> bool:
        """Whether the moment has passed."""
        return self.clock() >= self.at


def pool(encoding: Encoding, efficient: Array, rng: np.random.Generator, count: int = POOL) -> Array:
    """Return distinct valid candidates: half quasi-random, half mutations.

    Args:
        encoding: translator of the space.
        efficient: coordinates worth mutating (e x p), possibly none.
        rng: source of randomness.
        count: candidates to aim for.

    Returns:
        Coordinates (B x p).
    """
    half = count // 2 if efficient.shape[0] else count
    Z = encoding.sample(sobol_points(encoding.dimension, half, rng), rng)
    if efficient.shape[0]:
        Z = np.vstack([Z, mutate(encoding, efficient, rng, count - half)])
    return np.unique(Z, axis=0)


def mutate(encoding: Encoding, parents: Array, rng: np.random.Generator, count: int) -> Array:
    """Return mutations of parents that keep the linear constraints (at most count x p).

    Each child changes about 2, half or all of the parameters, numeric ones by a normal step of log-uniform
    size (1 % to 50 % of the range; ints by at least one level), categorical ones to a random choice. A child
    that breaks a linear constraint changes one parameter of those, and another one against it.
    """
    p = encoding.dimension
    start = parents[rng.integers(parents.shape[0], size=count)]
    Z = start.copy()
    share = np.array([min(1.0, 2.0 / p), 0.5, 1.0])[rng.integers(3, size=count)]
    change = rng.random((count, p)) < share[:, None]
    change[np.arange(count), rng.integers(p, size=count)] = True
    step = rng.standard_normal((count, p)) * 10.0 ** rng.uniform(-2.0, -0.3, size=(count, 1))
    fresh = encoding.from_unit(rng.random((count, p)))
    was_active = encoding.active(Z)
    for i, axis in enumerate(encoding.axes):
        moved = Z[:, i] + step[:, i]
        if axis.shape is Shape.CATEGORICAL:
            moved = fresh[:, i]
        elif axis.shape is Shape.ORDERED:
            level, goal = axis.level(Z[:, i]), axis.level(moved)
            moved = axis.at_level(np.where(goal == level, level + np.sign(step[:, i]), goal))
        # A parameter that was inactive has no value to start from.
        moved = np.where(was_active[:, i], moved, axis.from_unit(rng.random(count)))
        Z[:, i] = np.where(change[:, i] | ~was_active[:, i], moved, Z[:, i])
    Z = encoding.snap(Z)
    bad = np.flatnonzero(~encoding.satisfied(Z))
    if bad.size:
        goal, used = Z[bad], encoding.constrained
        Z[np.ix_(bad, used)] = start[np.ix_(bad, used)]
        Z = encoding.snap(Z)
        for lot in np.array_split(np.arange(bad.size), min(bad.size, EXCHANGES)):
            i = int(rng.choice(used))
            Z[bad[lot]] = encoding.exchanged(Z[bad[lot]], i, rng, goal[lot, i])
    return Z[encoding.satisfied(Z)]


def maximize(
    cheap: Acquisition,
    full: Acquisition,
    candidates: Array,
    taken: Array,
    rng: np.random.Generator,
    deadline: Deadline,
) -> tuple[Array | None, float]:
    """Return the best configuration that is not taken.

    Args:
        cheap: acquisition for screening.
        full: acquisition that decides.
        candidates: snapped coordinates to begin with (B x p).
        taken: coordinates already measured or in training (t x p).
        rng: source of the starts.
        deadline: when to stop refining.

    Returns:
        Snapped coordinates (p) and their log acquisition, or None if every candidate seen is taken.
    """
    encoding = full.encoding
    candidates = candidates[fresh(encoding, candidates, taken)]
    if candidates.shape[0] == 0:
        return None, -np.inf
    scores = cheap.value(candidates)
    if full is not cheap and not deadline.over:
        best = np.argsort(-scores, kind="stable")[:RESCORED]
        candidates, scores = candidates[best], full.value(candidates[best])
    Z, value = _starts(candidates, scores, rng)
    leader = int(np.argmax(value))
    found, found_value = Z[leader], float(value[leader])
    for size, free, iterations in (
        (STARTS, encoding.relaxed, ITERATIONS),
        (REFINED, _doubles(encoding), POLISH),
    ):
        if deadline.over:
            break
        top = np.argsort(-value, kind="stable")[:size]
        Z = ascend(full, Z[top], free, iterations, deadline)
        Z = np.vstack([Z, found[None, :]])
        Z, value = _sweep(full, Z, taken, deadline)
        if value.size and value.max() > found_value:
            leader = int(np.argmax(value))
            found, found_value = Z[leader], float(value[leader])
        if not value.size:
            break
    return found, found_value


def fresh(encoding: Encoding, Z: Array, taken: Array) -> Mask:
    """Return which points (B) differ from every taken one: by 1e-6 in a double, or in a discrete value."""
    out = np.ones(Z.shape[0], dtype=np.bool_)
    if taken.shape[0] == 0 or Z.shape[0] == 0:
        return out
    # Points that are close are close along any line; only the few such pairs are worth an exact look.
    line = np.cos(1.0 + np.arange(Z.shape[1]))
    place = taken @ line
    order = np.argsort(place)
    reach = 2.0 * NEAR * float(np.abs(line).sum()) + 1e-9 * float(np.max(np.abs(place)))
    first = np.searchsorted(place[order], Z @ line - reach)
    count = np.searchsorted(place[order], Z @ line + reach) - first
    rows = np.repeat(np.arange(Z.shape[0]), count)
    columns = order[np.arange(rows.size) + np.repeat(first - np.cumsum(count) + count, count)]
    gap = np.abs(Z[rows] - taken[columns])
    doubles = np.array([axis.shape is Shape.CONTINUOUS for axis in encoding.axes])
    same = np.all(gap[:, doubles] < NEAR, axis=1) & np.all(gap[:, ~doubles] == 0.0, axis=1)
    out[rows[same]] = False
    return out


def _starts(candidates: Array, scores: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the winner and Boltzmann draws without replacement (Gumbel top-k), and their scores."""
    spread = float(np.std(scores))
    noise = rng.gumbel(size=scores.size)
    keys = (scores - scores.max()) / max(spread, 1e-9) + noise
    keys[int(np.argmax(scores))] = np.inf
    order = np.argsort(-keys, kind="stable")[:STARTS]
    return candidates[order], scores[order]


def _doubles(encoding: Encoding) -> list[int]:
    return [i for i in encoding.relaxed if encoding.axes[i].shape is Shape.CONTINUOUS]


def _sweep(acquisition: Acquisition, Z: Array, taken: Array, deadline: Deadline) -> tuple[Array, Array]:
    """Snap points, then let each take its best single discrete move until none helps.

    Returns:
        Distinct untaken points and their values; none if all are taken.
    """
    encoding = acquisition.encoding
    Z = encoding.snap(Z)
    Z = Z[encoding.satisfied(Z)]
    value = acquisition.value(Z) if Z.shape[0] else np.zeros(0)
    value = np.where(fresh(encoding, Z, taken), value, -np.inf)
    for _ in range(SWEEPS):
        if Z.shape[0] == 0 or deadline.over:
            break
        order = np.argsort(-value, kind="stable")[: REFINED + 1]
        moves = [neighbours(encoding, z) for z in Z[order]]
        sizes = [move.shape[0] for move in moves]
        if not sum(sizes):
            break
        flat = np.vstack(moves)
        owner = np.repeat(order, sizes)
        keep = fresh(encoding, flat, taken) & encoding.satisfied(flat)
        flat, owner = flat[keep], owner[keep]
        if flat.shape[0] == 0:
            break
        score = acquisition.value(flat)
        moved = False
        for i in order:
            mine = np.flatnonzero(owner == i)
            if mine.size:
                best = mine[int(np.argmax(score[mine]))]
                if score[best] > value[i] + 1e-9:
                    Z[i], value[i], moved = flat[best], score[best], True
        if not moved:
            break
    good = np.isfinite(value)
    return Z[good], value[good]


def neighbours(encoding: Encoding, z: Array) -> Array:
    """Return points (B x p) that differ from a snapped point (p) in one active discrete parameter."""
    on = encoding.active(z[None, :])[0]
    discrete = [i for i, axis in enumerate(encoding.axes) if axis.shape is not Shape.CONTINUOUS and on[i]]
    goals = [_goals(encoding.axes[i], float(z[i]), i in encoding.relaxed) for i in discrete]
    sizes = [goal.size for goal in goals]
    moves = np.repeat(z[None, :], sum(sizes), axis=0)
    if moves.shape[0]:
        moves[np.arange(moves.shape[0]), np.repeat(discrete, sizes)] = np.concatenate(goals)
    # Another parent may wake or silence its children.
    return encoding.snap(moves) if encoding.conditional else moves


@lru_cache(maxsize=4096)
def _goals(axis: Axis, z: float, climbed: bool) -> Array:
    """Return coordinates worth trying instead of one: near and far, and all over one never climbed along."""
    level = float(axis.level(np.array([z]))[0])
    goals: set[float] = set()
    if not climbed:
        stride = max(1, -(-axis.levels // SWEEP_CHOICES))
        goals = {(level + stride * k) % axis.levels for k in range(1, min(axis.levels, SWEEP_CHOICES))}
    if axis.relaxed:
        # On a log axis a sixteenth of the coordinate, not of the levels, is the same step everywhere.
        far = axis.level(np.array([max(z - 1 / 16, 0.0), min(z + 1 / 16, 1.0)])).tolist()
        goals |= {level - 1.0, level + 1.0, *far}
    levels = sorted(goal for goal in goals if 0.0 <= goal < axis.levels and goal != level)
    return axis.snap(axis.at_level(np.array(levels)))
