"""One pure check for every request of OptimizerService: all that can be said without looking at results.

What depends on the experiment (which metrics there are, how many observations) is checked where it is known.
"""

import math
from typing import Any

from google.protobuf.message import Message

from paretune import wire
from paretune.errors import InvalidArgument, Violation
from paretune.insight import AttainmentSource
from paretune.limits import MAX_FORECAST, MAX_LEVELS, MAX_MANY, MAX_PREDICTIONS
from paretune.observation import ProbabilitySource
from paretune.rpc.checks import Validators, check_request, check_required, check_worker, required
from paretune.v1 import optimizer_pb2 as pb

RADIUS, SLACK = 0.05, 0.05
"""Of GetRobustness, where the request has none."""
THRESHOLD = 0.01
"""Of ShouldStop, where the request has none."""


def validate(request: Message) -> None:
    """Refuse a request that is wrong whatever is recorded.

    Raises:
        InvalidArgument: with the path of every field that was found wrong.
    """
    check_request(request, VALIDATORS)


def given(request: Any, field: str, default: float) -> float:
    """The number in a wrapper field, or the default when the field is not set."""
    return float(getattr(request, field).value) if request.HasField(field) else default


def _refuse(*checks: tuple[bool, str, str]) -> None:
    wrong = [Violation(field, text) for fine, field, text in checks if not fine]
    if wrong:
        raise InvalidArgument(violations=wrong)


def _suggest(request: pb.SuggestRequest) -> None:
    check_required(request, "experiment_id", "worker")
    check_worker(request.worker)
    limit = wire.duration_from_proto(request.compute_limit)
    _refuse(
        (0 <= request.count <= MAX_MANY, "count", f"is {request.count}; it must be 1 to {MAX_MANY} (0: 1)"),
        (limit >= 0, "compute_limit", "must not be negative"),
    )


def _reference_point(request: Any) -> None:
    check_required(request, "experiment_id")
    wire.each(wire.metric_value_from_proto, request.reference_point, "reference_point")


def _front(request: pb.GetParetoFrontRequest) -> None:
    _reference_point(request)
    _refuse(
        (0 <= request.slack < math.inf, "slack", "must be finite and not negative"),
        (request.as_of_observation >= 0, "as_of_observation", "must not be negative"),
    )
    wire.enum_from_proto(ProbabilitySource, request.probability_source or 1, "probability_source")


def _predict(request: pb.PredictRequest) -> None:
    check_required(request, "experiment_id")
    fits = 1 <= len(request.configurations) <= MAX_PREDICTIONS
    _refuse((fits, "configurations", f"must number 1 to {MAX_PREDICTIONS}"))


def _attainment(request: pb.GetAttainmentRequest) -> None:
    _reference_point(request)
    _refuse(
        (len(request.levels) <= MAX_LEVELS, "levels", f"has {len(request.levels)}; at most {MAX_LEVELS}"),
        (all(0 < level <= 1 for level in request.levels), "levels", "must be above 0 and at most 1"),
        (request.samples >= 0, "samples", "must not be negative"),
        (request.sample_size >= 0, "sample_size", "must not be negative"),
    )
    wire.enum_from_proto(AttainmentSource, request.source or 1, "source")


def _robustness(request: pb.GetRobustnessRequest) -> None:
    check_required(request, "experiment_id")
    radius, slack = given(request, "radius", RADIUS), given(request, "slack", SLACK)
    _refuse(
        (0 < radius <= 0.5, "radius", f"is {radius!r}; it must be above 0 and at most 0.5"),
        (0 <= slack <= 1, "slack", f"is {slack!r}; it must be 0 to 1"),
    )


def _recommend(request: pb.RecommendRequest) -> None:
    check_required(request, "experiment_id")
    numbers = {f"weights[{name!r}]": value for name, value in request.weights.weights.items()}
    numbers |= {f"limits[{name!r}]": value for name, value in request.limits.limits.items()}
    _refuse(
        *((math.isfinite(value), path, f"is {value!r}; it must be finite") for path, value in numbers.items())
    )


def _should_stop(request: pb.ShouldStopRequest) -> None:
    _reference_point(request)
    threshold = given(request, "threshold", THRESHOLD)
    _refuse(
        (
            0 <= request.trials <= MAX_FORECAST,
            "trials",
            f"is {request.trials}; 1 to {MAX_FORECAST} are allowed (0: auto)",
        ),
        (
            0 <= threshold < math.inf,
            "threshold",
            f"is {threshold!r}; it must be finite and not negative",
        ),
    )


VALIDATORS: Validators = {
    pb.SuggestRequest: _suggest,
    pb.GetParetoFrontRequest: _front,
    pb.GetHypervolumeHistoryRequest: _reference_point,
    pb.PredictRequest: _predict,
    pb.GetAttainmentRequest: _attainment,
    pb.GetImportanceRequest: required("experiment_id"),
    pb.GetRobustnessRequest: _robustness,
    pb.RecommendRequest: _recommend,
    pb.ShouldStopRequest: _should_stop,
}
"""Every request of OptimizerService; a test compares it with the descriptor."""
