"""What a measurement may be: part of a vector, uncertain by its own measure, one of few that a space has."""

import itertools

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Minimize
from paretune.observation import MetricValue, Observation
from paretune.parameters import Double, Int
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.insight.predict import predict_assignments
from paretune_optimizer.policy import suggest

LINE = (Double("x", 0.0, 1.0),)


def told(rows, metrics=cases.TWO):
    """A history of rows (x, {metric: value or (value, stddev)})."""
    history = History(cases.experiment(LINE, metrics))
    for n, (x, values) in enumerate(rows, 1):
        measured = tuple(
            MetricValue(name, *(value if isinstance(value, tuple) else (value,)))
            for name, value in values.items()
        )
        history.add_observation(Observation({"x": x}, measured, id=str(n), ordinal=n))
    return history


def predicted(history, x):
    (one,) = predict_assignments(history, [{"x": x}])
    return {metric.metric: metric for metric in one.metrics}


def test_part_of_a_vector_teaches_the_metrics_that_it_has():
    both = [(x, {"f": x, "g": 1.0 - x}) for x in np.linspace(0.0, 0.4, 5)]
    only_f = [(x, {"f": x}) for x in np.linspace(0.5, 1.0, 5)]
    whole, part = told(both), told(both + only_f)
    before, after = predicted(whole, 0.9), predicted(part, 0.9)
    assert after["f"].mean == pytest.approx(0.9, abs=0.03)
    assert after["f"].stddev < 0.5 * before["f"].stddev
    assert after["g"].mean == pytest.approx(before["g"].mean)
    assert after["g"].stddev == pytest.approx(before["g"].stddev)
    (proposal,) = suggest(part, ordinal=30)
    assert not proposal.provenance.fallback_reason


def test_a_value_with_a_small_error_counts_more_than_one_with_a_large_one():
    rows = [(x, {"f": 0.5, "g": 0.5}) for x in (0.0, 0.1, 0.9, 1.0)]
    rows += [(0.5, {"f": (1.0, 0.001), "g": (1.0, 0.5)}), (0.5, {"f": (0.0, 0.5), "g": (0.0, 0.001)})]
    there = predicted(told(rows), 0.5)
    assert there["f"].mean > 0.75
    assert there["g"].mean < 0.25


def test_errors_that_differ_from_place_to_place_are_believed_where_they_are():
    rng = np.random.default_rng(0)
    rows = []
    for x in np.linspace(0.0, 1.0, 30):
        sd = 0.01 if x < 0.5 else 0.4
        rows.append((x, {"f": (np.sin(6.0 * x) + sd * rng.standard_normal(), sd)}))
    history = told(rows, (Minimize("f"),))
    assert predicted(history, 0.25)["f"].stddev < 0.5 * predicted(history, 0.75)["f"].stddev
    assert predicted(history, 0.25)["f"].mean == pytest.approx(np.sin(1.5), abs=0.05)


def test_integers_are_never_wasted_on_plateaus():
    """Values between two levels are the same configuration: all 48 are tried once, then the space is done."""
    experiment = cases.experiment((Int("a", 1, 6), Int("b", 10, 17)), seed=4, observation_budget=60)
    history, proposals = cases.search(experiment, lambda a: (a["a"] // 3, (a["b"] - 13) ** 2), 48)
    seen = {(p.assignments["a"], p.assignments["b"]) for p in proposals}
    assert seen == set(itertools.product(range(1, 7), range(10, 18)))
    with pytest.raises(FailedPrecondition, match="has been tried"):
        suggest(history, ordinal=49)


def test_wide_integers_on_a_plateau_are_new_configurations_each_time():
    experiment = cases.experiment((Int("a", 0, 5000), Int("b", 0, 5000)), seed=4, observation_budget=40)
    _, proposals = cases.search(experiment, lambda a: (a["a"] // 1000, -(a["b"] // 1000)), 40)
    assert len({(p.assignments["a"], p.assignments["b"]) for p in proposals}) == 40


def test_linear_constraints_hold_for_every_suggestion_of_the_model():
    limits = (LinearConstraint({"x": 1.0, "n": 0.5}, 1.6), LinearConstraint({"x": -1.0, "n": -1.0}, -1.0))
    space = SearchSpace((Double("x", 0.0, 2.0), Int("n", 0, 3), Double("y", 0.0, 1.0)), limits)
    experiment = cases.experiment(space, observation_budget=30, seed=2)
    # The unconstrained optimum lies far outside.
    _, proposals = cases.search(experiment, lambda a: (3.0 - a["x"] + a["y"], 4.0 - a["n"] + a["y"]), 30)
    for proposal in proposals:
        a = proposal.assignments
        assert a["x"] + 0.5 * a["n"] <= 1.6 + 1e-9
        assert a["x"] + a["n"] >= 1.0 - 1e-9
    assert max(p.assignments["x"] + 0.5 * p.assignments["n"] for p in proposals) > 1.55
