import math
from datetime import UTC, datetime

import numpy as np
import pytest

import paretune as pt
from paretune.client.report import NotFinite, metric_values, observation_of, outcome_of
from paretune.errors import InvalidArgument
from paretune.observation import FailureReason, Lease

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_values_with_and_without_standard_errors():
    values = metric_values(
        {
            "a": 1,
            "b": (2.0, 0.5),
            "c": np.float64(3.0),
            "d": [np.float32(4), 0],
            "e": pt.MetricValue("e", 5.0),
        }
    )
    assert [(v.metric, v.value, v.stddev) for v in values] == [
        ("a", 1, None),
        ("b", 2.0, 0.5),
        ("c", 3.0, None),
        ("d", 4.0, 0),
        ("e", 5.0, None),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan"), (math.nan, 1.0)])
def test_nan_is_met_with_what_to_do(value):
    with pytest.raises(NotFinite, match=r"values\['loss'\].*infeasible"):
        metric_values({"loss": value})


@pytest.mark.parametrize("value", ["high", None, (1.0, -1.0), (1.0,), (1.0, 2.0, 3.0), True])
def test_refuses_what_is_no_measurement(value):
    with pytest.raises(InvalidArgument, match=r"values\['loss'\]"):
        metric_values({"loss": value})


def test_outcomes():
    assert outcome_of() == pt.Outcome()
    assert outcome_of(infeasible="too big").failure is FailureReason.DECLARED
    assert outcome_of(crashed="disk").kind is pt.OutcomeKind.CRASHED
    assert outcome_of(stopped_early=0) == pt.Outcome(pt.OutcomeKind.STOPPED_EARLY, step=0)
    with pytest.raises(InvalidArgument, match="at most one"):
        outcome_of(infeasible="a", stopped_early=3)


def test_the_observation_of_a_leased_suggestion_carries_its_fence():
    suggestion = pt.Suggestion("s-1", "e-1", 1, {"x": 0.5}, lease=Lease("me", "7", NOW))
    observation, fence = observation_of("e-1", suggestion, {"a": 1.0}, metadata={"epochs": 3}, start_time=NOW)
    assert fence == "7"
    assert observation == pt.Observation(
        {"x": 0.5},
        (pt.MetricValue("a", 1.0),),
        experiment_id="e-1",
        suggestion_id="s-1",
        metadata={"epochs": "3"},
        worker="me",
        start_time=NOW,
    )


def test_the_observation_of_free_assignments_has_none():
    observation, fence = observation_of("e-1", {"x": np.float64(0.5)}, {})
    assert (fence, observation.suggestion_id, observation.assignments) == ("", "", {"x": 0.5})
