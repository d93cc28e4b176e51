"""What each verb of a client sends and how it reads the reply: the part that blocking and asyncio share.

Building a `Call` or `Pages` checks its arguments; nothing is sent until a client runs it, as often as it
takes: a mutating request carries its `request_id`. The verbs are described at `paretune.client.Client`.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from getpass import getuser
from typing import Any, TypeVar

from paretune import wire
from paretune.client.call import Call, Pages, default_worker
from paretune.client.report import metric_values
from paretune.client.scalars import plain_assignments
from paretune.errors import InvalidArgument, Violation
from paretune.experiment import Experiment, ExperimentState
from paretune.limits import MAX_MANY
from paretune.observation import (
    Checkpoint,
    Directive,
    Observation,
    Outcome,
    OutcomeKind,
    ParetoFront,
    Prediction,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Scalar, check_whole
from paretune.rpc.channel import new_request_id
from paretune.v1 import optimizer_pb2, store_pb2, types_pb2

T = TypeVar("T")

STORE = "paretune.v1.StoreService"
OPTIMIZER = "paretune.v1.OptimizerService"
PAGE_SIZE = 500


@dataclass(frozen=True)
class Heartbeat:
    """What a heartbeat brought back: what to do, and the seconds left until the lease expires."""

    directive: Directive
    ttl: float


def _store(name: str, request: Any, read: Callable[[Any], T]) -> Call[T]:
    return Call(f"/{STORE}/{name}", request, getattr(store_pb2, f"{name}Response"), read)


def _optimizer(name: str, request: Any, read: Callable[[Any], T]) -> Call[T]:
    return Call(f"/{OPTIMIZER}/{name}", request, getattr(optimizer_pb2, f"{name}Response"), read)


def _pages(name: str, request: Any, items: Callable[[Any], Iterable[T]]) -> Pages[T]:
    request.page_size = PAGE_SIZE
    return Pages(f"/{STORE}/{name}", request, getattr(store_pb2, f"{name}Response"), items)


# Experiments


def _experiment_of(reply: Any) -> Experiment:
    return wire.experiment_from_proto(reply.experiment)


def get_experiment(experiment_id: str) -> Call[Experiment]:  # noqa: D103
    return _store(
        "GetExperiment", store_pb2.GetExperimentRequest(experiment_id=experiment_id), _experiment_of
    )


def list_experiments(  # noqa: D103
    states: Iterable[ExperimentState], labels: Mapping[str, str] | None, name: str, project: str
) -> Pages[Experiment]:
    request = store_pb2.ListExperimentsRequest(
        states=[wire.enum_to_proto(state) for state in states],
        labels=labels or {},
        name=name,
        project=project,
    )
    return _pages(
        "ListExperiments", request, lambda reply: map(wire.experiment_from_proto, reply.experiments)
    )


def create_experiment(experiment: Experiment, request_id: str | None) -> Call[Experiment]:  # noqa: D103
    request = store_pb2.CreateExperimentRequest(
        experiment=wire.experiment_to_proto(experiment), request_id=request_id or new_request_id()
    )
    return _store("CreateExperiment", request, _experiment_of)


_UPDATES: dict[str, Callable[[Any], Any]] = {
    "name": str,
    "observation_budget": int,
    "parallelism": int,
    "remeasure": bool,
    "lease_policy": lambda policy: types_pb2.LeasePolicy(
        ttl=wire.duration_to_proto(policy.ttl), max_attempts=policy.max_attempts
    ),
    "metadata": dict,
    "labels": dict,
    "state": wire.enum_to_proto,
    "metrics": lambda metrics: [wire.metric_to_proto(metric) for metric in metrics],
    "early_stopping": lambda stopping: stopping and wire.early_stopping_to_proto(stopping),
}


def update_experiment(  # noqa: D103
    experiment_id: str, etag: str, changes: Mapping[str, Any], request_id: str | None
) -> Call[Experiment]:
    unknown = [name for name in changes if name not in _UPDATES]
    if unknown:
        raise InvalidArgument(
            violations=[
                Violation(name, f"cannot be changed; these can: {', '.join(_UPDATES)}") for name in unknown
            ]
        )
    fields = {name: _UPDATES[name](value) for name, value in changes.items()}
    request = store_pb2.UpdateExperimentRequest(
        experiment=types_pb2.Experiment(id=experiment_id, etag=etag, **fields),
        request_id=request_id or new_request_id(),
    )
    request.update_mask.paths.extend(changes)
    return _store("UpdateExperiment", request, _experiment_of)


def delete_experiment(experiment_id: str, etag: str, request_id: str | None) -> Call[None]:  # noqa: D103
    request = store_pb2.DeleteExperimentRequest(
        experiment_id=experiment_id, etag=etag, request_id=request_id or new_request_id()
    )
    return _store("DeleteExperiment", request, lambda _: None)


# Suggestions


def _suggestion_of(reply: Any) -> Suggestion:
    return wire.suggestion_from_proto(reply.suggestion)


def suggest(  # noqa: D103
    experiment_id: str,
    count: int,
    worker: str | None,
    within_budget: bool,
    compute_limit: float | None,
    request_id: str | None,
) -> Call[list[Suggestion]]:
    check_whole(count, 1, MAX_MANY, "count", f"from 1 to {MAX_MANY}")
    request = optimizer_pb2.SuggestRequest(
        experiment_id=experiment_id,
        count=count,
        worker=worker or default_worker(),
        within_budget=within_budget,
        compute_limit=None if compute_limit is None else wire.duration_to_proto(compute_limit),
        request_id=request_id or new_request_id(),
    )
    return _optimizer("Suggest", request, lambda r: [wire.suggestion_from_proto(s) for s in r.suggestions])


def queue(  # noqa: D103
    experiment_id: str,
    assignments: Mapping[str, Scalar],
    metadata: Mapping[str, str] | None,
    request_id: str | None,
) -> Call[Suggestion]:
    request = store_pb2.QueueSuggestionRequest(
        experiment_id=experiment_id,
        assignments=wire.assignments_to_proto(plain_assignments(assignments)),
        metadata=metadata or {},
        request_id=request_id or new_request_id(),
    )
    return _store("QueueSuggestion", request, _suggestion_of)


def _directive_of(reply: Any) -> Directive:
    return wire.enum_from_proto(Directive, reply.directive, "directive")


def heartbeat(suggestion_id: str, fence: str, log_tail: str = "") -> Call[Heartbeat]:  # noqa: D103
    request = store_pb2.HeartbeatRequest(suggestion_id=suggestion_id, fence=fence, log_tail=log_tail)
    return _store(
        "Heartbeat", request, lambda r: Heartbeat(_directive_of(r), wire.duration_from_proto(r.ttl))
    )


def release(suggestion_id: str, fence: str, request_id: str | None) -> Call[Suggestion]:  # noqa: D103
    request = store_pb2.ReleaseSuggestionRequest(
        suggestion_id=suggestion_id, fence=fence, request_id=request_id or new_request_id()
    )
    return _store("ReleaseSuggestion", request, _suggestion_of)


def cancel(suggestion_id: str, request_id: str | None) -> Call[Suggestion]:  # noqa: D103
    request = store_pb2.CancelSuggestionRequest(
        suggestion_id=suggestion_id, request_id=request_id or new_request_id()
    )
    return _store("CancelSuggestion", request, _suggestion_of)


def stop(suggestion_id: str, reason: str, attempt: int, request_id: str | None) -> Call[Suggestion]:  # noqa: D103
    request = store_pb2.StopSuggestionRequest(
        suggestion_id=suggestion_id, reason=reason, attempt=attempt, request_id=request_id or new_request_id()
    )
    return _store("StopSuggestion", request, _suggestion_of)


def get_suggestion(suggestion_id: str) -> Call[Suggestion]:  # noqa: D103
    return _store(
        "GetSuggestion", store_pb2.GetSuggestionRequest(suggestion_id=suggestion_id), _suggestion_of
    )


def list_suggestions(  # noqa: D103
    experiment_id: str, states: Iterable[SuggestionState]
) -> Pages[Suggestion]:
    request = store_pb2.ListSuggestionsRequest(
        experiment_id=experiment_id, states=[wire.enum_to_proto(state) for state in states]
    )
    return _pages(
        "ListSuggestions", request, lambda reply: map(wire.suggestion_from_proto, reply.suggestions)
    )


# Observations and checkpoints


def _observation_of(reply: Any) -> Observation:
    return wire.observation_from_proto(reply.observation)


def observe(observation: Observation, fence: str, request_id: str | None) -> Call[Observation]:  # noqa: D103
    request = store_pb2.ObserveRequest(
        observation=wire.observation_to_proto(observation),
        fence=fence,
        request_id=request_id or new_request_id(),
    )
    return _store("Observe", request, _observation_of)


def observe_batch(  # noqa: D103
    experiment_id: str,
    observations: Iterable[Observation | tuple[Observation, str]],
    request_id: str | None,
) -> Call[list[Observation]]:
    pairs = [(o, "") if isinstance(o, Observation) else o for o in observations]
    request = store_pb2.ObserveBatchRequest(
        experiment_id=experiment_id,
        requests=[
            store_pb2.ObserveRequest(observation=wire.observation_to_proto(observation), fence=fence)
            for observation, fence in pairs
        ],
        request_id=request_id or new_request_id(),
    )
    return _store("ObserveBatch", request, lambda r: [wire.observation_from_proto(o) for o in r.observations])


def amend(  # noqa: D103
    observation: Observation,
    values: Mapping[str, Any],
    outcome: Outcome | None,
    reason: str,
    author: str | None,
    request_id: str | None,
) -> Call[Observation]:
    kept = {value.metric: value for value in observation.values}
    amended = kept | {value.metric: value for value in metric_values(values)}
    request = store_pb2.AmendObservationRequest(
        observation_id=observation.id,
        values=map(wire.metric_value_to_proto, amended.values()),
        outcome=wire.outcome_to_proto(observation.outcome if outcome is None else outcome),
        reason=reason,
        author=_this_user() if author is None else author,
        amendment_count=len(observation.amendments),
        request_id=request_id or new_request_id(),
    )
    return _store("AmendObservation", request, _observation_of)


def _this_user() -> str:
    """Name of the user of this process, or the number: in a container it may have no name."""
    try:
        return getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return f"uid {os.getuid()}"


def get_observation(observation_id: str) -> Call[Observation]:  # noqa: D103
    return _store(
        "GetObservation", store_pb2.GetObservationRequest(observation_id=observation_id), _observation_of
    )


def list_observations(experiment_id: str, outcomes: Iterable[OutcomeKind]) -> Pages[Observation]:  # noqa: D103
    request = store_pb2.ListObservationsRequest(
        experiment_id=experiment_id, outcomes=[wire.enum_to_proto(kind) for kind in outcomes]
    )
    return _pages(
        "ListObservations", request, lambda reply: map(wire.observation_from_proto, reply.observations)
    )


def record_checkpoints(  # noqa: D103
    suggestion_id: str, fence: str, checkpoints: Iterable[Checkpoint]
) -> Call[Directive]:
    request = store_pb2.RecordCheckpointsRequest(
        suggestion_id=suggestion_id, fence=fence, checkpoints=map(wire.checkpoint_to_proto, checkpoints)
    )
    return _store("RecordCheckpoints", request, _directive_of)


def list_checkpoints(suggestion_id: str) -> Pages[Checkpoint]:  # noqa: D103
    request = store_pb2.ListCheckpointsRequest(suggestion_id=suggestion_id)
    return _pages(
        "ListCheckpoints", request, lambda reply: map(wire.checkpoint_from_proto, reply.checkpoints)
    )


def watch(experiment_id: str, resume_token: str, skip_checkpoints: bool) -> Call[Any]:  # noqa: D103
    request = store_pb2.WatchRequest(
        experiment_id=experiment_id, resume_token=resume_token, skip_checkpoints=skip_checkpoints
    )
    return Call(
        f"/{STORE}/Watch", request, store_pb2.WatchResponse, lambda r: map(wire.event_from_proto, r.events)
    )


# What the results mean


def pareto_front(  # noqa: D103
    experiment_id: str, as_of: int, slack: float, reference_point: Mapping[str, float] | None
) -> Call[ParetoFront]:
    request = optimizer_pb2.GetParetoFrontRequest(
        experiment_id=experiment_id,
        as_of_observation=as_of,
        slack=slack,
        reference_point=wire.point_to_proto(reference_point or {}),
    )
    return _optimizer("GetParetoFront", request, lambda reply: wire.front_from_proto(reply.front))


def hypervolume_history(  # noqa: D103
    experiment_id: str, reference_point: Mapping[str, float] | None
) -> Call[list[float]]:
    request = optimizer_pb2.GetHypervolumeHistoryRequest(
        experiment_id=experiment_id, reference_point=wire.point_to_proto(reference_point or {})
    )
    return _optimizer("GetHypervolumeHistory", request, lambda reply: list(reply.hypervolumes))


def predict(  # noqa: D103
    experiment_id: str, configurations: Iterable[Mapping[str, Scalar]]
) -> Call[list[Prediction]]:
    request = optimizer_pb2.PredictRequest(
        experiment_id=experiment_id,
        configurations=[wire.configuration_to_proto(plain_assignments(c)) for c in configurations],
    )
    return _optimizer("Predict", request, lambda r: [wire.prediction_from_proto(p) for p in r.predictions])
