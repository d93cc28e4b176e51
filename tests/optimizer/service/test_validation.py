"""Requests that are wrong whatever was observed are refused with the path of every wrong field."""

import math

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import DoubleValue

from paretune.errors import InvalidArgument
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import types_pb2 as ty
from paretune_optimizer.service.validation import VALIDATORS, validate

AT = [ty.MetricValue(metric="m", value=math.nan)]
WRONG = {
    "experiment_id": pb.SuggestRequest(worker="w"),
    "worker": pb.SuggestRequest(experiment_id="e", worker="w" * 257),
    "count": pb.SuggestRequest(experiment_id="e", worker="w", count=-1),
    "compute_limit": pb.SuggestRequest(experiment_id="e", worker="w", compute_limit=Duration(seconds=-1)),
    "request_id": pb.SuggestRequest(experiment_id="e", worker="w", request_id="r" * 129),
    "slack": pb.GetParetoFrontRequest(experiment_id="e", slack=math.inf),
    "as_of_observation": pb.GetParetoFrontRequest(experiment_id="e", as_of_observation=-1),
    "probability_source": pb.GetParetoFrontRequest(experiment_id="e", probability_source=17),
    "reference_point[0].value": pb.GetHypervolumeHistoryRequest(experiment_id="e", reference_point=AT),
    "configurations": pb.PredictRequest(experiment_id="e"),
    "levels": pb.GetAttainmentRequest(experiment_id="e", levels=[1.5]),
    "samples": pb.GetAttainmentRequest(experiment_id="e", samples=-1),
    "sample_size": pb.GetAttainmentRequest(experiment_id="e", sample_size=-1),
    "source": pb.GetAttainmentRequest(experiment_id="e", source=17),
    "radius": pb.GetRobustnessRequest(experiment_id="e", radius=DoubleValue(value=0.0)),
    "weights['m']": pb.RecommendRequest(experiment_id="e", weights={"weights": {"m": math.nan}}),
    "limits['m']": pb.RecommendRequest(experiment_id="e", limits={"limits": {"m": math.inf}}),
    "trials": pb.ShouldStopRequest(experiment_id="e", trials=101),
    "threshold": pb.ShouldStopRequest(experiment_id="e", threshold=DoubleValue(value=-1.0)),
}


def test_every_request_has_a_validator():
    service = pb.DESCRIPTOR.services_by_name["OptimizerService"]
    assert {kind.DESCRIPTOR for kind in VALIDATORS} == {method.input_type for method in service.methods}


@pytest.mark.parametrize("kind", VALIDATORS, ids=lambda kind: kind.DESCRIPTOR.name)
def test_an_empty_request_names_what_is_missing(kind):
    with pytest.raises(InvalidArgument) as caught:
        validate(kind())
    assert "experiment_id" in [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_field_is_named(path):
    with pytest.raises(InvalidArgument) as caught:
        validate(WRONG[path])
    assert [violation.field for violation in caught.value.violations] == [path]


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(InvalidArgument) as caught:
        validate(pb.GetRobustnessRequest(experiment_id="e", radius={"value": 1.0}, slack={"value": 2.0}))
    assert [violation.field for violation in caught.value.violations] == ["radius", "slack"]
