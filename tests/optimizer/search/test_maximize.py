"""The search: valid pools, mutations that move, sweeps that find discrete optima, no duplicates."""

import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.parameters import Double, Int
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.search.maximize import NEAR, Deadline, fresh, maximize, mutate, neighbours, pool
from paretune_optimizer.space.axes import Shape
from paretune_optimizer.space.encoding import Encoding

FOREVER = Deadline(lambda: 0.0, math.inf)


class Peak:
    """An acquisition with one peak at given coordinates, a quarter lower per unit of distance."""

    def __init__(self, encoding, peak):
        self.encoding, self.peak = encoding, peak

    def value(self, Z):
        return -np.sum(np.minimum(np.abs(Z - self.peak), 1.0) ** 2, axis=1)

    def value_and_gradient(self, Z):
        inside = np.abs(Z - self.peak) < 1.0
        return self.value(Z), (-2 * (Z - self.peak) * inside)[:, self.encoding.relaxed]


@pytest.mark.parametrize("parameters", [cases.CUBE, cases.MIXED, cases.TREE, cases.POLYTOPE, cases.GRIDS])
def test_pool_and_mutations_are_valid(parameters):
    encoding = Encoding(cases.experiment(parameters).space)
    rng = np.random.default_rng(0)
    parents = pool(encoding, np.empty((0, encoding.dimension)), rng, 16)
    for Z in (pool(encoding, parents, rng, 128), mutate(encoding, parents, rng, 64)):
        assert Z.shape[0] > 30
        assert np.array_equal(encoding.snap(Z), Z)
        for z in Z:
            encoding.space.validate(encoding.decode(z))


def test_mutations_of_wide_ints_always_move_a_level():
    encoding = Encoding(cases.experiment([cases.Int("k", 0, 1000)]).space)
    parent = np.array([[0.5]])
    children = mutate(encoding, parent, np.random.default_rng(0), 200)
    assert np.mean(children[:, 0] != 0.5) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_finds_the_peak_of_a_mixed_space(seed):
    encoding = Encoding(cases.experiment(cases.MIXED).space)
    rng = np.random.default_rng(seed)
    peak = encoding.from_unit(rng.random((1, 4)))[0]
    objective = Peak(encoding, peak)
    found, value = maximize(
        objective, objective, pool(encoding, np.empty((0, 4)), rng, 64), np.empty((0, 4)), rng, FOREVER
    )
    assert np.array_equal(found[1:], peak[1:])
    assert abs(found[0] - peak[0]) < 1e-3
    assert value > -1e-5


def test_never_proposes_what_is_taken():
    encoding = Encoding(cases.experiment(cases.GRIDS[:2]).space)
    everything = encoding.enumerate()
    taken = everything[:-1]
    objective = Peak(encoding, taken[3])
    rng = np.random.default_rng(0)
    found, _ = maximize(objective, objective, everything, taken, rng, FOREVER)
    assert np.array_equal(found, everything[-1])
    assert maximize(objective, objective, everything, everything, rng, FOREVER)[0] is None


def test_fresh_compares_doubles_with_a_tolerance_and_levels_exactly():
    encoding = Encoding(cases.experiment(cases.MIXED).space)
    z = encoding.from_unit(np.full((1, 4), 0.4))
    near, far, other = z.copy(), z.copy(), z.copy()
    near[0, 0] += 1e-8
    far[0, 0] += 1e-3
    other[0, 2] = encoding.axes[2].at_level(encoding.axes[2].level(z[:, 2]) + 1)[0]
    assert fresh(encoding, np.vstack([z, near, far, other]), z).tolist() == [False, False, True, True]


def test_neighbours_differ_in_one_active_parameter():
    encoding = Encoding(cases.experiment(cases.TREE).space)
    z = encoding.encode({"kind": "tree", "depth": 10, "x": 0.5})
    moves = neighbours(encoding, z)
    listed = [encoding.decode(move) for move in moves]
    depths = {a["depth"] for a in listed if a["kind"] == "tree"}
    assert {9, 11} <= depths
    assert any(a["kind"] == "net" for a in listed)
    assert not any(np.array_equal(move, z) for move in moves)


@pytest.mark.parametrize("space", [cases.CUBE, cases.CUBE[:1], cases.MIXED, cases.TREE, cases.GRIDS])
def test_fresh_is_what_looking_at_every_pair_says(space):
    rng = np.random.default_rng(0)
    encoding = Encoding(SearchSpace(tuple(space)))
    doubles = np.array([axis.shape is Shape.CONTINUOUS for axis in encoding.axes])
    taken = encoding.from_unit(rng.random((100, encoding.dimension)))
    Z = np.vstack([encoding.from_unit(rng.random((100, encoding.dimension))), taken[:60]])
    Z[110:] += doubles * rng.choice([-9e-7, 9e-7, 1.1e-6], (50, 1))
    gap = np.abs(Z[:, None] - taken[None])
    same = np.all(gap[..., doubles] < NEAR, axis=2) & np.all(gap[..., ~doubles] == 0.0, axis=2)
    assert np.array_equal(fresh(encoding, Z, taken), ~np.any(same, axis=1))


def test_neighbours_of_a_wide_parent_are_near_and_all_over():
    space = SearchSpace((Int("n", 0, 999), Double("x", 0, 1, when={"n": [7]}), Int("free", 0, 999)))
    encoding = Encoding(space)
    z = encoding.encode({"n": 500, "free": 500})
    listed = [encoding.decode(move) for move in neighbours(encoding, z)]
    parents = [a["n"] for a in listed if a["free"] == 500]
    assert {499, 501} <= set(parents)
    assert len(parents) > 60
    assert sum(a["n"] == 500 for a in listed) <= 4


def test_mutations_keep_what_must_add_up():
    names = ["a", "b", "c"]
    limits = ((1.0, 1.0), (-1.0, -1.0))
    space = SearchSpace(
        tuple(Double(name, 0, 1) for name in names),
        tuple(LinearConstraint(dict.fromkeys(names, sign), bound) for sign, bound in limits),
    )
    parent = np.array([[0.2, 0.3, 0.5]])
    Z = mutate(Encoding(space), parent, np.random.default_rng(0), 64)
    assert np.allclose(Z.sum(axis=1), 1.0)
    assert len(np.unique(Z, axis=0)) > 40
