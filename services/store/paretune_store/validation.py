"""One pure check for every request: all that can be said without looking at what is recorded.

It runs before a request is queued, so that what is wrong at any time costs no transaction. What depends on
the experiment (which metrics there are, which values fit) is checked by the command, inside its transaction.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from paretune import wire
from paretune.errors import InvalidArgument, Violation
from paretune.experiment import check_texts
from paretune.limits import MAX_LOG_BYTES, MAX_MANY
from paretune.parameters import check_name
from paretune.rpc.checks import (
    Validators,
    check_ids,
    check_many,
    check_reason,
    check_request,
    check_required,
    check_worker,
    required,
)
from paretune.v1 import store_pb2 as pb
from paretune_store import pages
from paretune_store.experiments import UPDATABLE


def validate(request: Message) -> None:
    """Refuse a request that is wrong whatever is recorded.

    Raises:
        InvalidArgument: with the path of every field that was found wrong.
    """
    check_request(request, VALIDATORS)


def _experiment(request: pb.CreateExperimentRequest) -> None:
    check_ids(request.experiment, "experiment.")


def _update(request: pb.UpdateExperimentRequest) -> None:
    check_ids(request.experiment, "experiment.")
    if not request.experiment.id:
        raise InvalidArgument.of("experiment.id", "is required")
    paths = request.update_mask.paths
    if not paths:
        raise InvalidArgument.of("update_mask", f"is required: name some of {', '.join(UPDATABLE)}")
    wrong = [
        Violation(f"update_mask.paths[{i}]", f"{path!r} cannot be changed; {', '.join(UPDATABLE)} can")
        for i, path in enumerate(paths)
        if path not in UPDATABLE
    ]
    if wrong:
        raise InvalidArgument(violations=wrong)


def _lease(request: pb.LeaseSuggestionsRequest) -> None:
    check_required(request, "experiment_id", "worker")
    check_worker(request.worker)
    if not 0 <= request.count <= MAX_MANY:
        raise InvalidArgument.of("count", f"is {request.count}; it must be 1 to {MAX_MANY} (0: 1)")
    if len(request.proposals) > MAX_MANY:
        raise InvalidArgument.of("proposals", f"has {len(request.proposals)}; at most {MAX_MANY} are allowed")
    if request.proposals and request.first_ordinal < 1:
        raise InvalidArgument.of("first_ordinal", "is required with proposals: the ordinal of the first")


def _lease_batch(request: pb.LeaseSuggestionsBatchRequest) -> None:
    check_required(request, "experiment_id")
    check_many(request.requests, "requests")

    def check(one: pb.LeaseSuggestionsRequest) -> None:
        validate(one)
        if one.experiment_id != request.experiment_id:
            raise InvalidArgument.of("experiment_id", f"must be {request.experiment_id!r}")

    wire.each(check, request.requests, "requests")


def _queue(request: pb.QueueSuggestionRequest) -> None:
    check_required(request, "experiment_id")
    check_texts(request.metadata, "metadata")


def _stop(request: pb.StopSuggestionRequest) -> None:
    check_required(request, "suggestion_id", "reason")
    check_reason(request.reason)


def _observe(request: pb.ObserveRequest) -> None:
    check_required(request.observation, "experiment_id")
    check_ids(request.observation, "observation.")


def _observe_batch(request: pb.ObserveBatchRequest) -> None:
    check_required(request, "experiment_id")
    check_many(request.requests, "requests")
    for index, one in enumerate(request.requests):
        path = f"requests[{index}]"
        check_ids(one, f"{path}.")
        check_ids(one.observation, f"{path}.observation.")
        if one.request_id:
            raise InvalidArgument.of(f"{path}.request_id", "must be empty: the batch has one")
        if one.observation.experiment_id not in ("", request.experiment_id):
            raise InvalidArgument.of(f"{path}.experiment_id", f"must be {request.experiment_id!r}")


def _heartbeat(request: pb.HeartbeatRequest) -> None:
    check_required(request, "suggestion_id", "fence")
    if (size := len(request.log_tail.encode())) > MAX_LOG_BYTES:
        raise InvalidArgument.of("log_tail", f"has {size} bytes; send the last {MAX_LOG_BYTES} at most")


def _amend(request: pb.AmendObservationRequest) -> None:
    check_required(request, "observation_id", "reason")
    check_reason(request.reason)
    if request.author:
        check_name(request.author, "author")


def _checkpoints(request: pb.RecordCheckpointsRequest) -> None:
    check_required(request, "suggestion_id", "fence")
    check_many(request.checkpoints, "checkpoints")


def _page(*fields: str) -> Callable[[Any], None]:
    def check(request: Any) -> None:
        check_required(request, *fields)
        pages.page_size(request.page_size)

    return check


def _node(request: pb.ReportNodeRequest) -> None:
    check_worker(request.node.worker, "node.worker")


def _records(request: pb.ImportRequest) -> None:
    check_many(request.records, "records")


VALIDATORS: Validators = {
    pb.CreateExperimentRequest: _experiment,
    pb.GetExperimentRequest: required("experiment_id"),
    pb.ListExperimentsRequest: _page(),
    pb.UpdateExperimentRequest: _update,
    pb.DeleteExperimentRequest: required("experiment_id"),
    pb.LeaseSuggestionsRequest: _lease,
    pb.LeaseSuggestionsBatchRequest: _lease_batch,
    pb.QueueSuggestionRequest: _queue,
    pb.HeartbeatRequest: _heartbeat,
    pb.ReleaseSuggestionRequest: required("suggestion_id", "fence"),
    pb.CancelSuggestionRequest: required("suggestion_id"),
    pb.StopSuggestionRequest: _stop,
    pb.GetSuggestionRequest: required("suggestion_id"),
    pb.ListSuggestionsRequest: _page("experiment_id"),
    pb.ObserveRequest: _observe,
    pb.ObserveBatchRequest: _observe_batch,
    pb.AmendObservationRequest: _amend,
    pb.GetObservationRequest: required("observation_id"),
    pb.ListObservationsRequest: _page("experiment_id"),
    pb.RecordCheckpointsRequest: _checkpoints,
    pb.ListCheckpointsRequest: _page("suggestion_id"),
    pb.ReportNodeRequest: _node,
    pb.ListNodesRequest: required(),
    pb.WatchRequest: required("experiment_id"),
    pb.ExportRequest: required("experiment_id"),
    pb.ImportRequest: _records,
    pb.BackupRequest: required(),
    pb.GetInfoRequest: required(),
}
"""Every request of StoreService; a test compares it with the descriptor."""
