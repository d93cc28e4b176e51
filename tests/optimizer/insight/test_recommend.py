"""Recommendations: the three ways to choose, by hand, and luck that is not rewarded."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition, InvalidArgument
from paretune.experiment import Experiment, Maximize, Minimize, Strategy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind, ProbabilitySource
from paretune.parameters import Double
from paretune.space import SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.insight.recommend import recommend

SPACE = SearchSpace((Double("x", 0.0, 1.0),))
PAIR = (Maximize("accuracy"), Minimize("ms"), Minimize("size", strategy=Strategy.STORE))
# Dominated, then a front from fast to accurate with a knee at 0.90 and a hollow at 0.91.
ROWS = [(0.50, 9.0, 1.0), (0.60, 1.0, 5.0), (0.90, 2.0, 9.0), (0.91, 6.0, 2.0), (0.95, 8.0, 7.0)]


def history_of(rows=ROWS, metrics=PAIR) -> History:
    history = History(Experiment(name="e", space=SPACE, metrics=metrics))
    for n, row in enumerate(rows):
        values = tuple(MetricValue(m.name, v) for m, v in zip(metrics, row, strict=True))
        history.add_observation(Observation({"x": n / 10}, values, id=f"o{n}", ordinal=n + 1))
    return history


def test_the_knee_is_where_giving_up_stops_paying():
    told = recommend(history_of())
    assert told.point.observation.id == "o2"
    assert told.candidates == 4
    assert told.source is ProbabilitySource.STANDARD_ERRORS
    assert told.reason == (
        "One of 4 configurations on the front, accuracy 0.9, ms 2. It is the knee, farthest below the plane "
        "through the worst corners of the front; of the ranges there it gives up 14% of accuracy, 14% of ms."
    )
    assert told.point.hypervolume_contribution > 0


@pytest.mark.parametrize(
    ("weights", "chosen"),
    [
        ({"accuracy": 1}, "o4"),
        ({"ms": 2.0}, "o1"),
        ({"accuracy": 1, "ms": 1}, "o2"),
        # A weighted sum can not reach o3: it lies in a hollow between o2 and o4.
        ({"accuracy": 0.85, "ms": 0.15}, "o3"),
    ],
)
def test_weights_reach_every_point(weights, chosen):
    assert recommend(history_of(), weights=weights).point.observation.id == chosen


def test_weights_do_not_depend_on_units():
    scaled = [(a, 1e9 * ms, size) for a, ms, size in ROWS]
    for weights in ({"accuracy": 0.3, "ms": 0.7}, {"accuracy": 0.9, "ms": 0.1}):
        one, other = (recommend(history_of(rows), weights=weights) for rows in (ROWS, scaled))
        assert one.point.observation.id == other.point.observation.id


def test_limits_of_either_direction_and_of_stored_metrics():
    told = recommend(history_of(), limits={"ms": 6.5})
    assert told.point.observation.id == "o3"
    assert told.reason.endswith("It has the best accuracy among the 3 with ms <= 6.5.")
    assert recommend(history_of(), limits={"accuracy": 0.9}).point.observation.id == "o2"
    assert recommend(history_of(), metric="accuracy", limits={"size": 5.0}).point.observation.id == "o3"
    assert recommend(history_of(), metric="ms").point.observation.id == "o1"


def test_limits_that_nothing_keeps():
    with pytest.raises(FailedPrecondition, match=r"has ms <= 0\.5; the best has 1") as caught:
        recommend(history_of(), limits={"ms": 0.5})
    assert caught.value.reason == "NOTHING_WITHIN_LIMITS"
    assert caught.value.metadata == {"metric": "ms", "limit": "0.5", "best": "1"}
    with pytest.raises(FailedPrecondition, match="each limit alone is met"):
        recommend(history_of(), metric="ms", limits={"ms": 1.5, "accuracy": 0.94})


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"weights": {"acuracy": 1}}, "did you mean 'accuracy'"),
        ({"weights": {"size": 1}}, "no optimized metric 'size'"),
        ({"weights": {"ms": -1}}, "not negative"),
        ({"weights": {"ms": float("nan")}}, "finite"),
        ({"weights": {"ms": 0}}, "not all be 0"),
        ({"limits": {"mss": 1}}, "did you mean 'ms'"),
        ({"limits": {"ms": float("inf")}}, "finite"),
        ({"limits": {"size": 1}}, "which of accuracy, ms"),
        ({"metric": "size"}, "no optimized metric 'size'"),
    ],
)
def test_bad_wishes_name_the_field(wish, sentence):
    with pytest.raises(InvalidArgument, match=sentence):
        recommend(history_of(), **wish)


def test_nothing_feasible():
    history = History(Experiment(name="e", space=SPACE, metrics=PAIR))
    history.add_observation(Observation({"x": 0.0}, (), Outcome(OutcomeKind.CRASHED, "boom"), id="o"))
    with pytest.raises(FailedPrecondition) as caught:
        recommend(history)
    assert caught.value.reason == "TOO_FEW_OBSERVATIONS"


def test_single_metric_and_single_point():
    metrics = (Minimize("loss"),)
    assert recommend(history_of([(3.0,), (1.0,), (2.0,)], metrics)).point.observation.id == "o1"
    assert recommend(history_of([(3.0,)], metrics), weights={"loss": 1}).candidates == 1


def test_luck_is_not_recommended():
    """One configuration far from the optimum got the best value by luck; the model does not believe it."""
    rng = np.random.default_rng(1)
    experiment = cases.experiment([Double("x", 0.0, 1.0)], (Minimize("f"),))
    history = History(experiment)
    for n in range(40):
        x = n / 39
        value = (x - 0.8) ** 2 + 0.1 * rng.standard_normal()
        if n == 12:
            value = -0.3
        history.add_observation(cases.result(history, {"x": x}, (value,), n + 1))
    measured = min(history.observations, key=lambda o: o.value("f"))
    told = recommend(history)
    assert told.source is ProbabilitySource.MODEL
    assert measured.assignments["x"] < 0.5 < told.assignments["x"]
    assert told.expected[0].stddev > 0
    assert "expected f" in told.reason
