"""Robustness: a needle and a plateau, and changes that stay where they may."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Minimize
from paretune.parameters import Double
from paretune_optimizer.history import History
from paretune_optimizer.insight.robustness import changed, robustness
from paretune_optimizer.space.encoding import Encoding


def unit_points(dimension: int, count: int = 200):
    return np.random.default_rng(0).random((count, 2 * dimension))


def test_changes_stay_within_the_radius_and_steps_take_at_least_one():
    encoding = Encoding(cases.experiment(cases.MIXED).space)
    z = encoding.encode({"lr": 1e-3, "width": 100, "depth": 3, "kind": "b"})
    Z = changed(encoding, z, unit_points(4), 0.05, categories=False)
    told = [encoding.decode(row) for row in Z]
    assert {a["depth"] for a in told} == {2, 3, 4}
    assert {a["kind"] for a in told} == {"b"}
    # Five percent of five decades, and of 504.
    assert all(1e-3 / 1.79 < a["lr"] < 1e-3 * 1.79 for a in told)
    assert all(74 <= a["width"] <= 126 for a in told)
    assert len({a["width"] for a in told}) > 20


def test_categories_change_as_often_as_the_radius_says():
    encoding = Encoding(cases.experiment(cases.MIXED).space)
    z = encoding.encode({"lr": 1e-3, "width": 100, "depth": 3, "kind": "b"})
    Z = changed(encoding, z, unit_points(4, 4000), 0.2, categories=True)
    kinds = np.bincount(Z[:, 3].astype(int), minlength=3) / 4000
    assert kinds == pytest.approx([0.1, 0.8, 0.1], abs=0.02)


def test_changes_keep_linear_constraints_and_the_edges():
    encoding = Encoding(cases.POLYTOPE)
    z = encoding.encode({"x0": 0.3, "x1": 0.0, "x2": 1.0})
    Z = changed(encoding, z, unit_points(3), 0.1, categories=False)
    assert 0 < Z.shape[0] < 200
    assert np.all(encoding.satisfied(Z))
    assert Z.min() >= 0.0
    assert Z.max() <= 1.0


def test_a_parameter_that_a_change_wakes_gets_values():
    encoding = Encoding(cases.experiment(cases.TREE).space)
    z = encoding.encode({"kind": "tree", "depth": 5, "x": 0.5})
    Z = changed(encoding, z, unit_points(5), 0.5, categories=True)
    rates = {a["lr"] for a in map(encoding.decode, Z) if "lr" in a}
    assert len(rates) > 20


def needle_and_plateau(a):
    """Two optima that trade off: a narrow one at 0.2 and a wide one at 0.7."""
    x = a["x"]
    narrow = 1.0 - np.exp(-(((x - 0.2) / 0.05) ** 2))
    wide = 1.0 - np.exp(-(((x - 0.7) / 0.4) ** 2))
    return narrow, wide


@pytest.fixture(scope="module")
def told():
    history = cases.scattered(cases.experiment([Double("x", 0.0, 1.0)]), needle_and_plateau, 60)
    return history, robustness(history, 0.05)


def test_the_needle_suffers_and_the_plateau_does_not(told):
    history, robust = told
    assert robust == robustness(history, 0.05)
    needle = min(robust.points, key=lambda p: abs(p.assignments["x"] - 0.2))
    plateau = min(robust.points, key=lambda p: abs(p.assignments["x"] - 0.7))
    lost = {}
    for name, point, metric in (("needle", needle, "f"), ("plateau", plateau, "g")):
        one = next(m for m in point.metrics if m.metric == metric)
        assert one.nominal <= one.mean <= one.worst
        lost[name] = one.mean - one.nominal
    assert lost["needle"] > 5 * lost["plateau"]
    # The truth: the mean of the narrow bump over its box.
    x = needle.assignments["x"] + np.linspace(-0.05, 0.05, 101)
    truth = np.mean([needle_and_plateau({"x": float(v)})[0] for v in x])
    assert next(m for m in needle.metrics if m.metric == "f").mean == pytest.approx(truth, abs=0.1)
    assert plateau.probability_within_slack > needle.probability_within_slack


def test_slack_forgives(told):
    history, robust = told
    for point, wide in zip(robust.points, robustness(history, 0.05, slack=1.0).points, strict=True):
        assert 0.0 <= point.probability_efficient <= point.probability_within_slack <= 1.0
        assert wide.probability_within_slack >= point.probability_within_slack


def test_the_edge_of_what_is_feasible_is_not_robust():
    history = cases.scattered(
        cases.experiment([Double("x", 0.0, 1.0)], (Minimize("f"),)),
        lambda a: None if a["x"] > 0.5 else (-a["x"],),
        60,
    )
    (point,) = robustness(history, 0.2).points
    assert point.feasibility < 0.8
    assert point.probability_within_slack <= point.feasibility + 1e-9


def test_nothing_observed():
    with pytest.raises(FailedPrecondition, match="at least 2"):
        robustness(History(cases.experiment()))
