"""Which function answers which request, and what a retry gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from sqlite_utils import Database

from paretune.access import Caller
from paretune.errors import ParetuneError
from paretune.v1 import store_pb2 as pb
from paretune_store import (
    amendments,
    checkpoints,
    experiments,
    info,
    leases,
    nodes,
    observations,
    suggestions,
    transfer,
)
from paretune_store.replies import digest_of, first_reply, keep_reply
from paretune_store.scope import check_scope
from paretune_store.transaction import Transaction

FEW = 8
"""Suggestions that a brief request leases at most."""


@dataclass(frozen=True)
class Command:
    """How one mutating request is carried out.

    Attributes:
        apply: does it.
        identity: the part of the request that a retry must repeat.
        keep: whether a reply is the answer for ever, or only said what is missing.
        brief: whether it takes a fraction of a millisecond; see `Writer.submit`.
    """

    apply: Callable[[Transaction, Any], Message]
    identity: Callable[[Any], Message] = lambda request: request
    keep: Callable[[Any], bool] = lambda reply: True
    brief: Callable[[Any], bool] = lambda request: False


def _always(request: Any) -> bool:
    return True


def _few(request: pb.LeaseSuggestionsRequest) -> bool:
    return max(request.count, len(request.proposals)) <= FEW


COMMANDS: dict[type[Message], Command] = {
    pb.CreateExperimentRequest: Command(experiments.create),
    pb.UpdateExperimentRequest: Command(experiments.update),
    pb.DeleteExperimentRequest: Command(experiments.delete),
    pb.LeaseSuggestionsRequest: Command(
        leases.lease, identity=leases.lease_identity, keep=lambda reply: not reply.missing, brief=_few
    ),
    pb.QueueSuggestionRequest: Command(suggestions.queue, brief=_always),
    pb.HeartbeatRequest: Command(leases.heartbeat, brief=_always),
    pb.ReleaseSuggestionRequest: Command(leases.release, brief=_always),
    pb.CancelSuggestionRequest: Command(leases.cancel, brief=_always),
    pb.StopSuggestionRequest: Command(leases.stop, brief=_always),
    pb.ObserveRequest: Command(observations.observe, brief=_always),
    pb.ObserveBatchRequest: Command(observations.observe_batch),
    pb.AmendObservationRequest: Command(amendments.amend),
    pb.RecordCheckpointsRequest: Command(checkpoints.record),
    pb.ReportNodeRequest: Command(nodes.report),
    pb.ImportRequest: Command(transfer.import_),
}

QUERIES: dict[type[Message], Callable[[Database, Any], Message]] = {
    pb.GetExperimentRequest: experiments.get,
    pb.ListExperimentsRequest: experiments.list_,
    pb.GetSuggestionRequest: suggestions.get,
    pb.ListSuggestionsRequest: suggestions.list_,
    pb.GetObservationRequest: observations.get,
    pb.ListObservationsRequest: observations.list_,
    pb.ListCheckpointsRequest: checkpoints.list_,
    pb.ListNodesRequest: nodes.list_,
    pb.GetInfoRequest: info.get,
}

Apply = Callable[[Transaction], bytes]


def prepare(request: Message, caller: Caller) -> Apply:
    """What carries a valid request out inside a transaction, and gives the reply, serialized.

    Whatever needs no transaction is done here, and not on the one thread that writes.
    """
    if isinstance(request, pb.LeaseSuggestionsBatchRequest):
        return _one_by_one([prepare(one, caller) for one in request.requests])
    command = COMMANDS[type(request)]
    request_id = getattr(request, "request_id", "")
    digest = digest_of(command.identity(request), caller.project) if request_id else b""

    def apply(tx: Transaction) -> bytes:
        tx.caller = caller
        check_scope(tx.db, request, caller)
        if request_id and (known := first_reply(tx, request_id, digest)) is not None:
            return known
        reply = command.apply(tx, request)
        response = reply.SerializeToString(deterministic=True)
        if request_id and command.keep(reply):
            keep_reply(tx, request_id, digest, response)
        return response

    return apply


def is_brief(request: Message) -> bool:
    """Whether a request takes a fraction of a millisecond; see `Writer.submit`."""
    if isinstance(request, pb.LeaseSuggestionsBatchRequest):
        return len(request.requests) <= FEW and all(map(_few, request.requests))
    return COMMANDS[type(request)].brief(request)


def _one_by_one(parts: Sequence[Apply]) -> Apply:
    """LeaseSuggestionsBatch: see store.proto. Had a refused part written something, all are refused."""

    def apply(tx: Transaction) -> bytes:
        reply = pb.LeaseSuggestionsBatchResponse()
        refusals: list[ParetuneError] = []
        for part in parts:
            before = tx.db.conn.total_changes
            try:
                response = part(tx)
            except ParetuneError as error:
                if tx.db.conn.total_changes != before:
                    raise
                refusals.append(error)
                reply.outcomes.add()
            else:
                reply.outcomes.add().response.MergeFromString(response)
        if len(refusals) == len(parts):
            raise refusals[0]
        return reply.SerializeToString(deterministic=True)

    return apply
