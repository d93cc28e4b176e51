"""Incremental arrays equal rebuilt ones; pending points come and go; thresholds resolve."""

import numpy as np
import optimizer_cases as cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.experiment import Maximize, Minimize, RelativeThreshold, Strategy
from paretune.observation import Suggestion, SuggestionState
from paretune.parameters import Double
from paretune_optimizer.history import History


def observation(history, n, value=None):
    at = {"x0": n / 100, "x1": 0.5, "x2": 0.5}
    return cases.result(history, at, (float(n) if value is None else value, -float(n)), n, stddev=0.1)


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(1, 41)))
def test_any_order_of_arrival_gives_the_same_arrays(order):
    history = History(cases.experiment())
    for n in order:
        history.add_observation(observation(history, n))
    assert history.Y[:, 0].tolist() == list(range(1, 41))
    assert np.allclose(history.Z[:, 0], np.arange(1, 41) / 100)
    assert [o.ordinal for o in history.observations] == list(range(1, 41))
    assert np.all(history.stddev == 0.1)
    history.add_observation(observation(history, 7, value=70.0))
    assert len(history) == 40
    assert history.Y[6, 0] == 70.0


def test_maximised_metrics_are_flipped_and_flip_back():
    history = History(cases.experiment(metrics=(Maximize("f"), Minimize("g"))))
    history.add_observation(observation(history, 3))
    assert history.Y[0].tolist() == [-3.0, -3.0]
    assert history.user_value(0, -3.0) == 3.0


def test_failed_rows_have_no_values_and_are_not_ok():
    history = History(cases.experiment())
    history.add_observation(cases.result(history, {"x0": 0.1, "x1": 0.1, "x2": 0.1}, None, 1))
    history.add_observation(observation(history, 2))
    assert np.all(np.isnan(history.Y[0]))
    assert history.ok.tolist() == [1]


def test_pending_is_ordered_by_ordinal_and_ends_with_the_result():
    history = History(cases.experiment())

    def suggestion(n, state):
        return Suggestion(f"s{n}", "e", n, {"x0": n / 10, "x1": 0.0, "x2": 0.0}, state)

    history.set_suggestion(suggestion(2, SuggestionState.LEASED))
    history.set_suggestion(suggestion(1, SuggestionState.QUEUED))
    assert history.pending[:, 0].tolist() == [0.1, 0.2]
    assert history.next_ordinal == 3
    history.set_suggestion(suggestion(1, SuggestionState.LOST))
    assert history.pending[:, 0].tolist() == [0.2]
    answer = observation(history, 1)
    object.__setattr__(answer, "suggestion_id", "s2")
    history.add_observation(answer)
    assert history.pending.shape == (0, 3)


def test_relative_thresholds_follow_their_baseline():
    metrics = (Maximize("f", threshold=RelativeThreshold("o5", 0.9)), Minimize("g", threshold=4.0))
    history = History(cases.experiment(metrics=metrics))
    assert np.isnan(history.thresholds()[0])
    assert history.thresholds()[1] == 4.0
    for n in (5, 1, 2):
        history.add_observation(observation(history, n))
    assert history.thresholds()[0] == pytest.approx(-4.5)


def test_stored_metrics_have_no_threshold():
    metrics = (*cases.TWO, Minimize("seconds", strategy=Strategy.STORE, threshold=1.0))
    assert np.all(np.isnan(History(cases.experiment(metrics=metrics)).thresholds()))


def test_another_space_is_refused_and_a_new_budget_is_not():
    history = History(cases.experiment())
    history.update_experiment(cases.experiment(observation_budget=7))
    assert history.experiment.observation_budget == 7
    with pytest.raises(ValueError, match="changed"):
        history.update_experiment(cases.experiment([Double("y", 0, 1)]))
