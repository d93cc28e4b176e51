"""Suggestions as rows and as messages, and the calls that only read or queue them."""

import json
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from paretune import wire
from paretune.errors import FailedPrecondition, NotFound
from paretune.experiment import ExperimentState
from paretune.observation import SuggestionState
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store import pages
from paretune_store.transaction import (
    ExperimentRecord,
    Transaction,
    find_experiment,
    timestamp,
)

QUEUED, LEASED = SuggestionState.QUEUED.value, SuggestionState.LEASED.value
OBSERVED, CANCELLED = SuggestionState.OBSERVED.value, SuggestionState.CANCELLED.value
LOST = SuggestionState.LOST.value

COUNTER = {QUEUED: "queued", LEASED: "leased", CANCELLED: "cancelled", LOST: "lost"}
"""Counter of the experiment that each state belongs to; OBSERVED ones are counted as observations."""

HISTORY = 100
"""Changes of one suggestion that are told at most."""
_HISTORY = """SELECT sequence, body FROM events WHERE experiment = ? AND kind = 4 AND instr(body, ?) > 0
    ORDER BY sequence DESC LIMIT ?"""


@dataclass
class SuggestionRecord:
    """A row of suggestions."""

    key: int
    id: str
    experiment: int
    ordinal: int
    state: int
    attempt: int
    expirations: int
    worker: str | None
    fence: str | None
    expires: int | None
    updated: int
    stop_reason: str | None
    body: bytes

    def message(self) -> types_pb2.Suggestion:
        """The suggestion as the outside sees it."""
        message = types_pb2.Suggestion.FromString(self.body)
        message.state = self.state  # type: ignore[assignment]
        message.attempt = self.attempt
        message.update_time.CopyFrom(timestamp(self.updated))
        if self.state == LEASED:
            message.lease.worker, message.lease.fence = self.worker or "", self.fence or ""
            message.lease.expire_time.CopyFrom(timestamp(self.expires or 0))
            message.stop_reason = self.stop_reason or ""
        return message


SELECT = "SELECT key, id, experiment, ordinal, state, attempt, expirations, worker, fence, expires, updated, stop_reason, body FROM suggestions "  # noqa: E501
_BY_ID = SELECT + "WHERE id = ?"
_LISTED = (
    SELECT  # noqa: S608 - constants
    + """WHERE experiment = :experiment AND ordinal > :after
    AND (:states = '[]' OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY ordinal LIMIT :limit"""
)


def find_suggestion(db: Database, suggestion_id: str) -> SuggestionRecord:
    """The suggestion with this id.

    Raises:
        NotFound: there is none.
    """
    row = db.execute(_BY_ID, (suggestion_id,)).fetchone()
    if row is None:
        raise NotFound.of("suggestion", suggestion_id)
    return SuggestionRecord(*row)


def insert(tx: Transaction, experiment: ExperimentRecord, message: types_pb2.Suggestion) -> SuggestionRecord:
    """Record a new, QUEUED suggestion as the next of its experiment; the caller announces it.

    Args:
        tx: the transaction.
        experiment: where it belongs.
        message: assignments, provenance and metadata; everything else is set here.
    """
    experiment.last_ordinal += 1
    message.id, message.experiment_id = tx.new_id("s"), experiment.id
    message.ordinal = experiment.last_ordinal
    message.create_time.CopyFrom(timestamp(tx.now))
    body = message.SerializeToString(deterministic=True)
    cursor = tx.db.execute(
        "INSERT INTO suggestions (id, experiment, ordinal, state, updated, body) VALUES (?, ?, ?, ?, ?, ?)",
        (message.id, experiment.key, message.ordinal, QUEUED, tx.now, body),
    )
    experiment.counts["queued"] += 1
    key = int(cursor.lastrowid or 0)
    return SuggestionRecord(
        key, message.id, experiment.key, message.ordinal, QUEUED, 0, 0, None, None, None, tx.now, None, body
    )


def move(tx: Transaction, experiment: ExperimentRecord, record: SuggestionRecord, state: int) -> None:
    """Write a record back in another state, keep the experiment's counters, announce the change."""
    for counter, step in ((COUNTER.get(record.state), -1), (COUNTER.get(state), 1)):
        if counter:
            experiment.counts[counter] += step
    record.state, record.updated = state, tx.now
    if state != LEASED:
        record.expires = record.stop_reason = None
    tx.db.execute(
        "UPDATE suggestions SET state = ?, attempt = ?, expirations = ?, worker = ?, fence = ?, expires = ?,"
        " updated = ?, stop_reason = ? WHERE key = ?",
        (
            record.state,
            record.attempt,
            record.expirations,
            record.worker,
            record.fence,
            record.expires,
            record.updated,
            record.stop_reason,
            record.key,
        ),
    )
    tx.announce(experiment, suggestion=record.message())


def check_active(record: ExperimentRecord) -> None:
    """Refuse to give or queue suggestions of an experiment that is not ACTIVE."""
    if record.state != ExperimentState.ACTIVE.value:
        state = ExperimentState(record.state).name
        raise FailedPrecondition(
            f"The experiment {record.id!r} is {state}; set its state to ACTIVE to get suggestions.",
            reason="EXPERIMENT_NOT_ACTIVE",
            metadata={"experiment": record.id, "state": state},
        )


def queue(tx: Transaction, request: pb.QueueSuggestionRequest) -> pb.QueueSuggestionResponse:
    """QueueSuggestion: see store.proto."""
    experiment = tx.experiment(request.experiment_id)
    check_active(experiment)
    space = tx.vocabulary.of(experiment).space
    assignments = wire.assignments_from_proto(request.assignments, space)
    message = types_pb2.Suggestion(
        assignments=wire.assignments_to_proto(assignments),
        metadata=request.metadata,
        provenance=types_pb2.Provenance(),
    )
    record = insert(tx, experiment, message)
    tx.announce(experiment, suggestion=record.message())
    return pb.QueueSuggestionResponse(suggestion=record.message())


def get(db: Database, request: pb.GetSuggestionRequest) -> pb.GetSuggestionResponse:
    """GetSuggestion: see store.proto."""
    record = find_suggestion(db, request.suggestion_id)
    response = pb.GetSuggestionResponse(suggestion=record.message())
    if request.with_history:
        # Found by its id inside the bodies, which is quick enough for one look: 50,000 trials take 0.1 s.
        rows = db.execute(_HISTORY, (record.experiment, record.id.encode(), HISTORY)).fetchall()
        for sequence, body in reversed(rows):
            event = pb.Event.FromString(body)
            event.sequence = sequence
            response.history.append(event)
        for told, tail in db.execute("SELECT told, tail FROM logs WHERE suggestion = ?", (record.key,)):
            response.log_tail = tail
            response.log_time.CopyFrom(timestamp(told))
    return response


def list_(db: Database, request: pb.ListSuggestionsRequest) -> pb.ListSuggestionsResponse:
    """ListSuggestions: see store.proto."""
    arguments: dict[str, Any] = {
        "limit": pages.page_size(request.page_size) + 1,
        "states": json.dumps(
            [wire.enum_from_proto(SuggestionState, s, "states").value for s in request.states]
        ),
        "after": pages.start_of(request)[0],
        "experiment": find_experiment(db, request.experiment_id).key,
    }
    found = (SuggestionRecord(*row) for row in db.execute(_LISTED, arguments).fetchall())
    page, token = pages.cut(request, (((record.ordinal, 0), record.message()) for record in found))
    return pb.ListSuggestionsResponse(suggestions=page, next_page_token=token)
