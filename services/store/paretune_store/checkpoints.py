"""Checkpoints: intermediate metric vectors of trainings that still run."""

from sqlite_utils import Database

from paretune import wire
from paretune.errors import InvalidArgument
from paretune.experiment import Experiment
from paretune.observation import Checkpoint, check_values
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store import pages
from paretune_store.leases import check_holder, directive
from paretune_store.suggestions import find_suggestion
from paretune_store.transaction import Transaction, timestamp

_LISTED = """SELECT attempt, step, body FROM checkpoints
    WHERE suggestion = ? AND (attempt, step) > (?, ?) ORDER BY attempt, step LIMIT ?"""


def record(tx: Transaction, request: pb.RecordCheckpointsRequest) -> pb.RecordCheckpointsResponse:
    """RecordCheckpoints: see store.proto."""
    suggestion = find_suggestion(tx.db, request.suggestion_id)
    experiment = tx.experiment_by_key(suggestion.experiment)
    vocabulary = tx.vocabulary.of(experiment)
    steps = wire.each(lambda one: _read(vocabulary, one), request.checkpoints, "checkpoints")
    check_holder(suggestion, request.fence)
    for step in steps:
        message = wire.checkpoint_to_proto(step)
        message.suggestion_id, message.attempt = suggestion.id, suggestion.attempt
        message.create_time.CopyFrom(timestamp(tx.now))
        tx.db.execute(
            "INSERT OR REPLACE INTO checkpoints (suggestion, attempt, step, body) VALUES (?, ?, ?, ?)",
            (suggestion.key, message.attempt, message.step, message.SerializeToString(deterministic=True)),
        )
        tx.announce(experiment, checkpoint=message)
    return pb.RecordCheckpointsResponse(directive=directive(experiment, suggestion))


def _read(experiment: Experiment, message: types_pb2.Checkpoint) -> Checkpoint:
    checkpoint = wire.checkpoint_from_proto(message)
    if checkpoint.step < 0:
        raise InvalidArgument.of("step", "must not be negative")
    check_values(experiment.metrics, checkpoint.values, complete=False)
    return checkpoint


def list_(db: Database, request: pb.ListCheckpointsRequest) -> pb.ListCheckpointsResponse:
    """ListCheckpoints: see store.proto."""
    limit = pages.page_size(request.page_size) + 1
    attempt, step = pages.start_of(request) if request.page_token else (0, -1)
    key = find_suggestion(db, request.suggestion_id).key
    rows = db.execute(_LISTED, (key, attempt, step, limit)).fetchall()
    found = (((row[0], row[1]), types_pb2.Checkpoint.FromString(row[2])) for row in rows)
    page, token = pages.cut(request, found)
    return pb.ListCheckpointsResponse(checkpoints=page, next_page_token=token)
