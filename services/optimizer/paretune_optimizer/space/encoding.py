"""The search space as arrays: coordinates, features of the model, validity, enumeration.

| symbol | meaning | shape |
|---|---|---|
| u | point of the sampling cube, uniform | p |
| z | coordinates, one per parameter, see `axes` | p |
| x | features of the model: z of numeric axes, one-hot / sqrt2 of categories, activity indicators | D |

One-hot / sqrt2 puts any two categories at squared distance 1 and lets one length scale rule the parameter
(Garrido-Merchan and Hernandez-Lobato 2020, arXiv 1805.03463: models see snapped points only). An inactive
parameter sits at a constant, and one indicator per distinct condition tells the model so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paretune.parameters import Assignments, Condition, Scalar
from paretune.space import SearchSpace
from paretune_optimizer.space.axes import Axis, Shape

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.intp]

REDRAWS = 8
ENUMERATION_LIMIT = 4096
"""Spaces with at most this many configurations are handled as lists."""


class Encoding:
    """Translator between assignments, coordinates and features of one search space."""

    def __init__(self, space: SearchSpace) -> None:
        """Prepare the translation tables of a space."""
        self.space = space
        self.axes = [Axis.of(parameter) for parameter in space.parameters]
        self.names = [parameter.name for parameter in space.parameters]
        index = {name: i for i, name in enumerate(self.names)}
        self.middle = np.array([axis.middle for axis in self.axes])  # p
        self._conditions: list[tuple[int, int, Array]] = []  # child, parent, coordinates of the parent
        for child, parameter in enumerate(space.parameters):
            when = parameter.condition
            if when is not None:
                parent = index[when.parent]
                at = [self.axes[parent].coordinate(value) for value in when.values]
                self._conditions.append((child, parent, np.array(at)))
        self._weights = np.zeros((len(space.linear_constraints), len(self.axes)))  # q x p
        for row, constraint in enumerate(space.linear_constraints):
            for name, weight in constraint.weights.items():
                self._weights[row, index[name]] = weight
        self._bounds = np.array([c.upper_bound for c in space.linear_constraints])
        self._lay_out_columns()
        self._centre: Array | None = None

    def _lay_out_columns(self) -> None:
        groups: list[int] = []
        self.column: list[int] = []  # first feature column of each parameter
        for i, axis in enumerate(self.axes):
            self.column.append(len(groups))
            groups += [i] * (axis.levels if axis.shape is Shape.CATEGORICAL else 1)
        seen: dict[Condition, int] = {}
        for child, _, _ in self._conditions:
            condition = self.space.parameters[child].condition
            if condition is not None and condition not in seen:
                seen[condition] = child
        self._indicators = list(seen.values())  # one child per distinct condition
        groups += [len(self.axes) + i for i in range(len(self._indicators))]
        self.groups: Ints = np.array(groups, dtype=np.intp)  # D
        # A parent stays at its level in a climb: between two levels its children would be neither on nor off.
        parents = {parent for _, parent, _ in self._conditions}
        self.relaxed = [i for i, axis in enumerate(self.axes) if axis.relaxed and i not in parents]
        self.relaxed_columns = [self.column[i] for i in self.relaxed]
        self._categorical = [i for i, axis in enumerate(self.axes) if axis.shape is Shape.CATEGORICAL]
        self._numeric = [i for i, axis in enumerate(self.axes) if axis.shape is not Shape.CATEGORICAL]
        self._numeric_columns = [self.column[i] for i in self._numeric]

    @property
    def dimension(self) -> int:
        """Number of parameters, p."""
        return len(self.axes)

    @cached_property
    def default(self) -> Array | None:
        """The configuration of the user's defaults (p); None if no parameter has one, or it is invalid.

        Parameters without a default take the middle of their range.
        """
        z = self.middle.copy()
        for i, axis in enumerate(self.axes):
            if axis.parameter.default is not None:
                z[i] = axis.coordinate(axis.parameter.default)
        given = any(parameter.default is not None for parameter in self.space.parameters)
        Z = self.snap(z[None, :])
        return Z[0] if given and self.satisfied(Z)[0] else None

    @property
    def conditional(self) -> bool:
        """Whether some parameters can be inactive."""
        return bool(self._conditions)

    @property
    def believed(self) -> bool:
        """Whether some parameter has a prior."""
        return any(parameter.prior is not None for parameter in self.space.parameters)

    def active(self, Z: Array) -> Mask:
        """Return which parameters are active (n x p). Parents are declared before children."""
        on = np.ones(Z.shape, dtype=np.bool_)
        for child, parent, allowed in self._conditions:
            on[:, child] = on[:, parent] & np.isin(Z[:, parent], allowed)
        return on

    def snap(self, Z: Array) -> Array:
        """Return the nearest valid coordinates (n x p); inactive ones become their constant."""
        out = np.empty_like(Z)
        for i, axis in enumerate(self.axes):
            out[:, i] = axis.snap(Z[:, i])
        return self._impute(out)

    def from_unit(self, U: Array) -> Array:
        """Return the coordinates of points of the sampling cube (n x p)."""
        Z = np.empty_like(U)
        for i, axis in enumerate(self.axes):
            Z[:, i] = axis.from_unit(U[:, i])
        return self._impute(Z)

    def _impute(self, Z: Array) -> Array:
        return np.where(self.active(Z), Z, self.middle) if self._conditions else Z

    def features(self, Z: Array) -> Array:
        """Return model features (n x D) of coordinates (n x p); relaxed coordinates pass unchanged."""
        X = np.zeros((Z.shape[0], self.groups.size))
        X[:, self._numeric_columns] = Z[:, self._numeric]
        for i in self._categorical:
            X[np.arange(Z.shape[0]), self.column[i] + Z[:, i].astype(np.intp)] = np.sqrt(0.5)
        if self._indicators:
            X[:, -len(self._indicators) :] = self.active(Z)[:, self._indicators]
        return X

    def encode(self, assignments: Mapping[str, Scalar]) -> Array:
        """Return the coordinates (p) of a valid configuration; absent parameters count as inactive."""
        z = self.middle.copy()
        for i, (name, axis) in enumerate(zip(self.names, self.axes, strict=True)):
            if name in assignments:
                z[i] = axis.coordinate(assignments[name])
        return z

    def encode_all(self, assignments: Sequence[Mapping[str, Scalar]]) -> Array:
        """Return coordinates (n x p) of several configurations."""
        return np.array([self.encode(one) for one in assignments]).reshape(-1, self.dimension)

    def decode(self, z: Array) -> Assignments:
        """Return the configuration at snapped coordinates (p): active parameters only."""
        on = self.active(z[None, :])[0]
        return {
            name: axis.value(float(z[i]))
            for i, (name, axis) in enumerate(zip(self.names, self.axes, strict=True))
            if on[i]
        }

    def satisfied(self, Z: Array) -> Mask:
        """Return which snapped points (n x p) keep every linear constraint, up to rounding errors."""
        if not self._bounds.size:
            return np.ones(Z.shape[0], dtype=np.bool_)
        ok = np.ones(Z.shape[0], dtype=np.bool_)
        used = self.constrained
        V = np.stack([self.axes[i].native(Z[:, i]) for i in used], axis=1)  # n x used
        for row, bound in zip(self._weights[:, used], self._bounds, strict=True):
            terms = V * row
            ok &= terms.sum(axis=1) <= bound + 5e-10 * np.maximum(1.0, np.abs(terms).max(axis=1))
        return ok

    def sample(self, U: Array, rng: np.random.Generator) -> Array:
        """Return valid points for points of the cube, repairing those outside the linear constraints.

        Args:
            U: points of the sampling cube (n x p).
            rng: source of randomness for repairs; not touched without constraints.

        Returns:
            Coordinates (n' x p), n' <= n. An invalid point is drawn towards a point inside until it is valid,
            then its constrained parameters are redrawn one at a time, and one against another (`exchanged`,
            for constraints that leave next to no room, as a sum of shares that must be one), keeping what is
            valid (Gibbs sampling by rejection), so that repaired points fill the inside. n' = 0 when no valid
            point is known.
        """
        Z = self.from_unit(U)
        bad = ~self.satisfied(Z)
        if not np.any(bad):
            return Z
        centre = self.centre()
        if centre is None:
            return Z[~bad]
        low, high = np.zeros((int(bad.sum()), 1)), np.ones((int(bad.sum()), 1))
        fixed = [i for i, axis in enumerate(self.axes) if axis.shape is Shape.CATEGORICAL]
        way = Z[bad] - centre
        way[:, fixed] = 0.0
        base = np.repeat(centre[None, :], way.shape[0], axis=0)
        base[:, fixed] = Z[bad][:, fixed]
        for _ in range(20):
            middle = 0.5 * (low + high)
            good = self.satisfied(self.snap(base + middle * way))[:, None]
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        inner = self.snap(base + rng.random(low.shape) * low * way)
        inner = np.where(self.satisfied(inner)[:, None], inner, self.snap(base + low * way))
        for i in np.tile(self.constrained, REDRAWS):
            moved = inner.copy()
            moved[:, i] = self.axes[i].from_unit(rng.random(inner.shape[0]))
            moved = self._impute(moved)
            inner = np.where(self.satisfied(moved)[:, None], moved, inner)
            inner = self.exchanged(inner, int(i), rng)
        Z[bad] = inner
        return Z[self.satisfied(Z)]

    def exchanged(self, Z: Array, i: int, rng: np.random.Generator, goal: Array | None = None) -> Array:
        """Move a parameter, and another one against it, so that a linear constraint stays as full as it is.

        Args:
            Z: valid coordinates (n x p).
            i: a parameter in some linear constraint.
            rng: which constraint and which other parameter, the same for all points.
            goal: coordinates of parameter i to go towards (n), as far as the other one can follow; None:
                uniform over where it can.

        Returns:
            Coordinates (n x p); points that would not be valid stay as they are.
        """
        weights = self._weights[rng.choice(np.flatnonzero(self._weights[:, i]))]
        partners = np.setdiff1d(np.flatnonzero(weights), [i])
        if not partners.size:
            return Z
        j = rng.choice(partners)
        axis, other, ratio = self.axes[i], self.axes[j], weights[i] / weights[j]
        own, others = axis.native(Z[:, i]), other.native(Z[:, j])
        # Where the other parameter is at the ends of its range.
        ends = own + (others - other.native(np.array([[0.0], [1.0]]))) / ratio
        low, high = axis.nearest(ends.min(axis=0)), axis.nearest(ends.max(axis=0))
        wish = low + rng.random(Z.shape[0]) * (high - low) if goal is None else np.clip(goal, low, high)
        moved = Z.copy()
        moved[:, i] = axis.snap(wish)
        moved[:, j] = other.nearest(others - ratio * (axis.native(moved[:, i]) - own))
        moved = self._impute(moved)
        return np.where(self.satisfied(moved)[:, None], moved, Z)

    @property
    def constrained(self) -> Ints:
        """Parameters in linear constraints."""
        return np.flatnonzero(np.any(self._weights != 0.0, axis=0))

    def centre(self) -> Array | None:
        """Return a point (p) inside the linear constraints, or None if none is found.

        The centre of a large ball in the polytope of the user's units (Boyd and Vandenberghe 2004, section
        8.5.1), with ranges scaled to one, then snapped; ints that do not survive the snapping are walked to
        the other neighbour one at a time.
        """
        if self._centre is None:
            self._centre = self._find_centre()
        return self._centre

    def _find_centre(self) -> Array | None:
        used = self.constrained
        low = np.array([self.axes[i].native(np.zeros(1))[0] for i in used])
        high = np.array([self.axes[i].native(np.ones(1))[0] for i in used])
        A = self._weights[:, used] * (high - low)
        b = self._bounds - self._weights[:, used] @ low
        norm = np.linalg.norm(A, axis=1, keepdims=True)
        k = used.size
        box = np.vstack([np.hstack([np.eye(k), np.ones((k, 1))]), np.hstack([-np.eye(k), np.ones((k, 1))])])
        from scipy.optimize import linprog  # an eighth of a second, for constraints only

        found = linprog(
            np.append(np.zeros(k), -1.0),
            A_ub=np.vstack([np.hstack([A, norm]), box]),
            b_ub=np.concatenate([b, np.ones(k), np.zeros(k)]),
            bounds=[(0.0, 1.0)] * (k + 1),
        )
        if found.x is None:
            return None
        z = self.middle.copy()
        for i, t, a, c in zip(used, found.x[:k], low, high, strict=True):
            z[i] = self.axes[i].nearest(np.array([a + t * (c - a)]))[0]
        best = self.snap(z[None, :])
        if self.satisfied(best)[0]:
            return best[0]
        trials = [best[0]]
        for i in used:
            axis = self.axes[i]
            if axis.shape is Shape.ORDERED:
                level = axis.level(best[:, i])
                for row in list(trials):
                    for step in (-1.0, 1.0):
                        moved = row.copy()
                        moved[i] = axis.at_level(level + step)[0]
                        trials.append(moved)
                trials = trials[:2048]
        Z = self.snap(np.array(trials))
        good = self.satisfied(Z)
        return Z[int(np.argmax(good))] if np.any(good) else None

    def enumerate(self, limit: int = ENUMERATION_LIMIT) -> Array | None:
        """Return every valid configuration (n x p) of a small finite space, or None if it is not one.

        Args:
            limit: most configurations to list; constraints are applied after counting.
        """
        if any(axis.shape is Shape.CONTINUOUS for axis in self.axes):
            return None
        Z = np.repeat(self.middle[None, :], 1, axis=0)
        for i, axis in enumerate(self.axes):
            on = self.active(Z)[:, i]
            if int(on.sum()) * axis.levels + int((~on).sum()) > limit:
                return None
            levels = axis.at_level(np.arange(axis.levels, dtype=np.float64))
            repeat = np.where(on, axis.levels, 1)
            out = np.repeat(Z, repeat, axis=0)
            out[np.repeat(on, repeat), i] = np.tile(levels, int(on.sum()))
            Z = out
        return Z[self.satisfied(Z)]
