"""Answers about results survive the way to bytes and back."""

import pytest

from paretune import wire
from paretune.insight import (
    Attainment,
    AttainmentSource,
    AttainmentSurface,
    HypervolumeForecast,
    Importance,
    MetricRobustness,
    ParameterImportance,
    Recommendation,
    Robustness,
    RobustnessPoint,
    StopAdvice,
    TargetImportance,
    VorobevExpectation,
)
from paretune.observation import (
    MetricPrediction,
    MetricValue,
    Observation,
    ParetoFront,
    ParetoPoint,
    ProbabilitySource,
)
from paretune.v1 import optimizer_pb2, types_pb2

REFERENCE = {"b": 1.5, "a": -2.0}
SURFACE = AttainmentSurface(0.25, ({"b": 0.5, "a": 3.0}, {"b": 1e300, "a": -0.0}))
POINT = ParetoPoint(Observation({"x": 1, "c": "k"}, (MetricValue("a", 2.0, 0.5),), id="o"), 0.25, 3.5)

VALUES = {
    "attainment": [
        Attainment(
            (SURFACE, AttainmentSurface(1.0, ())),
            AttainmentSource.MODEL,
            64,
            REFERENCE,
            VorobevExpectation(SURFACE, 3.0, 0.5),
            12,
        ),
        Attainment((SURFACE,), AttainmentSource.RESAMPLING, 2, REFERENCE),
    ],
    "importance": [
        Importance(
            (
                TargetImportance("a", (ParameterImportance("x", 0.75, 0.5),), -0.25),
                TargetImportance("", (), 1.0),
            ),
            7,
        )
    ],
    "robustness": [
        Robustness(
            (
                RobustnessPoint(
                    "o", {"x": 1, "c": "k"}, (MetricRobustness("a", 1.0, 2.0, 3.0),), 0.1, 0.2, 0.3
                ),
            ),
            9,
        ),
        Robustness(()),
    ],
    "recommendation": [
        Recommendation(
            POINT, (MetricPrediction("a", 1.5, 0.25),), "it is the knee", 4, ProbabilitySource.MODEL
        )
    ],
    "advice": [
        StopAdvice(True, "stop", 2.0, 0.001, (HypervolumeForecast(1, 2.0, 1.5, 2.5),), REFERENCE, 30),
        StopAdvice(False, "too few"),
    ],
}


@pytest.mark.parametrize("kind", VALUES)
def test_round_trip(kind):
    for value in VALUES[kind]:
        message = getattr(wire, f"{kind}_to_proto")(value)
        again = type(message).FromString(message.SerializeToString())
        assert getattr(wire, f"{kind}_from_proto")(again) == value


def test_points_of_a_surface_keep_the_order_of_the_metrics():
    message = wire.attainment_to_proto(VALUES["attainment"][0])
    assert list(message.metrics) == ["b", "a"]
    assert list(message.surfaces[0].points[0].values) == [0.5, 3.0]


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ((None, "", None), "knee"),
        (({"a": 1.0}, "", None), "weights"),
        ((None, "a", None), "limits"),
        ((None, "", {}), "limits"),
    ],
)
def test_a_preference_is_one_of_three(wish, kind):
    assert wire.preference_to_proto(*wish).WhichOneof("preference") == kind


def test_a_front_from_before_sources_were_named():
    front = ParetoFront((POINT,), 1.0, REFERENCE, 3, ProbabilitySource.MODEL)
    assert wire.front_from_proto(wire.front_to_proto(front)) == front
    old = types_pb2.ParetoFront(hypervolume=1.0)
    assert wire.front_from_proto(old).probability_source is ProbabilitySource.STANDARD_ERRORS


def test_advice_is_true_when_it_says_stop():
    stop, go = VALUES["advice"]
    assert stop
    assert not go


def test_importance_by_name():
    (importance,) = VALUES["importance"]
    assert importance.of("a").shares == {"x": 0.5}
    assert importance.front.explained == 1.0
    with pytest.raises(KeyError):
        importance.of("b")


def test_every_answer_has_a_message():
    assert {name for name in dir(optimizer_pb2) if name.endswith("Response")} >= {
        "GetAttainmentResponse", "GetImportanceResponse", "GetRobustnessResponse", "RecommendResponse",
        "ShouldStopResponse",
    }  # fmt: skip
