"""Suggestions, observations and fronts, to and from messages."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.wrappers_pb2 import DoubleValue

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, Policy
from paretune.observation import (
    Amendment,
    Checkpoint,
    Event,
    FailureReason,
    Lease,
    MetricPrediction,
    MetricValue,
    Observation,
    Outcome,
    OutcomeKind,
    ParetoFront,
    ParetoPoint,
    Prediction,
    ProbabilitySource,
    Proposal,
    Provenance,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Scalar
from paretune.v1 import optimizer_pb2, store_pb2, types_pb2
from paretune.wire.experiment import experiment_from_proto, experiment_to_proto
from paretune.wire.values import (
    assignments_from_proto,
    assignments_to_proto,
    duration_from_proto,
    duration_to_proto,
    each,
    enum_from_proto,
    enum_to_proto,
    time_from_proto,
    time_to_proto,
)

# Suggestions


def provenance_to_proto(provenance: Provenance) -> types_pb2.Provenance:
    known = provenance.feasibility is not None
    return types_pb2.Provenance(
        policy=enum_to_proto(provenance.policy),
        observation_count=provenance.observation_count,
        seed=provenance.seed,
        model_age=duration_to_proto(provenance.model_age),
        predictions=[types_pb2.MetricPrediction(**vars(p)) for p in provenance.predictions],
        feasibility=DoubleValue(value=provenance.feasibility) if known else None,
        fallback_reason=provenance.fallback_reason,
        repeats=provenance.repeats,
    )


def provenance_from_proto(message: types_pb2.Provenance) -> Provenance:
    return Provenance(
        policy=enum_from_proto(Policy, message.policy, "policy") if message.policy else None,
        observation_count=message.observation_count,
        seed=message.seed,
        model_age=duration_from_proto(message.model_age),
        predictions=tuple(MetricPrediction(p.metric, p.mean, p.stddev) for p in message.predictions),
        feasibility=message.feasibility.value if message.HasField("feasibility") else None,
        fallback_reason=message.fallback_reason,
        repeats=message.repeats,
    )


def proposal_to_proto(proposal: Proposal) -> store_pb2.Proposal:
    return store_pb2.Proposal(
        assignments=assignments_to_proto(proposal.assignments),
        provenance=provenance_to_proto(proposal.provenance),
    )


def suggestion_to_proto(suggestion: Suggestion) -> types_pb2.Suggestion:
    lease = suggestion.lease
    return types_pb2.Suggestion(
        id=suggestion.id,
        experiment_id=suggestion.experiment_id,
        ordinal=suggestion.ordinal,
        assignments=assignments_to_proto(suggestion.assignments),
        state=enum_to_proto(suggestion.state),
        attempt=suggestion.attempt,
        lease=types_pb2.Lease(
            worker=lease.worker, fence=lease.fence, expire_time=time_to_proto(lease.expire_time)
        )
        if lease
        else None,
        provenance=provenance_to_proto(suggestion.provenance),
        metadata=suggestion.metadata,
        create_time=time_to_proto(suggestion.create_time),
        update_time=time_to_proto(suggestion.update_time),
        stop_reason=suggestion.stop_reason,
    )


def suggestion_from_proto(message: types_pb2.Suggestion) -> Suggestion:
    expires = time_from_proto(message.lease, "expire_time")
    return Suggestion(
        id=message.id,
        experiment_id=message.experiment_id,
        ordinal=message.ordinal,
        assignments=assignments_from_proto(message.assignments),
        state=enum_from_proto(SuggestionState, message.state, "state"),
        attempt=message.attempt,
        lease=Lease(message.lease.worker, message.lease.fence, expires) if expires else None,
        provenance=provenance_from_proto(message.provenance),
        metadata=dict(message.metadata),
        create_time=time_from_proto(message, "create_time"),
        update_time=time_from_proto(message, "update_time"),
        stop_reason=message.stop_reason,
    )


# Observations


def metric_value_to_proto(value: MetricValue) -> types_pb2.MetricValue:
    stddev = None if value.stddev is None else DoubleValue(value=value.stddev)
    return types_pb2.MetricValue(metric=value.metric, value=value.value, stddev=stddev)


def metric_value_from_proto(message: types_pb2.MetricValue) -> MetricValue:
    stddev = message.stddev.value if message.HasField("stddev") else None
    return MetricValue(message.metric, message.value, stddev)


def outcome_to_proto(outcome: Outcome) -> types_pb2.Outcome:
    return types_pb2.Outcome(
        kind=enum_to_proto(outcome.kind),
        reason=outcome.reason,
        failure=enum_to_proto(outcome.failure),
        step=outcome.step,
    )


def outcome_from_proto(message: types_pb2.Outcome) -> Outcome:
    return Outcome(
        enum_from_proto(OutcomeKind, message.kind or OutcomeKind.OK.value, "kind"),
        message.reason,
        enum_from_proto(FailureReason, message.failure, "failure"),
        message.step,
    )


def amendment_to_proto(amendment: Amendment) -> types_pb2.Amendment:
    return types_pb2.Amendment(
        former_values=map(metric_value_to_proto, amendment.former_values),
        former_outcome=outcome_to_proto(amendment.former_outcome),
        reason=amendment.reason,
        author=amendment.author,
        token=amendment.token,
        create_time=time_to_proto(amendment.create_time),
    )


def amendment_from_proto(message: types_pb2.Amendment) -> Amendment:
    return Amendment(
        former_values=tuple(each(metric_value_from_proto, message.former_values, "former_values")),
        former_outcome=outcome_from_proto(message.former_outcome),
        reason=message.reason,
        author=message.author,
        token=message.token,
        create_time=time_from_proto(message, "create_time"),
    )


def observation_to_proto(observation: Observation) -> types_pb2.Observation:
    return types_pb2.Observation(
        id=observation.id,
        experiment_id=observation.experiment_id,
        ordinal=observation.ordinal,
        suggestion_id=observation.suggestion_id,
        assignments=assignments_to_proto(observation.assignments),
        values=map(metric_value_to_proto, observation.values),
        outcome=outcome_to_proto(observation.outcome),
        metadata=observation.metadata,
        worker=observation.worker,
        attempt=observation.attempt,
        start_time=time_to_proto(observation.start_time),
        create_time=time_to_proto(observation.create_time),
        amendments=map(amendment_to_proto, observation.amendments),
    )


def observation_from_proto(message: types_pb2.Observation) -> Observation:
    try:
        outcome = outcome_from_proto(message.outcome)
    except InvalidArgument as error:
        raise error.under("outcome") from None
    return Observation(
        assignments=assignments_from_proto(message.assignments),
        values=tuple(each(metric_value_from_proto, message.values, "values")),
        outcome=outcome,
        id=message.id,
        experiment_id=message.experiment_id,
        ordinal=message.ordinal,
        suggestion_id=message.suggestion_id,
        metadata=dict(message.metadata),
        worker=message.worker,
        attempt=message.attempt,
        start_time=time_from_proto(message, "start_time"),
        create_time=time_from_proto(message, "create_time"),
        amendments=tuple(each(amendment_from_proto, message.amendments, "amendments")),
    )


def checkpoint_to_proto(checkpoint: Checkpoint) -> types_pb2.Checkpoint:
    return types_pb2.Checkpoint(
        suggestion_id=checkpoint.suggestion_id,
        step=checkpoint.step,
        values=map(metric_value_to_proto, checkpoint.values),
        attempt=checkpoint.attempt,
        create_time=time_to_proto(checkpoint.create_time),
    )


def checkpoint_from_proto(message: types_pb2.Checkpoint) -> Checkpoint:
    return Checkpoint(
        suggestion_id=message.suggestion_id,
        step=message.step,
        values=tuple(each(metric_value_from_proto, message.values, "values")),
        attempt=message.attempt,
        create_time=time_from_proto(message, "create_time"),
    )


# Fronts


def point_to_proto(values: Mapping[str, float]) -> list[types_pb2.MetricValue]:
    """A point in metric space, such as a reference point."""
    return [types_pb2.MetricValue(metric=name, value=value) for name, value in values.items()]


def pareto_point_to_proto(point: ParetoPoint) -> types_pb2.ParetoPoint:
    return types_pb2.ParetoPoint(
        observation=observation_to_proto(point.observation),
        probability_efficient=point.probability_efficient,
        hypervolume_contribution=point.hypervolume_contribution,
    )


def pareto_point_from_proto(message: types_pb2.ParetoPoint) -> ParetoPoint:
    return ParetoPoint(
        observation_from_proto(message.observation),
        message.probability_efficient,
        message.hypervolume_contribution,
    )


def front_to_proto(front: ParetoFront) -> types_pb2.ParetoFront:
    return types_pb2.ParetoFront(
        points=map(pareto_point_to_proto, front.points),
        hypervolume=front.hypervolume,
        reference_point=point_to_proto(front.reference_point),
        observation_count=front.observation_count,
        probability_source=enum_to_proto(front.probability_source),
    )


def front_from_proto(message: types_pb2.ParetoFront) -> ParetoFront:
    return ParetoFront(
        points=tuple(map(pareto_point_from_proto, message.points)),
        hypervolume=message.hypervolume,
        reference_point={value.metric: value.value for value in message.reference_point},
        observation_count=message.observation_count,
        # An older Optimizer does not say; it knew one source.
        probability_source=enum_from_proto(
            ProbabilitySource, message.probability_source or 1, "probability_source"
        ),
    )


def configuration_to_proto(assignments: Mapping[str, Scalar]) -> optimizer_pb2.Configuration:
    return optimizer_pb2.Configuration(assignments=assignments_to_proto(assignments))


def event_to_proto(event: Event) -> store_pb2.Event:
    message = store_pb2.Event(sequence=event.sequence, create_time=time_to_proto(event.create_time))
    change = event.change
    if isinstance(change, Experiment):
        message.experiment.CopyFrom(experiment_to_proto(change))
    elif isinstance(change, Suggestion):
        message.suggestion.CopyFrom(suggestion_to_proto(change))
    elif isinstance(change, Observation):
        message.observation.CopyFrom(observation_to_proto(change))
    else:
        message.checkpoint.CopyFrom(checkpoint_to_proto(change))
    return message


_CHANGES: dict[str, Any] = {
    "experiment": experiment_from_proto,
    "suggestion": suggestion_from_proto,
    "observation": observation_from_proto,
    "checkpoint": checkpoint_from_proto,
}


def event_from_proto(message: store_pb2.Event) -> Event:
    kind = message.WhichOneof("change")
    if kind is None:
        raise InvalidArgument.of("change", "is not set")
    change = _CHANGES[kind](getattr(message, kind))
    return Event(message.sequence, change, time_from_proto(message, "create_time"))


def prediction_to_proto(prediction: Prediction) -> optimizer_pb2.Prediction:
    efficient = prediction.probability_efficient
    return optimizer_pb2.Prediction(
        metrics=[types_pb2.MetricPrediction(**vars(p)) for p in prediction.metrics],
        feasibility=prediction.feasibility,
        probability_efficient=None if efficient is None else DoubleValue(value=efficient),
    )


def prediction_from_proto(message: optimizer_pb2.Prediction) -> Prediction:
    known = message.HasField("probability_efficient")
    return Prediction(
        tuple(MetricPrediction(p.metric, p.mean, p.stddev) for p in message.metrics),
        message.feasibility,
        message.probability_efficient.value if known else None,
    )
