"""What exists for a caller: the objects of its project; and for a trainer, the leases that its token took.

Runs inside the transaction, before the request is carried out: what is checked is what is changed.
"""

from typing import Any

from google.protobuf.message import Message
from sqlite_utils import Database

from paretune.access import Caller, Role
from paretune.errors import NotFound, PermissionDenied
from paretune.rpc.policy import ALL, ANY, POLICY, path_of
from paretune.v1 import store_pb2 as pb
from paretune_store.suggestions import LEASED

_SERVICE = pb.DESCRIPTOR.services_by_name["StoreService"]
_SCOPES = {method.input_type.full_name: POLICY[path_of(method)].scope for method in _SERVICE.methods}

_PROJECTS = {
    "experiment": "SELECT project FROM experiments WHERE id = ?",
    "suggestion": """SELECT project FROM experiments
        WHERE key = (SELECT experiment FROM suggestions WHERE id = ?)""",
    "observation": """SELECT project FROM experiments
        WHERE key = (SELECT experiment FROM observations WHERE id = ?)""",
}
_HOLDER = "SELECT holder, state, fence FROM suggestions WHERE id = ?"


def check_scope(db: Database, request: Message, caller: Caller) -> None:
    """Refuse what does not exist for the caller, in the words of a missing object.

    Raises:
        NotFound: the object belongs to another project.
        PermissionDenied: a trainer reports on what another token leased.
    """
    if caller.bound:
        kind, name = _named(request)
        row = db.execute(_PROJECTS[kind], (name,)).fetchone() if kind else None
        if row is not None and not caller.sees(row[0]):
            raise NotFound.of(kind, name)
    if caller.token and caller.role is Role.TRAINER:
        for suggestion_id, fence in _reported(request):
            _check_own(db, suggestion_id, fence, caller)


def narrowed(request: pb.ListExperimentsRequest, caller: Caller) -> pb.ListExperimentsRequest | None:
    """The list that the caller may see; None: an empty one."""
    if not caller.bound or request.project == caller.project:
        return request
    if request.project:
        return None
    mine = pb.ListExperimentsRequest()
    mine.CopyFrom(request)
    mine.project = caller.project
    return mine


def _named(request: Message) -> tuple[str, str]:
    """Kind and id of what the request is about; two empty texts when it names nothing."""
    scope = _SCOPES[request.DESCRIPTOR.full_name]
    if scope in (ANY, ALL):
        return "", ""
    found: Any = request
    for field in scope.split("."):
        found = getattr(found, field)
    last = scope.rpartition(".")[2]
    return "experiment" if last == "id" else last.removesuffix("_id"), found


def _reported(request: Message) -> list[tuple[str, str]]:
    """The suggestions on which a request reports, with the fences; an empty id for a report without one."""
    if isinstance(request, pb.HeartbeatRequest | pb.ReleaseSuggestionRequest | pb.RecordCheckpointsRequest):
        return [(request.suggestion_id, request.fence)]
    if isinstance(request, pb.ObserveRequest):
        return [(request.observation.suggestion_id, request.fence)]
    if isinstance(request, pb.ObserveBatchRequest):
        return [(one.observation.suggestion_id, one.fence) for one in request.requests]
    return []


def _check_own(db: Database, suggestion_id: str, fence: str, caller: Caller) -> None:
    if not suggestion_id:
        raise _not_yours(
            caller, "name the suggestion_id; results of other configurations need the role write"
        )
    row = db.execute(_HOLDER, (suggestion_id,)).fetchone()
    if row is None or row[0] == caller.token:
        return
    # A fence that is not that of a live lease changes nothing. Who held it hears that the lease is lost,
    # or the first reply to what it repeats, also when another token or its own new one came since.
    if fence and (row[1], row[2]) != (LEASED, fence):
        return
    raise _not_yours(caller, f"{suggestion_id!r} was not leased with it")


def _not_yours(caller: Caller, why: str) -> PermissionDenied:
    return PermissionDenied(
        f"The token {caller.token} has the role trainer and may report on its own leases only: {why}.",
        reason="PERMISSION_DENIED",
        metadata={"token": caller.token, "role": caller.role.word, "needed": Role.WRITE.word},
    )
