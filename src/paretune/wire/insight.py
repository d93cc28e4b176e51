"""Answers about what the results mean, to and from messages."""

from collections.abc import Iterable, Mapping, Sequence

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
from paretune.observation import MetricPrediction, ProbabilitySource
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import types_pb2
from paretune.wire.observation import pareto_point_from_proto, pareto_point_to_proto, point_to_proto
from paretune.wire.values import (
    assignments_from_proto,
    assignments_to_proto,
    enum_from_proto,
    enum_to_proto,
)


def _named(values: Iterable[types_pb2.MetricValue]) -> dict[str, float]:
    return {value.metric: value.value for value in values}


# Attainment


def _surface_to_proto(surface: AttainmentSurface) -> pb.AttainmentSurface:
    return pb.AttainmentSurface(
        level=surface.level, points=[pb.MetricPoint(values=point.values()) for point in surface.points]
    )


def _surface_from_proto(message: pb.AttainmentSurface, metrics: Sequence[str]) -> AttainmentSurface:
    points = (dict(zip(metrics, point.values, strict=True)) for point in message.points)
    return AttainmentSurface(message.level, tuple(points))


def attainment_to_proto(attainment: Attainment) -> pb.GetAttainmentResponse:
    mean = attainment.expectation
    return pb.GetAttainmentResponse(
        metrics=attainment.reference_point,
        surfaces=map(_surface_to_proto, attainment.surfaces),
        expectation=None
        if mean is None
        else pb.VorobevExpectation(
            surface=_surface_to_proto(mean.surface), hypervolume=mean.hypervolume, deviation=mean.deviation
        ),
        source=enum_to_proto(attainment.source),
        samples=attainment.samples,
        reference_point=point_to_proto(attainment.reference_point),
        observation_count=attainment.observation_count,
    )


def attainment_from_proto(message: pb.GetAttainmentResponse) -> Attainment:
    mean, names = message.expectation, list(message.metrics)
    return Attainment(
        surfaces=tuple(_surface_from_proto(surface, names) for surface in message.surfaces),
        source=enum_from_proto(AttainmentSource, message.source, "source"),
        samples=message.samples,
        reference_point=_named(message.reference_point),
        expectation=VorobevExpectation(
            _surface_from_proto(mean.surface, names), mean.hypervolume, mean.deviation
        )
        if message.HasField("expectation")
        else None,
        observation_count=message.observation_count,
    )


# Importance


def importance_to_proto(importance: Importance) -> pb.GetImportanceResponse:
    return pb.GetImportanceResponse(
        targets=[
            pb.TargetImportance(
                metric=target.metric,
                parameters=[pb.ParameterImportance(**vars(one)) for one in target.parameters],
                explained=target.explained,
            )
            for target in importance.targets
        ],
        observation_count=importance.observation_count,
    )


def importance_from_proto(message: pb.GetImportanceResponse) -> Importance:
    return Importance(
        tuple(
            TargetImportance(
                target.metric,
                tuple(
                    ParameterImportance(one.parameter, one.total_effect, one.share)
                    for one in target.parameters
                ),
                target.explained,
            )
            for target in message.targets
        ),
        message.observation_count,
    )


# Robustness


def robustness_to_proto(robustness: Robustness) -> pb.GetRobustnessResponse:
    return pb.GetRobustnessResponse(
        points=[
            pb.RobustnessPoint(
                observation_id=point.observation_id,
                assignments=assignments_to_proto(point.assignments),
                metrics=[pb.MetricRobustness(**vars(metric)) for metric in point.metrics],
                probability_efficient=point.probability_efficient,
                probability_within_slack=point.probability_within_slack,
                feasibility=point.feasibility,
            )
            for point in robustness.points
        ],
        observation_count=robustness.observation_count,
    )


def robustness_from_proto(message: pb.GetRobustnessResponse) -> Robustness:
    return Robustness(
        tuple(
            RobustnessPoint(
                observation_id=point.observation_id,
                assignments=assignments_from_proto(point.assignments),
                metrics=tuple(
                    MetricRobustness(one.metric, one.nominal, one.mean, one.worst) for one in point.metrics
                ),
                probability_efficient=point.probability_efficient,
                probability_within_slack=point.probability_within_slack,
                feasibility=point.feasibility,
            )
            for point in message.points
        ),
        message.observation_count,
    )


# Recommendations


def preference_to_proto(
    weights: Mapping[str, float] | None, metric: str, limits: Mapping[str, float] | None
) -> pb.RecommendRequest:
    """A request with nothing but its preference: weights, else limits, else the knee."""
    if weights is not None:
        return pb.RecommendRequest(weights=pb.RecommendRequest.Weights(weights=weights))
    if metric or limits is not None:
        return pb.RecommendRequest(limits=pb.RecommendRequest.Limits(metric=metric, limits=limits))
    return pb.RecommendRequest(knee=pb.RecommendRequest.Knee())


def recommendation_to_proto(recommendation: Recommendation) -> pb.RecommendResponse:
    return pb.RecommendResponse(
        point=pareto_point_to_proto(recommendation.point),
        expected=[types_pb2.MetricPrediction(**vars(one)) for one in recommendation.expected],
        reason=recommendation.reason,
        candidates=recommendation.candidates,
        source=enum_to_proto(recommendation.source),
    )


def recommendation_from_proto(message: pb.RecommendResponse) -> Recommendation:
    return Recommendation(
        pareto_point_from_proto(message.point),
        tuple(MetricPrediction(one.metric, one.mean, one.stddev) for one in message.expected),
        message.reason,
        message.candidates,
        enum_from_proto(ProbabilitySource, message.source, "source"),
    )


# Forecasts


def advice_to_proto(advice: StopAdvice) -> pb.ShouldStopResponse:
    return pb.ShouldStopResponse(
        stop=advice.stop,
        reason=advice.reason,
        hypervolume=advice.hypervolume,
        expected_relative_gain=advice.expected_relative_gain,
        forecast=[pb.HypervolumeForecast(**vars(one)) for one in advice.forecast],
        reference_point=point_to_proto(advice.reference_point),
        observation_count=advice.observation_count,
    )


def advice_from_proto(message: pb.ShouldStopResponse) -> StopAdvice:
    return StopAdvice(
        stop=message.stop,
        reason=message.reason,
        hypervolume=message.hypervolume,
        expected_relative_gain=message.expected_relative_gain,
        forecast=tuple(
            HypervolumeForecast(one.trials, one.mean, one.low, one.high) for one in message.forecast
        ),
        reference_point=_named(message.reference_point),
        observation_count=message.observation_count,
    )
