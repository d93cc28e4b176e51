"""The rule: thresholds first, else the nadir of predicted ends, never collapsed, never locked."""

import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.parameters import Double
from paretune_optimizer.maximize import Deadline
from paretune_optimizer.reference_point import predicted_ends, reference_points
from paretune_optimizer.surrogate import surrogate_of

FREE = np.full(2, np.nan)
ENDS = np.array([[0.0, 1.0], [2.0, -1.0]])


def test_thresholds_win_where_given():
    both = reference_points(np.array([np.nan, 0.3]), ENDS, ENDS + np.array([4.0, 0.0]), ENDS, 0)
    assert both == pytest.approx(np.array([[2.2, 0.3], [6.6, 0.3]]))
    assert reference_points(np.array([0.5, 0.3]), ENDS, ENDS + 4.0, ENDS, 1).tolist() == [[0.5, 0.3]]


def test_metrics_that_agree_keep_some_room():
    ends = np.zeros((2, 2))
    assert np.all(reference_points(FREE, ends, ends, ends, 0) > 0.0)


@pytest.mark.parametrize("turn", [0, 1])
def test_one_metric_at_a_time_moves_out_to_the_far_end_or_into_the_candidates(turn):
    far = ENDS + np.array([3.0, 0.0])
    broad = np.linspace([0.0, 0.0], [1.0, 4.0], 101)
    near, moved = reference_points(FREE, ENDS, far, broad, turn)
    assert near == pytest.approx([2.2, 1.2])
    assert moved == pytest.approx([[5.5, 1.2], [2.2, 3.4]][turn])


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
    Z, near, far = predicted_ends(history.encoding, processes, [], rng.random((50, 2)), stop)
    assert np.all(Z[[1, 3], 0] < 0.05)
    assert np.all(Z[[0, 2], 0] > 0.8)
    for means in (near, far):
        assert means.shape == (2, 2)
        assert np.all(means.argmax(axis=0) == [0, 1])
    assert np.all(far.min(axis=0) <= near.min(axis=0) + 1e-3)
