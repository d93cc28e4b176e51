"""Whole experiments out of one Store and into another: Export and Import."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlite_utils import Database

from paretune import wire
from paretune.errors import AlreadyExists, InvalidArgument, NotFound
from paretune.experiment import Experiment, ExperimentState
from paretune.limits import MAX_AMENDMENTS, MAX_MANY
from paretune.observation import SuggestionState, check_values
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store import pages
from paretune_store.experiments import insert_experiment
from paretune_store.scope import check_scope
from paretune_store.suggestions import (
    COUNTER,
    LEASED,
    OBSERVED,
    QUEUED,
    SELECT,
    SuggestionRecord,
    find_suggestion,
)
from paretune_store.transaction import ExperimentRecord, Transaction, find_experiment, timestamp

_CHECKPOINTS = """SELECT checkpoints.body FROM checkpoints
    JOIN suggestions ON checkpoints.suggestion = suggestions.key
    WHERE suggestions.experiment = ? ORDER BY suggestions.ordinal, checkpoints.attempt, checkpoints.step"""


def export(db: Database, request: pb.ExportRequest) -> Iterator[pb.ExportResponse]:
    """Export: see store.proto. Every message is within what one Import takes.

    Args:
        db: a connection whose view of the file does not move.
        request: the request, complete.
    """
    response, size = pb.ExportResponse(), 0
    for record in _records(db, find_experiment(db, request.experiment_id)):
        size += record.ByteSize()
        if response.records and (len(response.records) == MAX_MANY or size > pages.MAX_BYTES):
            yield response
            response, size = pb.ExportResponse(), record.ByteSize()
        response.records.append(record)
    yield response


def _records(db: Database, experiment: ExperimentRecord) -> Iterator[pb.Record]:
    message = experiment.message()
    for field in ("etag", "progress", "update_time"):
        message.ClearField(field)
    yield pb.Record(experiment=message)
    for row in db.execute(SELECT + "WHERE experiment = ? ORDER BY ordinal", (experiment.key,)):
        record = SuggestionRecord(*row)
        record.state = QUEUED if record.state == LEASED else record.state
        yield pb.Record(suggestion=record.message())
    for (body,) in db.execute(_CHECKPOINTS, (experiment.key,)):
        yield pb.Record(checkpoint=types_pb2.Checkpoint.FromString(body))
    bodies = "SELECT body FROM observations WHERE experiment = ? ORDER BY ordinal"
    for (body,) in db.execute(bodies, (experiment.key,)):
        yield pb.Record(observation=types_pb2.Observation.FromString(body))


def import_(tx: Transaction, request: pb.ImportRequest) -> pb.ImportResponse:
    """Import: see store.proto."""
    first = request.records[0]
    if first.WhichOneof("record") == "experiment":
        experiment = _import_experiment(tx, first.experiment)
    else:
        experiment = tx.experiment(_experiment_of(tx, first))
        check_scope(tx.db, pb.GetExperimentRequest(experiment_id=experiment.id), tx.caller)
    vocabulary = tx.vocabulary.of(experiment)
    known: dict[str, Callable[..., None]] = {
        "suggestion": _import_suggestion,
        "observation": _import_observation,
        "checkpoint": _import_checkpoint,
    }
    for index, record in enumerate(request.records):
        kind = record.WhichOneof("record")
        if kind == "experiment" and index == 0:
            continue
        path = f"records[{index}]"
        if kind not in known:
            raise InvalidArgument.of(
                path, "is an experiment, which comes first" if kind else "is empty or of an unknown kind"
            )
        try:
            known[kind](tx, experiment, vocabulary, getattr(record, kind))
        except InvalidArgument as error:
            raise error.under(f"{path}.{kind}") from None
    return pb.ImportResponse(experiment_id=experiment.id, records=len(request.records))


def _experiment_of(tx: Transaction, record: pb.Record) -> str:
    if record.HasField("checkpoint"):
        key = find_suggestion(tx.db, record.checkpoint.suggestion_id).experiment
        return tx.experiment_by_key(key).id
    kind = record.WhichOneof("record") or "suggestion"
    return str(getattr(record, kind).experiment_id)


def _import_experiment(tx: Transaction, asked: types_pb2.Experiment) -> ExperimentRecord:
    if not asked.id:
        raise InvalidArgument.of("records[0].experiment.id", "is required")
    message = types_pb2.Experiment()
    message.CopyFrom(asked)
    if message.state == ExperimentState.ACTIVE.value:
        message.state = types_pb2.EXPERIMENT_STATE_PAUSED
    try:
        return insert_experiment(tx, message, asked.create_time)
    except InvalidArgument as error:
        raise error.under("records[0].experiment") from None


def _check_place(
    tx: Transaction, table: str, message: Any, experiment: ExperimentRecord, expected: int
) -> None:
    """Refuse what belongs elsewhere, is there already, or does not come next."""
    kind = table[:-1]
    if message.experiment_id != experiment.id:
        raise InvalidArgument.of("experiment_id", f"must be {experiment.id!r}")
    if not message.id:
        raise InvalidArgument.of("id", "is required")
    if tx.db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (message.id,)).fetchone():  # noqa: S608 - ours
        raise AlreadyExists(
            f"There is a {kind} {message.id!r} already: this was imported before.",
            metadata={"kind": kind, "id": message.id},
        )
    if message.ordinal != expected:
        raise InvalidArgument.of("ordinal", f"is {message.ordinal}; the next {kind} has {expected}")


def _import_suggestion(
    tx: Transaction, experiment: ExperimentRecord, vocabulary: Experiment, asked: types_pb2.Suggestion
) -> None:
    _check_place(tx, "suggestions", asked, experiment, experiment.last_ordinal + 1)
    read = wire.suggestion_from_proto(asked)
    wire.assignments_from_proto(asked.assignments, vocabulary.space)
    state = QUEUED if read.state is SuggestionState.LEASED else read.state.value
    body = types_pb2.Suggestion()
    body.CopyFrom(asked)
    for field in ("state", "attempt", "lease", "update_time", "stop_reason"):
        body.ClearField(field)
    updated = asked.update_time.ToMicroseconds() if asked.HasField("update_time") else tx.now
    tx.db.execute(
        "INSERT INTO suggestions (id, experiment, ordinal, state, attempt, updated, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            asked.id,
            experiment.key,
            asked.ordinal,
            state,
            asked.attempt,
            updated,
            body.SerializeToString(deterministic=True),
        ),
    )
    experiment.last_ordinal += 1
    if state in COUNTER:
        experiment.counts[COUNTER[state]] += 1
    tx.announce(experiment, suggestion=find_suggestion(tx.db, asked.id).message())


def _import_observation(
    tx: Transaction, experiment: ExperimentRecord, vocabulary: Experiment, asked: types_pb2.Observation
) -> None:
    _check_place(tx, "observations", asked, experiment, experiment.counts["observations"] + 1)
    read = wire.observation_from_proto(asked)
    check_values(vocabulary.metrics, read.values, complete=read.outcome.kind.name == "OK")
    vocabulary.space.validate(read.assignments)
    if len(read.amendments) > MAX_AMENDMENTS:
        raise InvalidArgument.of("amendments", f"has {len(read.amendments)}; at most {MAX_AMENDMENTS}")
    key = None
    if asked.suggestion_id:
        record = find_suggestion(tx.db, asked.suggestion_id)
        if record.experiment != experiment.key or record.state != OBSERVED:
            raise NotFound.of("observed suggestion", asked.suggestion_id)
        key = record.key
    message = wire.observation_to_proto(read)
    if not message.HasField("create_time"):
        message.create_time.CopyFrom(timestamp(tx.now))
    experiment.counts["observations"] += 1
    experiment.counts[read.outcome.kind.name.lower()] += 1
    tx.db.execute(
        "INSERT INTO observations (id, experiment, ordinal, suggestion, outcome, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            message.id,
            experiment.key,
            message.ordinal,
            key,
            message.outcome.kind,
            message.SerializeToString(deterministic=True),
        ),
    )
    tx.announce(experiment, observation=message)


def _import_checkpoint(
    tx: Transaction, experiment: ExperimentRecord, vocabulary: Experiment, asked: types_pb2.Checkpoint
) -> None:
    read = wire.checkpoint_from_proto(asked)
    check_values(vocabulary.metrics, read.values, complete=False)
    suggestion = find_suggestion(tx.db, asked.suggestion_id)
    if suggestion.experiment != experiment.key:
        raise NotFound.of("suggestion", asked.suggestion_id)
    if asked.step < 0 or asked.attempt < 1:
        raise InvalidArgument.of("step", "must not be negative, and attempt must be 1 or more")
    message = wire.checkpoint_to_proto(read)
    tx.db.execute(
        "INSERT OR REPLACE INTO checkpoints (suggestion, attempt, step, body) VALUES (?, ?, ?, ?)",
        (suggestion.key, message.attempt, message.step, message.SerializeToString(deterministic=True)),
    )
    tx.announce(experiment, checkpoint=message)
