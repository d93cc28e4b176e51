"""The rule: thresholds first, else the nadir of predicted ends, never collapsed, never locked."""

import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Minimize
from paretune.parameters import Double
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.search.floors import Floors
from paretune_optimizer.search.maximize import Deadline
from paretune_optimizer.search.reference_point import (
    FAR,
    NEAR,
    ROOM,
    WIDE,
    posterior_means,
    predicted_ends,
    reference_point,
    stance_of,
)

FREE = np.full(2, np.nan)
ENDS = np.array([[0.0, 1.0], [2.0, -1.0]])


def test_thresholds_win_where_given():
    assert reference_point(np.array([np.nan, 0.3]), ENDS, ENDS, FAR, 0, 60) == pytest.approx(
        [2.2 + ROOM, 0.3]
    )
    assert reference_point(np.array([0.5, 0.3]), ENDS, ENDS, WIDE, 1, 60).tolist() == [0.5, 0.3]


@pytest.mark.parametrize("stance", [FAR, NEAR, WIDE])
def test_metrics_that_agree_keep_some_room(stance):
    ends = np.zeros((2, 2))
    assert np.all(reference_point(FREE, ends, ends, stance, 0, 60) > 0.0)


def test_stances_take_turns_and_the_wide_one_moves_one_metric_into_the_candidates():
    six = [stance_of(n, 2) for n in range(6, 12)]
    assert set(six) == {(stance, turn) for stance in (FAR, NEAR, WIDE) for turn in (0, 1)}
    broad = np.linspace([0.0, 0.0], [4.0, 4.0], 101)
    for stance in (FAR, NEAR):
        assert reference_point(FREE, ENDS, broad, stance, 1, 60) == pytest.approx([2.2 + ROOM, 1.2 + ROOM])
    assert reference_point(FREE, ENDS, broad, WIDE, 0, 60) == pytest.approx([3.96 + ROOM, 1.2 + ROOM])
    assert reference_point(FREE, ENDS, broad, WIDE, 1, 60) == pytest.approx([2.2 + ROOM, 4.06 + ROOM])
    early = reference_point(FREE, ENDS, broad, WIDE, 0, 10)
    assert early == pytest.approx([3.3 + ROOM, 1.2 + ROOM])
    assert reference_point(FREE, ENDS, broad / 9.0, WIDE, 1, 60) == pytest.approx([2.2 + ROOM, 1.2 + ROOM])


@pytest.mark.parametrize("stance", [FAR, NEAR])
def test_ends_of_the_predicted_front_reach_beyond_the_data(stance):
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
    encoding, candidates = history.encoding, rng.random((50, 2))
    at = posterior_means(encoding, processes, candidates)
    Z, means = predicted_ends(encoding, processes, [], Floors.none(2), candidates, at, stance, stop)
    assert means.shape == (2, 2)
    assert Z[1, 0] < 0.05
    assert Z[0, 0] > 0.8
    assert np.all(means.argmax(axis=0) == [0, 1])


@pytest.mark.parametrize("stance", [FAR, WIDE])
def test_ends_of_three_metrics_include_those_where_two_are_given_up_together(stance):
    # Two metrics agree: giving up one of them alone never buys the third.
    space = (Double("x0", 0, 1), Double("x1", 0, 1))
    metrics = tuple(Minimize(f"m{j}") for j in range(3))
    history = cases.History(cases.experiment(space, metrics))
    rng = np.random.default_rng(1)
    for n in range(1, 26):
        x = rng.random(2)
        values = np.array([x[0], -x[0], 2.0 * x[0]]) + 0.3 * x[1]
        history.add_observation(cases.result(history, {"x0": float(x[0]), "x1": float(x[1])}, values, n))
    processes = [surrogate_of(history).metrics[j].gp for j in range(3)]
    stop = Deadline(lambda: 0.0, math.inf)
    candidates = rng.random((50, 2))
    at = posterior_means(history.encoding, processes, candidates)
    Z, _ = predicted_ends(history.encoding, processes, [], Floors.none(3), candidates, at, stance, stop)
    assert Z.shape == (6, 2)
    assert Z[:, 0].min() < 0.05
    assert Z[:, 0].max() > 0.95
