"""What the verbs about results send and how they read the replies; they are described at `InsightVerbs`."""

from collections.abc import Mapping, Sequence

from google.protobuf.wrappers_pb2 import DoubleValue

from paretune import wire
from paretune.client.call import Call
from paretune.client.calls import OPTIMIZER
from paretune.errors import InvalidArgument
from paretune.insight import Attainment, AttainmentSource, Importance, Recommendation, Robustness, StopAdvice
from paretune.parameters import unknown_name
from paretune.v1 import optimizer_pb2 as pb


def source_of(source: AttainmentSource | str | None) -> AttainmentSource | None:
    """The source with this name, in any case; None: the Optimizer chooses.

    Raises:
        InvalidArgument: there is none.
    """
    if source is None or isinstance(source, AttainmentSource):
        return source
    known = {member.name.lower(): member for member in AttainmentSource}
    if str(source).lower() not in known:
        raise InvalidArgument.of("source", unknown_name("source", str(source), known))
    return known[str(source).lower()]


def attainment(  # noqa: D103
    experiment_id: str,
    levels: Sequence[float],
    source: AttainmentSource | str | None,
    samples: int,
    sample_size: int,
    reference_point: Mapping[str, float] | None,
) -> Call[Attainment]:
    request = pb.GetAttainmentRequest(
        experiment_id=experiment_id,
        source=wire.enum_to_proto(source_of(source)),
        levels=levels,
        samples=samples,
        sample_size=sample_size,
        reference_point=wire.point_to_proto(reference_point or {}),
    )
    return Call(f"/{OPTIMIZER}/GetAttainment", request, pb.GetAttainmentResponse, wire.attainment_from_proto)


def importance(experiment_id: str) -> Call[Importance]:  # noqa: D103
    request = pb.GetImportanceRequest(experiment_id=experiment_id)
    return Call(f"/{OPTIMIZER}/GetImportance", request, pb.GetImportanceResponse, wire.importance_from_proto)


def robustness(  # noqa: D103
    experiment_id: str, radius: float, slack: float, categories: bool
) -> Call[Robustness]:
    request = pb.GetRobustnessRequest(
        experiment_id=experiment_id,
        radius=DoubleValue(value=radius),
        slack=DoubleValue(value=slack),
        categories=categories,
    )
    return Call(f"/{OPTIMIZER}/GetRobustness", request, pb.GetRobustnessResponse, wire.robustness_from_proto)


def recommend(  # noqa: D103
    experiment_id: str,
    weights: Mapping[str, float] | None,
    metric: str,
    limits: Mapping[str, float] | None,
) -> Call[Recommendation]:
    if weights is not None and (metric or limits is not None):
        raise InvalidArgument.of("weights", "go without `metric` and `limits`: choose by one or the other")
    request = wire.preference_to_proto(weights, metric, limits)
    request.experiment_id = experiment_id
    return Call(f"/{OPTIMIZER}/Recommend", request, pb.RecommendResponse, wire.recommendation_from_proto)


def should_stop(  # noqa: D103
    experiment_id: str, trials: int, threshold: float, reference_point: Mapping[str, float] | None
) -> Call[StopAdvice]:
    request = pb.ShouldStopRequest(
        experiment_id=experiment_id,
        trials=trials,
        threshold=DoubleValue(value=threshold),
        reference_point=wire.point_to_proto(reference_point or {}),
    )
    return Call(f"/{OPTIMIZER}/ShouldStop", request, pb.ShouldStopResponse, wire.advice_from_proto)
