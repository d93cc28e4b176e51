"""Leases: who may report on a suggestion, and for how long.

The fence decides, not the time: a report is taken when it carries the fence of the row, in the transaction
that writes it. Time only decides when a silent holder loses the lease, in `expire`.
"""

from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from sqlite_utils import Database

from paretune import wire
from paretune.errors import Aborted, FailedPrecondition
from paretune.experiment import ExperimentState
from paretune.observation import SuggestionState
from paretune.parameters import Assignments
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store.clock import SECOND
from paretune_store.suggestions import (
    CANCELLED,
    LEASED,
    LOST,
    QUEUED,
    SELECT,
    SuggestionRecord,
    check_active,
    find_suggestion,
    insert,
    move,
)
from paretune_store.transaction import ExperimentRecord, Transaction, timestamp

EXPIRE_AT_ONCE = 200
"""Leases expired per transaction, so that a mass expiry does not hold up everybody else."""

_NEXT_QUEUED = SELECT + "WHERE experiment = ? AND state = 1 ORDER BY attempt, ordinal LIMIT ?"
_EXPIRED = SELECT + "WHERE state = 2 AND expires <= ? ORDER BY expires LIMIT ?"


def lease(tx: Transaction, request: pb.LeaseSuggestionsRequest) -> pb.LeaseSuggestionsResponse:
    """LeaseSuggestions: see store.proto."""
    experiment = tx.experiment(request.experiment_id)
    check_active(experiment)
    wanted = _wanted(tx, experiment, request)
    # Least tried first: what a person queued comes next, and what keeps killing its workers last.
    rows = tx.db.execute(_NEXT_QUEUED, (experiment.key, wanted)).fetchall()
    records = [SuggestionRecord(*row) for row in rows]
    needed = wanted - len(records)
    proposals = request.proposals[:needed]
    if request.all_or_nothing and len(proposals) < needed:
        return pb.LeaseSuggestionsResponse(missing=needed, event_sequence=experiment.last_event)
    if proposals:
        records += _record_proposals(tx, experiment, proposals, request.first_ordinal)
    ttl = _ttl(tx, experiment)
    for record in records:
        record.attempt += 1
        record.worker, record.fence, record.expires = request.worker, tx.new_fence(), tx.steady + ttl
        move(tx, experiment, record, LEASED)
    if tx.caller.token:
        held = [(tx.caller.token, record.key) for record in records]
        tx.db.conn.executemany("UPDATE suggestions SET holder = ? WHERE key = ?", held)
    return pb.LeaseSuggestionsResponse(
        suggestions=[record.message() for record in records], event_sequence=experiment.last_event
    )


def lease_identity(request: pb.LeaseSuggestionsRequest) -> pb.LeaseSuggestionsRequest:
    """The fields of a lease request that a retry must repeat."""
    return pb.LeaseSuggestionsRequest(
        experiment_id=request.experiment_id,
        count=request.count or 1,
        worker=request.worker,
        within_budget=request.within_budget,
    )


def heartbeat(tx: Transaction, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
    """Heartbeat: see store.proto. The holder of a lease that was cancelled is told so, not refused."""
    record = find_suggestion(tx.db, request.suggestion_id)
    if record.state == CANCELLED and record.fence == request.fence:
        return pb.HeartbeatResponse(
            directive=pb.DIRECTIVE_CANCEL, expire_time=timestamp(record.updated), ttl=Duration()
        )
    check_holder(record, request.fence)
    experiment = tx.experiment_by_key(record.experiment)
    ttl = _ttl(tx, experiment)
    expires = tx.steady + ttl
    tx.db.execute("UPDATE suggestions SET expires = ? WHERE key = ?", (expires, record.key))
    if request.log_tail:
        told = (record.key, tx.now, request.log_tail)
        tx.db.execute("INSERT OR REPLACE INTO logs (suggestion, told, tail) VALUES (?, ?, ?)", told)
    return pb.HeartbeatResponse(
        directive=directive(experiment, record),
        expire_time=timestamp(expires),
        ttl=Duration(seconds=ttl // SECOND, nanos=ttl % SECOND * 1000),
    )


def release(tx: Transaction, request: pb.ReleaseSuggestionRequest) -> pb.ReleaseSuggestionResponse:
    """ReleaseSuggestion: see store.proto."""
    record = find_suggestion(tx.db, request.suggestion_id)
    check_holder(record, request.fence)
    record.fence = None
    move(tx, tx.experiment_by_key(record.experiment), record, QUEUED)
    return pb.ReleaseSuggestionResponse(suggestion=record.message())


def cancel(tx: Transaction, request: pb.CancelSuggestionRequest) -> pb.CancelSuggestionResponse:
    """CancelSuggestion: see store.proto."""
    record = find_suggestion(tx.db, request.suggestion_id)
    check_open(record)
    move(tx, tx.experiment_by_key(record.experiment), record, CANCELLED)
    return pb.CancelSuggestionResponse(suggestion=record.message())


def stop(tx: Transaction, request: pb.StopSuggestionRequest) -> pb.StopSuggestionResponse:
    """StopSuggestion: see store.proto."""
    record = find_suggestion(tx.db, request.suggestion_id)
    check_open(record)
    if record.state != LEASED or request.attempt not in (0, record.attempt):
        what = f"attempt {record.attempt} holds it" if record.state == LEASED else "nobody holds it"
        raise FailedPrecondition(
            f"The suggestion {record.id!r} cannot be stopped: {what}.",
            reason="STALE_LEASE",
            metadata={"suggestion": record.id, "attempt": str(record.attempt)},
        )
    if not record.stop_reason:
        record.stop_reason = request.reason
        move(tx, tx.experiment_by_key(record.experiment), record, LEASED)
    return pb.StopSuggestionResponse(suggestion=record.message())


def expire(tx: Transaction) -> int:
    """Queue again, or give up as LOST, what silent holders held; the number of leases ended."""
    rows = tx.db.execute(_EXPIRED, (tx.steady, EXPIRE_AT_ONCE)).fetchall()
    for row in rows:
        record = SuggestionRecord(*row)
        experiment = tx.experiment_by_key(record.experiment)
        record.expirations += 1
        record.fence = None
        spent = record.expirations >= tx.vocabulary.of(experiment).lease_policy.max_attempts
        move(tx, experiment, record, LOST if spent else QUEUED)
    return len(rows)


def next_expiry(db: Database) -> int | None:
    """When the next lease expires, on the steady clock; None when nothing is leased."""
    (time,) = db.execute("SELECT min(expires) FROM suggestions WHERE state = 2").fetchone()
    return time  # type: ignore[no-any-return]


def anchor(tx: Transaction) -> None:
    """At start: no lease lasts longer than its whole ttl from now, however the machine's clock was set back.

    A clock that was set forward, or an outage longer than the ttl, ends leases early; that costs an attempt.
    """
    rows = tx.db.execute(SELECT + "WHERE state = 2 AND expires > ?", (tx.steady,)).fetchall()
    for row in rows:
        record = SuggestionRecord(*row)
        latest = tx.steady + _ttl(tx, tx.experiment_by_key(record.experiment))
        if record.expires is not None and record.expires > latest:
            tx.db.execute("UPDATE suggestions SET expires = ? WHERE key = ?", (latest, record.key))


def forget_leases(tx: Transaction) -> None:
    """Queue again whatever is leased: in a restored copy, what its holders did since is missing."""
    for row in tx.db.execute(SELECT + "WHERE state = 2 ORDER BY key").fetchall():
        record = SuggestionRecord(*row)
        record.fence = None
        move(tx, tx.experiment_by_key(record.experiment), record, QUEUED)


def check_open(record: SuggestionRecord) -> None:
    """Refuse suggestions whose state is final."""
    state = SuggestionState(record.state)
    if state.final:
        raise FailedPrecondition(
            f"The suggestion {record.id!r} is {state.name}; it takes no more reports.",
            reason="SUGGESTION_FINISHED",
            metadata={"suggestion": record.id, "state": state.name},
        )


def check_holder(record: SuggestionRecord, fence: str) -> None:
    """Refuse whoever does not hold the lease of an open suggestion."""
    check_open(record)
    if record.state != LEASED or record.fence != fence:
        what = "another attempt holds it" if record.state == LEASED else "the lease expired"
        raise FailedPrecondition(
            f"The lease of suggestion {record.id!r} is not yours (any more): {what}. Drop this training.",
            reason="STALE_LEASE",
            metadata={"suggestion": record.id, "attempt": str(record.attempt)},
        )


def directive(experiment: ExperimentRecord, record: SuggestionRecord) -> pb.Directive.ValueType:
    """What the holder of a suggestion should do."""
    if record.stop_reason:
        return pb.DIRECTIVE_STOP_EARLY
    active = experiment.state == ExperimentState.ACTIVE.value
    return pb.DIRECTIVE_CONTINUE if active else pb.DIRECTIVE_PAUSE


def _wanted(tx: Transaction, experiment: ExperimentRecord, request: pb.LeaseSuggestionsRequest) -> int:
    """How many to hand out: all, or with `within_budget` what observed and leased ones leave."""
    wanted = request.count or 1
    budget = tx.vocabulary.of(experiment).observation_budget
    if not request.within_budget or not budget:
        return wanted
    counts = experiment.counts
    room = budget - counts["observations"] - counts["leased"]
    if room > 0:
        return min(wanted, room)
    open_ = counts["queued"] + counts["leased"]
    raise FailedPrecondition(
        f"The experiment {experiment.id!r} has {counts['observations']} observations and {open_} open "
        f"suggestions for a budget of {budget}; raise observation_budget to go on.",
        reason="BUDGET_EXHAUSTED",
        metadata={"budget": str(budget), "observed": str(counts["observations"]), "open": str(open_)},
    )


def _record_proposals(
    tx: Transaction, experiment: ExperimentRecord, proposals: Sequence[pb.Proposal], first_ordinal: int
) -> list[SuggestionRecord]:
    """New suggestions, QUEUED and not yet announced: the caller leases them at once."""
    expected = experiment.last_ordinal + 1
    if first_ordinal != expected:
        raise Aborted(
            f"Place {first_ordinal} of experiment {experiment.id!r} is not the next one; {expected} is.",
            reason="ORDINAL_TAKEN",
            metadata={"experiment": experiment.id, "next": str(expected)},
        )
    space = tx.vocabulary.of(experiment).space

    def read(proposal: pb.Proposal) -> tuple[Assignments, types_pb2.Provenance]:
        assignments = wire.assignments_from_proto(proposal.assignments, space)
        return assignments, wire.provenance_to_proto(wire.provenance_from_proto(proposal.provenance))

    return [
        insert(
            tx,
            experiment,
            types_pb2.Suggestion(assignments=wire.assignments_to_proto(assignments), provenance=provenance),
        )
        for assignments, provenance in wire.each(read, proposals, "proposals")
    ]


def _ttl(tx: Transaction, experiment: ExperimentRecord) -> int:
    """Microseconds that a worker of this experiment may be silent."""
    return round(tx.vocabulary.of(experiment).lease_policy.ttl * SECOND)
