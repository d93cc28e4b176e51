"""Round trips, validity, conditions, constraints, enumeration, equal cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.parameters import Categorical, Double, Int
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.space.encoding import Encoding

TREE = SearchSpace(
    (
        Categorical("booster", ["tree", "dart", "linear"]),
        Int("depth", 1, 12, when={"booster": ["tree", "dart"]}),
        Double("rate_drop", 0.0, 1.0, when={"booster": ["dart"]}),
        Double("lambda", 1e-6, 10.0, log=True, when={"depth": [10, 11, 12]}),
        Double("eta", 1e-3, 1.0, log=True),
    )
)


@st.composite
def parameters(draw, name):
    kind = draw(st.sampled_from(["double", "int", "categorical", "grid", "intgrid"]))
    if kind == "categorical":
        return Categorical(name, [f"c{i}" for i in range(draw(st.integers(2, 12)))])
    if kind == "grid":
        values = draw(
            st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=9, unique=True)
        )
        return Double(name, grid=sorted(values))
    if kind == "intgrid":
        return Int(name, grid=sorted(draw(st.sets(st.integers(-(2**40), 2**40), min_size=2, max_size=9))))
    log = draw(st.booleans())
    if kind == "int":
        low = draw(st.integers(1 if log else -(2**40), 2**30))
        return Int(name, low, low + draw(st.integers(1, 2**40)), log=log)
    low = draw(st.floats(1e-9 if log else -1e9, 1e6))
    return Double(name, low, low + draw(st.floats(1e-3, 1e9)) + abs(low) * 1e-6, log=log)


spaces = st.integers(1, 6).flatmap(lambda p: st.tuples(*(parameters(f"p{i}") for i in range(p))))


@settings(deadline=None, max_examples=80)
@given(spaces, st.integers(0, 2**32 - 1))
def test_any_point_of_the_cube_decodes_to_a_valid_configuration_and_back(parameters, seed):
    encoding = Encoding(SearchSpace(parameters))
    Z = encoding.from_unit(np.random.default_rng(seed).random((5, len(parameters))))
    assert np.array_equal(encoding.snap(Z), Z)
    for z in Z:
        assignments = encoding.space.validate(encoding.decode(z))
        again = encoding.encode(assignments)
        assert tuple(encoding.decode(again)) == tuple(assignments)
        discrete = [i for i, axis in enumerate(encoding.axes) if axis.levels]
        assert np.array_equal(again[discrete], z[discrete])
        assert np.allclose(again, z, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(spaces, st.integers(0, 2**32 - 1))
def test_snapping_anything_is_valid(parameters, seed):
    encoding = Encoding(SearchSpace(parameters))
    Z = encoding.snap(np.random.default_rng(seed).normal(0.5, 2.0, (5, len(parameters))))
    for z in Z:
        encoding.space.validate(encoding.decode(z))


def test_end_levels_of_ints_are_as_likely_as_others():
    encoding = Encoding(SearchSpace((Int("k", 2, 10),)))
    U = (np.arange(9000) + 0.5)[:, None] / 9000
    values = [encoding.decode(z)["k"] for z in encoding.from_unit(U)]
    assert set(np.bincount(values)[2:]) == {1000}


def test_conditions_decide_what_is_active_and_hide_the_rest():
    encoding = Encoding(TREE)
    rng = np.random.default_rng(0)
    Z = encoding.from_unit(rng.random((200, 5)))
    seen = set()
    for z in Z:
        assignments = TREE.validate(encoding.decode(z))
        seen.add(tuple(assignments))
        assert np.allclose(encoding.encode(assignments), z, atol=1e-12)
    assert len(seen) == 5  # linear; tree and dart, each with and without lambda
    linear = Z[Z[:, 0] == 2.0]
    # All linear boosters look alike but for eta.
    assert len(np.unique(encoding.features(linear)[:, :-3], axis=0)) == len(linear)
    assert np.ptp(np.delete(encoding.features(linear), encoding.column[4], axis=1), axis=0).max() == 0.0


def test_any_two_categories_are_one_apart():
    encoding = Encoding(SearchSpace((Categorical("c", ["a", "b", "c"]),)))
    X = encoding.features(np.arange(3.0)[:, None])
    distance = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    assert np.allclose(distance, 1.0 - np.eye(3))
    assert set(encoding.groups) == {0}


CONSTRAINED = SearchSpace(
    (Double("a", 0, 1), Double("b", 0, 1), Int("k", 1, 20), Categorical("c", ["x", "y"])),
    (
        LinearConstraint({"a": 1.0, "b": 1.0}, 0.05),
        LinearConstraint({"k": -1.0, "a": 10.0}, -15.0),
    ),
)


def test_sampling_meets_tight_linear_constraints():
    encoding = Encoding(CONSTRAINED)
    Z = encoding.sample(np.random.default_rng(0).random((200, 4)), np.random.default_rng(1))
    assert len(Z) == 200
    for z in Z:
        CONSTRAINED.validate(encoding.decode(z))
    inside = Z[:, 0] + Z[:, 1]
    assert inside.std() > 0.005  # not all on the boundary
    assert len(set(Z[:, 2])) > 3
    assert len(set(Z[:, 3])) == 2


def test_satisfied_agrees_with_the_space():
    encoding = Encoding(CONSTRAINED)
    Z = encoding.from_unit(np.random.default_rng(1).random((500, 4)) * [0.1, 0.1, 1, 1])
    expected = [all(c.satisfied_by(encoding.decode(z)) for c in CONSTRAINED.linear_constraints) for z in Z]
    assert 0 < sum(expected) < 500
    assert encoding.satisfied(Z).tolist() == expected


def test_impossible_constraints_leave_nothing():
    space = SearchSpace((Double("a", 0, 1), Double("b", 0, 1)), (LinearConstraint({"a": 1, "b": 1}, -1.0),))
    assert Encoding(space).centre() is None
    assert (
        len(Encoding(space).sample(np.random.default_rng(0).random((20, 2)), np.random.default_rng(1))) == 0
    )


def test_enumeration_lists_a_tree_once():
    space = SearchSpace(
        (
            Categorical("a", ["x", "y"]),
            Int("k", 1, 3, when={"a": ["x"]}),
            Categorical("b", ["p", "q"], when={"k": [2]}),
        )
    )
    encoding = Encoding(space)
    listed = [tuple(encoding.decode(z).items()) for z in encoding.enumerate()]
    assert len(listed) == len(set(listed)) == 1 + 2 + 2
    assert encoding.enumerate(limit=4) is None
    assert Encoding(SearchSpace((Double("a", 0, 1),))).enumerate() is None


def test_enumeration_obeys_constraints():
    space = SearchSpace((Int("a", 0, 3), Int("b", 0, 3)), (LinearConstraint({"a": 1, "b": 1}, 2.0),))
    assert len(Encoding(space).enumerate()) == 6


def test_a_wide_parent_stays_at_its_level_in_a_climb():
    space = SearchSpace((Int("layers", 1, 16), Int("width", 1, 99, when={"layers": list(range(2, 17))})))
    assert Encoding(space).relaxed == [1]


def test_the_widest_logarithmic_range():
    axis = Encoding(SearchSpace((Double("x", 1e-200, 1e200, log=True),))).axes[0]
    assert np.allclose([axis.coordinate(v) for v in (1e-200, 1.0, 1e100, 1e200)], [0.0, 0.5, 0.75, 1.0])


def shares(count, slack=0.0, parameter=Double, total=1):
    names = [f"w{i}" for i in range(count)]
    limits = ((1.0, total + slack), (-1.0, slack - total))
    return SearchSpace(
        tuple(parameter(name, 0, total) for name in names),
        tuple(LinearConstraint(dict.fromkeys(names, sign), bound) for sign, bound in limits),
    )


@pytest.mark.parametrize("slack", [0.02, 0.0])
def test_shares_of_a_whole_are_spread_over_the_simplex(slack):
    encoding = Encoding(shares(4, slack))
    Z = encoding.sample(np.random.default_rng(0).random((256, 4)), np.random.default_rng(1))
    assert Z.shape[0] == 256
    assert np.all(np.abs(Z.sum(axis=1) - 1.0) <= slack + 1e-9)
    uniform = np.random.default_rng(2).dirichlet(np.ones(4), 256)
    assert np.all(Z.std(axis=0) > 0.7 * uniform.std())
    assert np.all(np.abs(Z.mean(axis=0) - 0.25) < 0.08)


def test_whole_numbers_that_must_add_up():
    encoding = Encoding(shares(3, parameter=Int, total=60))
    Z = encoding.sample(np.random.default_rng(0).random((64, 3)), np.random.default_rng(1))
    levels = np.array([list(encoding.decode(z).values()) for z in Z])
    assert np.all(levels.sum(axis=1) == 60)
    assert len(np.unique(levels, axis=0)) > 50


def test_ranges_of_several_kinds_that_must_add_up():
    parameters = (
        Double("a", 1e-3, 1.0, log=True),
        Double("b", 0, 1),
        Int("k", 0, 4),
        Double("g", grid=[0, 0.5, 1.5]),
    )
    whole = {"a": 1.0, "b": 1.0, "k": 0.25, "g": 1.0}
    less = {name: -weight for name, weight in whole.items()}
    space = SearchSpace(parameters, (LinearConstraint(whole, 2.0), LinearConstraint(less, -2.0)))
    encoding = Encoding(space)
    Z = encoding.sample(np.random.default_rng(0).random((64, 4)), np.random.default_rng(1))
    for z in Z:
        space.validate(encoding.decode(z))
    assert all(len(np.unique(column)) > 2 for column in Z.T)
