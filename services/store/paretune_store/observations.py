"""Results: observations and checkpoints."""

import json
from dataclasses import replace
from typing import Any

from sqlite_utils import Database

from paretune import wire
from paretune.errors import FailedPrecondition, InvalidArgument, NotFound
from paretune.experiment import Experiment, check_texts
from paretune.observation import Observation, OutcomeKind, check_values
from paretune.rpc.checks import check_worker
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store import pages
from paretune_store.leases import check_holder, check_open
from paretune_store.suggestions import LEASED, OBSERVED, SuggestionRecord, find_suggestion, move
from paretune_store.transaction import ExperimentRecord, Transaction, find_experiment, timestamp

_LISTED = """SELECT ordinal, body FROM observations WHERE experiment = :experiment AND ordinal > :after
    AND (:outcomes = '[]' OR outcome IN (SELECT value FROM json_each(:outcomes)))
    ORDER BY ordinal LIMIT :limit"""


def observe(tx: Transaction, request: pb.ObserveRequest) -> pb.ObserveResponse:
    """Observe: see store.proto."""
    experiment = tx.experiment(request.observation.experiment_id)
    return pb.ObserveResponse(observation=_record(tx, experiment, request))


def observe_batch(tx: Transaction, request: pb.ObserveBatchRequest) -> pb.ObserveBatchResponse:
    """ObserveBatch: see store.proto."""
    experiment = tx.experiment(request.experiment_id)
    observations = wire.each(lambda one: _record(tx, experiment, one), request.requests, "requests")
    return pb.ObserveBatchResponse(observations=observations)


def _record(
    tx: Transaction, experiment: ExperimentRecord, request: pb.ObserveRequest
) -> types_pb2.Observation:
    """Check one result, then write and announce it; in that order, so that a refusal wrote nothing."""
    asked = wire.observation_from_proto(request.observation)
    vocabulary = tx.vocabulary.of(experiment)
    _check(asked, vocabulary)
    record = _suggestion(tx, experiment, asked)
    if record is None:
        known: dict[str, Any] = {"assignments": vocabulary.space.validate(asked.assignments), "attempt": 0}
    else:
        _check_right(record, request.fence)
        known = _known(asked, record, vocabulary)
    counts = experiment.counts
    counts["observations"] += 1
    counts[asked.outcome.kind.name.lower()] += 1
    message = wire.observation_to_proto(
        replace(
            asked,
            id=tx.new_id("o"),
            experiment_id=experiment.id,
            ordinal=counts["observations"],
            amendments=(),
            **known,
        )
    )
    message.create_time.CopyFrom(timestamp(tx.now))
    tx.db.execute(
        "INSERT INTO observations (id, experiment, ordinal, suggestion, outcome, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            message.id,
            experiment.key,
            message.ordinal,
            record and record.key,
            message.outcome.kind,
            message.SerializeToString(deterministic=True),
        ),
    )
    tx.announce(experiment, observation=message)
    if record:
        move(tx, experiment, record, OBSERVED)
    return message


def _check(asked: Observation, experiment: Experiment) -> None:
    if not asked.suggestion_id and not asked.assignments:
        raise InvalidArgument.of("suggestion_id", "is required, or else assignments")
    check_values(experiment.metrics, asked.values, complete=asked.outcome.kind is OutcomeKind.OK)
    check_texts(asked.metadata, "metadata")
    if asked.worker:
        check_worker(asked.worker)
    if asked.outcome.step < 0:
        raise InvalidArgument.of("outcome.step", "must not be negative")


def _suggestion(tx: Transaction, experiment: ExperimentRecord, asked: Observation) -> SuggestionRecord | None:
    if not asked.suggestion_id:
        return None
    record = find_suggestion(tx.db, asked.suggestion_id)
    if record.experiment != experiment.key:
        raise NotFound.of("suggestion", asked.suggestion_id)
    return record


def _check_right(record: SuggestionRecord, fence: str) -> None:
    """A LEASED suggestion takes its holder's report only; a QUEUED one anybody's who claims no lease."""
    check_open(record)
    if record.state == LEASED and not fence:
        raise FailedPrecondition(
            f"The suggestion {record.id!r} is leased by {record.worker!r}: report with its fence.",
            reason="STALE_LEASE",
            metadata={"suggestion": record.id, "attempt": str(record.attempt)},
        )
    if record.state == LEASED or fence:
        check_holder(record, fence)


def _known(asked: Observation, record: SuggestionRecord, experiment: Experiment) -> dict[str, Any]:
    """What a result has from its suggestion."""
    suggested = types_pb2.Suggestion.FromString(record.body)
    assignments = wire.assignments_from_proto(suggested.assignments)
    if asked.assignments and experiment.space.validate(asked.assignments) != assignments:
        raise InvalidArgument.of(
            "assignments", f"differ from those of suggestion {record.id!r}; leave them out"
        )
    leased = record.state == LEASED
    return {
        "assignments": assignments,
        "worker": asked.worker or (record.worker or "" if leased else ""),
        "attempt": record.attempt if leased else 0,
    }


def get(db: Database, request: pb.GetObservationRequest) -> pb.GetObservationResponse:
    """GetObservation: see store.proto."""
    row = db.execute("SELECT body FROM observations WHERE id = ?", (request.observation_id,)).fetchone()
    if row is None:
        raise NotFound.of("observation", request.observation_id)
    return pb.GetObservationResponse(observation=types_pb2.Observation.FromString(row[0]))


def list_(db: Database, request: pb.ListObservationsRequest) -> pb.ListObservationsResponse:
    """ListObservations: see store.proto."""
    outcomes = [wire.enum_from_proto(OutcomeKind, o or 1, "outcomes").value for o in request.outcomes]
    arguments = {
        "limit": pages.page_size(request.page_size) + 1,
        "outcomes": json.dumps(outcomes),
        "after": pages.start_of(request)[0],
        "experiment": find_experiment(db, request.experiment_id).key,
    }
    rows = db.execute(_LISTED, arguments).fetchall()
    found = (((ordinal, 0), types_pb2.Observation.FromString(body)) for ordinal, body in rows)
    page, token = pages.cut(request, found)
    return pb.ListObservationsResponse(observations=page, next_page_token=token)
