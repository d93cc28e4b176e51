"""Importance against functions whose indices are known."""

import math
import tracemalloc

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Experiment, Minimize
from paretune.parameters import Categorical, Double
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.insight.importance import changed_pairs, distance_to_front, importance, total_effects
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.space.encoding import Encoding

UNIT = tuple(Double(f"x{i}", 0.0, 1.0) for i in range(3))


def effects_of(space, function):
    encoding = Encoding(space)
    blocks = changed_pairs(encoding, generator(0, 0, Stream.REPORT))
    return total_effects(np.concatenate([function(Z) for Z in blocks]), encoding.dimension)


def test_total_effects_of_ishigami():
    """Closed form: Saltelli et al. 2000, with a = 7 and b = 0.1 on [-pi, pi]."""

    def ishigami(Z):
        x = np.pi * (2.0 * Z - 1.0)
        return np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])

    told = effects_of(SearchSpace(UNIT), ishigami)
    assert told == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)


def test_total_effects_under_a_linear_constraint():
    """Uniform on the triangle x0 + x1 <= 1, f = x0: E Var(x0 | x1) / Var(x0) = (1/24) / (1/18) = 3/4."""
    space = SearchSpace(UNIT[:2], (LinearConstraint({"x0": 1.0, "x1": 1.0}, 1.0),))
    blocks = changed_pairs(Encoding(space), generator(0, 0, Stream.REPORT))
    assert all(np.all(Z.sum(axis=1) <= 1.0 + 1e-9) for Z in blocks)
    told = effects_of(space, lambda Z: Z[:, 0])
    assert told[1] == 0.0
    assert told[0] == pytest.approx(0.75, abs=0.12)


def test_a_constant_has_no_causes():
    assert total_effects(np.full(4 * 8, 3.7), 3).tolist() == [0.0, 0.0, 0.0]


def test_inactive_parameters_count_as_often_as_they_are_active():
    space = SearchSpace(
        (Categorical("kind", ["a", "b", "c", "d"]), Double("x", 0.0, 1.0, when={"kind": ["a"]}),
         Double("y", 0.0, 1.0))
    )  # fmt: skip
    told = effects_of(space, lambda Z: np.where(Z[:, 0] == 0, Z[:, 1], 0.5) + Z[:, 2])
    # By hand: x acts in a quarter of the space, y everywhere; the kind through x alone.
    assert told[1] / told[2] == pytest.approx(0.25, abs=0.06)
    assert 0.0 < told[0] < told[2]


def test_the_parameter_that_matters_comes_first():
    def evaluate(a):
        return math.log(a["lr"]) ** 2, a["width"] / 512 + 0.2 * "abc".index(a["kind"])

    history = cases.scattered(cases.experiment(cases.MIXED), evaluate, 40)
    told = importance(history)
    assert told == importance(history)
    assert [target.metric for target in told.targets] == ["f", "g", ""]
    assert told.of("f").parameters[0].parameter == "lr"
    assert told.of("f").shares["lr"] > 0.9
    assert {one.parameter for one in told.of("g").parameters[:2]} == {"width", "kind"}
    assert told.front.shares["depth"] < 0.1
    assert min(told.front.shares[name] for name in ("lr", "width", "kind")) > 0.1
    assert sum(told.front.shares.values()) == pytest.approx(1.0)
    assert all(0.5 < target.explained <= 1.0 for target in told.targets)


def test_a_model_of_noise_says_that_it_explains_nothing():
    def noise(a):
        rng = np.random.default_rng(int(1e9 * a["x0"]))
        return tuple(rng.standard_normal(2))

    told = importance(cases.scattered(cases.experiment(), noise, 40))
    assert all(target.explained < 0.3 for target in told.targets)


def test_what_decides_failure_matters_for_the_front():
    history = cases.scattered(
        cases.experiment(metrics=(Minimize("f"),)),
        lambda a: None if a["x2"] > 0.6 else (a["x0"],),
        60,
    )
    told = importance(history)
    assert told.of("f").shares["x2"] < 0.1
    assert told.front.shares["x2"] > 0.2
    assert told.front.shares["x1"] < 0.2


def test_distance_to_a_front_by_hand():
    front = np.array([[0.0, 2.0], [1.0, 0.0]])
    points = np.array([[0.0, 2.0], [0.5, 2.0], [1.0, 1.0], [-0.5, 2.0]])
    free = np.full(2, np.nan)
    assert distance_to_front(points, front, free) == pytest.approx([0.0, 0.5, 0.5, -0.0])
    short = distance_to_front(points, np.array([[0.0, 0.0]]), free)
    assert short == pytest.approx(points[:, 1] / points.std(axis=0)[1])
    bounded = distance_to_front(points, front, np.array([np.nan, 1.0]))
    assert bounded == pytest.approx([0.5, 0.5, 0.5, 0.5])


def test_too_few_observations():
    with pytest.raises(FailedPrecondition) as caught:
        importance(History(Experiment("e", SearchSpace(UNIT), (Minimize("f"),))))
    assert caught.value.reason == "TOO_FEW_OBSERVATIONS"


def test_memory_does_not_grow_with_the_square_of_the_parameters():
    encoding = Encoding(SearchSpace(tuple(Double(f"x{i}", 0, 1) for i in range(60))))
    tracemalloc.start()
    size = sum(Z.nbytes for Z in changed_pairs(encoding, generator(0, 0, Stream.REPORT)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 4
