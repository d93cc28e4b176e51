"""Which rows are learned from, when, and with which map."""

import math

import numpy as np
import optimizer_cases as cases

from paretune.experiment import Minimize, Strategy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Double
from paretune_optimizer.history import History
from paretune_optimizer.metrics import Map
from paretune_optimizer.model.surrogate import (
    anchor_before,
    label_rows,
    metric_rows,
    refit_before,
    surrogate_of,
)


def bowl(a):
    s = (a["x0"] - 0.3) ** 2 + a["x1"] ** 2
    return 1.0 + s, 3.0 - a["x0"]


def test_schedule_is_monotone_and_refits_at_three_percent():
    for schedule in (anchor_before, refit_before):
        values = [schedule(n) for n in range(1, 2000)]
        assert values == sorted(values)
        assert all(v <= n for n, v in enumerate(values, start=1))
    assert all(refit_before(n) == n for n in range(1, 151))
    assert all(n - refit_before(n) <= 0.035 * n for n in range(150, 2000))
    assert all(anchor_before(n) <= refit_before(n) for n in range(1, 2000))


def test_rows_by_outcome():
    history = cases.scattered(cases.experiment(), bowl, 4)
    at = history.observations[0].assignments
    partial = (MetricValue("f", 1.0),)
    for n, kind in enumerate(
        (OutcomeKind.INFEASIBLE, OutcomeKind.CRASHED, OutcomeKind.STOPPED_EARLY), start=5
    ):
        history.add_observation(Observation(at, partial, Outcome(kind, "why"), id=f"o{n}", ordinal=n))
    assert metric_rows(history, 0).tolist() == [0, 1, 2, 3, 6]
    assert metric_rows(history, 1).tolist() == [0, 1, 2, 3]
    assert label_rows(history).tolist() == [0, 1, 2, 3, 4, 6]
    assert surrogate_of(history).failures == 1


def test_multiplicative_noise_gets_a_logarithm_and_additive_does_not():
    rng = np.random.default_rng(0)

    def evaluate(a):
        level = np.exp(3 * a["x0"] + a["x1"])
        return level * np.exp(0.2 * rng.standard_normal()), 5 * a["x0"] + 6 + 0.3 * rng.standard_normal()

    surrogate = surrogate_of(cases.scattered(cases.experiment(), evaluate, 60))
    assert surrogate.metrics[0].transform.map is Map.LOG
    assert surrogate.metrics[1].transform.map is Map.IDENTITY


def test_a_logarithm_is_given_up_when_a_zero_appears():
    history = cases.scattered(cases.experiment(), lambda a: (np.exp(3 * a["x0"] + a["x1"]), a["x1"]), 60)
    assert surrogate_of(history).metrics[0].transform.map is Map.LOG
    history.add_observation(cases.result(history, {"x0": 0.1, "x1": 0.1, "x2": 0.1}, (0.0, 0.0), 61))
    assert surrogate_of(history).metrics[0].transform.map is Map.IDENTITY


def test_models_are_built_once_per_change():
    history = cases.scattered(cases.experiment(), bowl, 10)
    assert surrogate_of(history) is surrogate_of(history)
    old = surrogate_of(history)
    history.add_observation(cases.result(history, {"x0": 0.1, "x1": 0.1, "x2": 0.1}, (0.0, 0.0), 11))
    assert surrogate_of(history) is not old


def test_a_logarithm_is_given_up_at_the_first_value_next_to_zero():
    # cos(pi / 2) is 6e-17: above zero, and in logarithms a world away from all other values.
    history = cases.scattered(cases.experiment(cases.CUBE), lambda a: [math.exp(3.0 * a["x0"]), a["x1"]], 24)
    assert surrogate_of(history).metrics[0].transform.map is Map.LOG
    history.add_observation(cases.result(history, dict.fromkeys(("x0", "x1", "x2"), 0.5), (6e-17, 0.5), 99))
    assert surrogate_of(history).metrics[0].transform.map is Map.IDENTITY


def test_replicates_do_not_talk_a_metric_into_a_logarithm():
    space = (Double("x", 0.0, 1.0),)
    rng = np.random.default_rng(0)
    history = History(cases.experiment(space, (Minimize("f"),)))
    for n in range(72):
        x = (n // 6 + 0.5) / 12
        value = 3.0 + 20.0 * x**3 + 0.4 * rng.standard_normal()  # additive noise
        history.add_observation(cases.result(history, {"x": x}, (value,), n + 1))
    assert surrogate_of(history).metrics[0].transform.map is Map.IDENTITY


def test_a_new_threshold_is_learned_with_as_if_it_had_always_been_there():
    def experiment(threshold):
        metrics = (Minimize("f"), Minimize("ms", strategy=Strategy.CONSTRAIN, threshold=threshold))
        return cases.experiment(metrics=metrics)

    def evaluate(a):
        return a["x0"], 300.0 if a["x0"] > 0.9 else 1.0 + a["x1"]

    lived = cases.scattered(experiment(1000.0), evaluate, 24)
    surrogate_of(lived)
    lived.update_experiment(experiment(100.0))
    begun = cases.scattered(experiment(100.0), evaluate, 24)
    old, new = surrogate_of(lived).metrics[1], surrogate_of(begun).metrics[1]
    assert old.transform == new.transform
    assert np.array_equal(old.gp.theta, new.gp.theta)
