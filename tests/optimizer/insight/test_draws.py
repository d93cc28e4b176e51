"""Joint draws of what was tried: centred, thresholds kept, and when they serve."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Maximize, Minimize
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import (
    contenders,
    expected_values,
    joint_draws,
    model_serves,
    require_model,
)

METRICS = (Maximize("score"), Minimize("seconds"))


def evaluate(a):
    return 100.0 + 10.0 * a["x0"], 1.0 + a["x0"] + a["x1"]


def test_draws_are_centred_on_the_truth_in_own_units_and_minimised():
    history = cases.scattered(cases.experiment(metrics=METRICS), evaluate, 30)
    Z, where = contenders(history, np.array([4, 7]))
    draws = joint_draws(history, Z, 200)
    assert draws.shape == (200, Z.shape[0], 2)
    assert np.array_equal(Z[where], history.Z[[4, 7]])
    assert draws.mean(axis=0)[where] == pytest.approx(history.Y[[4, 7]], rel=0.01)
    mean, spread = expected_values(history, Z[where])
    assert mean == pytest.approx(history.Y[[4, 7]], rel=0.01)
    assert np.all(spread > 0)


def test_a_point_beyond_a_threshold_is_no_point():
    metrics = (Minimize("f", threshold=0.5), Minimize("g"))
    history = cases.scattered(cases.experiment(metrics=metrics), lambda a: (a["x0"], 1 - a["x0"]), 30)
    draws = joint_draws(history, history.Z, 50)
    missing = np.isnan(draws).all(axis=2).mean(axis=0)
    assert np.all(missing[history.Y[:, 0] > 0.6] > 0.9)
    assert np.all(missing[history.Y[:, 0] < 0.4] < 0.1)


@pytest.mark.parametrize(("count", "points", "answer"), [(11, 5, False), (12, 5, True), (12, 201, False)])
def test_when_the_model_serves(count, points, answer):
    history = cases.scattered(cases.experiment(metrics=METRICS), evaluate, count)
    assert model_serves(history, points) is answer


def test_failures_do_not_count():
    history = cases.scattered(cases.experiment(metrics=METRICS), lambda a: None, 20)
    assert not model_serves(history, 0)
    with pytest.raises(FailedPrecondition, match="there are 0"):
        require_model(history)
    with pytest.raises(FailedPrecondition):
        require_model(History(cases.experiment()))
