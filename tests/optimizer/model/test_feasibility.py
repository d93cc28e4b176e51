"""Chances: gradients, tempering, constraint thresholds, labels."""

import numpy as np
import optimizer_cases as cases

from paretune.experiment import Maximize, Minimize, Strategy
from paretune_optimizer.model.feasibility import chances, probability
from paretune_optimizer.model.surrogate import surrogate_of


def half_fails(a):
    return None if a["x0"] > 0.5 else (a["x0"], a["x1"])


def test_failures_lower_the_probability_where_they_are():
    history = cases.scattered(cases.experiment(), half_fails, 30)
    conditions = chances(history, surrogate_of(history))
    p = probability(conditions, np.array([[0.1, 0.5, 0.5], [0.9, 0.5, 0.5]]))
    assert p[0] > 0.8
    assert p[1] < 0.2


def test_no_failure_no_condition():
    history = cases.scattered(cases.experiment(), lambda a: (a["x0"], a["x1"]), 8)
    assert chances(history, surrogate_of(history)) == []


def test_one_failure_is_tempered():
    seen = []

    def once(a):
        seen.append(a)
        return None if len(seen) == 3 else (a["x0"], a["x1"])

    history = cases.scattered(cases.experiment(), once, 12)
    (chance,) = chances(history, surrogate_of(history))
    assert chance.power == 0.2


def test_constraints_on_metrics_in_the_users_direction():
    metrics = (*cases.TWO, Maximize("accuracy", strategy=Strategy.CONSTRAIN, threshold=0.7))
    history = cases.scattered(
        cases.experiment(metrics=metrics), lambda a: (a["x0"], a["x1"], 1.0 - a["x2"]), 25
    )
    p = probability(
        chances(history, surrogate_of(history)), np.array([[0.5, 0.5, 0.1], [0.5, 0.5, 0.3], [0.5, 0.5, 0.9]])
    )
    assert p[0] > 0.95
    assert 0.1 < p[1] < 0.9
    assert p[2] < 0.05


def test_gradients_match_differences():
    metrics = (*cases.TWO, Maximize("accuracy", strategy=Strategy.CONSTRAIN, threshold=0.7))

    def evaluate(a):
        return None if a["x0"] > 0.7 else (a["x0"], a["x1"], 1.0 - a["x2"] ** 2)

    history = cases.scattered(cases.experiment(metrics=metrics), evaluate, 25)
    X = np.random.default_rng(0).random((5, 3))
    conditions = chances(history, surrogate_of(history))
    assert len(conditions) == 2
    for chance in conditions:
        value, kept = chance.forward(X)
        assert np.allclose(value, chance.power * chance.log_probability(X))
        gradient = chance.backward(kept)
        for i in range(3):
            step = np.zeros(3)
            step[i] = 1e-5
            numeric = (chance.forward(X + step)[0] - chance.forward(X - step)[0]) / 2e-5
            assert np.allclose(gradient[:, i], numeric, rtol=1e-5, atol=1e-5)


def test_far_outliers_do_not_count_as_meeting_a_constraint():
    metrics = (*cases.TWO, Minimize("ms", strategy=Strategy.CONSTRAIN, threshold=100.0))

    def evaluate(a):
        return a["x0"], a["x1"], 5.0 + 8.0 * a["x1"] + 3000.0 * max(0.0, a["x0"] - 0.9)

    history = cases.scattered(cases.experiment(metrics=metrics), evaluate, 64)
    missed = history.Y[:, 2] > 100.0
    assert 0 < missed.sum() < 8
    p = probability(chances(history, surrogate_of(history)), history.encoding.features(history.Z))
    assert p[missed].max() < 0.5
    assert p[~missed].min() > 0.5


def test_a_constraint_at_zero_stands_where_all_values_are_above_zero():
    metrics = (*cases.TWO, Minimize("excess", strategy=Strategy.CONSTRAIN, threshold=0.0))

    def evaluate(a):
        return a["x0"], a["x1"], 0.1 * np.exp(3.0 * a["x0"] + a["x1"])

    history = cases.scattered(cases.experiment(metrics=metrics), evaluate, 40)
    p = probability(chances(history, surrogate_of(history)), history.encoding.features(history.Z))
    assert p[np.argmax(history.Y[:, 2])] < 0.01
