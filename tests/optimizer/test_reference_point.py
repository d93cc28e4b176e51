"""The rule: thresholds first, else the nadir of predicted ends, never collapsed, never locked."""

import math

import numpy as np
import optimizer_cases as cases

from paretune.parameters import Double
from paretune_optimizer.maximize import Deadline
from paretune_optimizer.reference_point import STANCES, Stance, predicted_ends, reference_point, stance_of
from paretune_optimizer.surrogate import surrogate_of

TIGHT = Stance(0.05, 0.0, 0.0)


def test_thresholds_win_where_given():
    ends = np.array([[0.0, 1.0], [2.0, -1.0]])
    assert reference_point(np.array([np.nan, 0.3]), ends, ends, TIGHT).tolist() == [2.2, 0.3]


def test_metrics_that_agree_keep_some_room():
    ends = np.zeros((2, 2))
    assert np.all(reference_point(np.full(2, np.nan), ends, ends, TIGHT) > 0.0)


def test_a_wide_stance_reaches_into_the_candidates():
    broad = np.linspace([0.0, 0.0], [10.0, 0.1], 101)
    ends = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert reference_point(np.full(2, np.nan), ends, broad, Stance(0.01, 1.0, 0.75)).tolist() == [8.25, 1.1]


def test_stances_take_turns():
    assert {stance_of(n) for n in range(7, 10)} == set(STANCES)


def test_ends_of_the_predicted_front_reach_beyond_the_data():
    # All data lie in a corner; the trade-off goes on outside it, and the models can tell.
    space = (Double("x0", 0, 1), Double("x1", 0, 1))
    history = cases.History(cases.experiment(space))
    rng = np.random.default_rng(0)
    for n in range(1, 26):
        x = rng.random(2) * [0.4, 1.0]
        at = {"x0": float(x[0]), "x1": float(x[1])}
        history.add_observation(cases.result(history, at, (x[0] + 0.3 * x[1], -x[0] + 0.3 * x[1]), n))
    surrogate = surrogate_of(history)
    processes = [surrogate.metrics[j].gp for j in (0, 1)]
    stop = Deadline(lambda: 0.0, math.inf)
    Z, means = predicted_ends(history.encoding, processes, [], rng.random((50, 2)), TIGHT, stop)
    assert Z[0, 0] < 0.05
    assert Z[1, 0] > 0.8
    assert means.shape == (2, 2)
    assert np.all(means.argmin(axis=0) == [0, 1])
