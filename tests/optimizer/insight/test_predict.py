"""Predictions in the user's units, with honest chances."""

import math

import numpy as np
import optimizer_cases as cases

from paretune.experiment import Maximize, Minimize
from paretune_optimizer.history import History
from paretune_optimizer.insight.predict import predict_assignments


def evaluate(a):
    return 100.0 + 10 * a["x0"], math.exp(a["x0"] - 1.0 + a["x1"])


METRICS = (Maximize("score"), Minimize("seconds"))


def test_mean_and_spread_in_own_units():
    history = cases.scattered(cases.experiment(metrics=METRICS), evaluate, 30)
    at = {"x0": 0.4, "x1": 0.6, "x2": 0.5}
    (told,) = predict_assignments(history, [at])
    for metric, truth, scale in zip(told.metrics, evaluate(at), (10.0, 1.0), strict=True):
        assert abs(metric.mean - truth) < 0.05 * scale
        assert 0.0 < metric.stddev < 0.2 * scale
    assert [m.metric for m in told.metrics] == ["score", "seconds"]
    assert told.feasibility is None


def test_probability_of_being_efficient():
    history = cases.scattered(cases.experiment(metrics=METRICS), evaluate, 30)
    good, bad = predict_assignments(
        history, [{"x0": 1.0, "x1": 0.0, "x2": 0.5}, {"x0": 0.0, "x1": 1.0, "x2": 0.5}]
    )
    assert good.efficient > 0.9
    assert bad.efficient < 0.05


def test_probability_of_being_feasible():
    history = cases.scattered(
        cases.experiment(metrics=METRICS), lambda a: None if a["x2"] > 0.5 else evaluate(a), 30
    )
    safe, unsafe = predict_assignments(
        history, [{"x0": 0.5, "x1": 0.5, "x2": 0.1}, {"x0": 0.5, "x1": 0.5, "x2": 0.9}]
    )
    assert safe.feasibility > 0.8
    assert unsafe.feasibility < 0.2


def test_without_data_the_answer_is_wide_and_finite():
    (told,) = predict_assignments(History(cases.experiment()), [{"x0": 0.5, "x1": 0.5, "x2": 0.5}])
    assert all(np.isfinite(m.mean) and m.stddev > 0.1 for m in told.metrics)
    assert told.efficient == 1.0


def test_many_at_once_agree_with_one_at_a_time():
    history = cases.scattered(cases.experiment(metrics=METRICS), evaluate, 20)
    points = [{"x0": k / 40, "x1": 0.5, "x2": 0.5} for k in range(40)]
    together = predict_assignments(history, points)
    alone = [predict_assignments(history, [point])[0] for point in points[:3]]
    for one, other in zip(alone, together, strict=False):
        assert np.allclose([m.mean for m in one.metrics], [m.mean for m in other.metrics])
