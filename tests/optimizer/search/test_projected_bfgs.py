"""Ascents: reach known maxima, respect bounds and constraints, never lose ground."""

import math

import numpy as np

from paretune.parameters import Double
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.search.maximize import Deadline
from paretune_optimizer.search.projected_bfgs import ascend
from paretune_optimizer.space.encoding import Encoding

FOREVER = Deadline(lambda: 0.0, math.inf)
CUBE = SearchSpace(tuple(Double(f"x{i}", 0.0, 1.0) for i in range(4)))


class Quadratic:
    def __init__(self, centre, space=CUBE):
        self.encoding = Encoding(space)
        self.centre = np.array(centre)
        root = np.random.default_rng(0).standard_normal((4, 4))
        self.A = root @ root.T + np.eye(4)
        self.calls = 0

    def value_and_gradient(self, Z):
        self.calls += 1
        d = Z - self.centre
        return -0.5 * np.einsum("bi,ij,bj->b", d, self.A, d), -d @ self.A


def starts(count=6):
    return np.random.default_rng(1).random((count, 4))


def test_inner_maximum_of_a_badly_scaled_quadratic():
    objective = Quadratic([0.3, 0.6, 0.5, 0.4])
    Z = ascend(objective, starts(), range(4), 40, FOREVER)
    assert np.max(np.abs(Z - objective.centre)) < 1e-3


def test_maximum_on_the_boundary():
    objective = Quadratic([-0.5, 0.5, 0.5, 0.5])
    Z = ascend(objective, starts(), range(4), 60, FOREVER)
    assert np.all(Z[:, 0] == 0.0)
    _, gradient = objective.value_and_gradient(Z)
    assert np.max(np.abs(gradient[:, 1:])) < 1e-2
    assert np.all((Z >= 0.0) & (Z <= 1.0))


def test_only_free_parameters_move():
    Z = starts()
    moved = ascend(Quadratic([0.3, 0.6, 0.5, 0.4]), Z, [1, 3], 30, FOREVER)
    assert np.array_equal(moved[:, [0, 2]], Z[:, [0, 2]])
    assert not np.allclose(moved[:, [1, 3]], Z[:, [1, 3]])


def test_linear_constraints_hold_and_nothing_is_lost():
    space = SearchSpace(CUBE.parameters, (LinearConstraint({"x0": 1.0, "x1": 1.0}, 0.5),))
    objective = Quadratic([0.9, 0.9, 0.5, 0.5], space)
    Z = starts() * 0.25
    before = objective.value_and_gradient(Z)[0]
    moved = ascend(objective, Z, range(4), 40, FOREVER)
    assert np.all(moved[:, 0] + moved[:, 1] <= 0.5 + 1e-8)
    assert np.all(objective.value_and_gradient(moved)[0] >= before)


def test_stops_when_told():
    objective = Quadratic([0.3] * 4)
    ascend(objective, starts(), range(4), 40, Deadline(lambda: 1.0, 0.0))
    assert objective.calls == 1
