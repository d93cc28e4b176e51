"""Commands and queries about experiments."""

import json
import re
import secrets

from google.protobuf.timestamp_pb2 import Timestamp
from sqlite_utils import Database

from paretune import wire
from paretune.access import DEFAULT_PROJECT, Caller
from paretune.errors import Aborted, AlreadyExists, InvalidArgument, PermissionDenied
from paretune.experiment import Experiment, ExperimentState, RelativeThreshold
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store import pages
from paretune_store.transaction import (
    ExperimentRecord,
    Transaction,
    find_experiment,
    list_experiments,
    timestamp,
)

UPDATABLE = (
    "name",
    "observation_budget",
    "parallelism",
    "remeasure",
    "lease_policy",
    "metadata",
    "labels",
    "state",
    "metrics",
    "early_stopping",
)
SET_BY_STORE = ("etag", "create_time", "update_time", "progress")
_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_NEWEST = 2**62


def create(tx: Transaction, request: pb.CreateExperimentRequest) -> pb.CreateExperimentResponse:
    """CreateExperiment: see store.proto."""
    asked = types_pb2.Experiment()
    asked.CopyFrom(request.experiment)
    record = insert_experiment(tx, asked, timestamp(tx.now))
    _check_baselines(tx, record, tx.vocabulary.of(record))
    return pb.CreateExperimentResponse(experiment=record.message())


def insert_experiment(tx: Transaction, asked: types_pb2.Experiment, created: Timestamp) -> ExperimentRecord:
    """Check, record and announce a new experiment; fields set by the Store are replaced in `asked`."""
    for field in SET_BY_STORE:
        asked.ClearField(field)  # type: ignore[arg-type]
    if asked.id and not _ID.fullmatch(asked.id):
        raise InvalidArgument.of("id", f"{asked.id!r} must match [a-z]([a-z0-9-]{{0,61}}[a-z0-9])?")
    asked.project = _project(tx.caller, asked.project)
    experiment = wire.experiment_from_proto(asked)
    chosen = asked.id or tx.new_id("e")
    if tx.db.execute("SELECT 1 FROM experiments WHERE id = ?", (chosen,)).fetchone():
        raise AlreadyExists(
            f"There is an experiment {chosen!r} already; choose another id, or go on with that one.",
            metadata={"kind": "experiment", "id": chosen},
        )
    message = wire.experiment_to_proto(experiment)
    message.id, message.etag = chosen, secrets.token_hex(8)
    message.create_time.CopyFrom(created)
    message.update_time.CopyFrom(timestamp(tx.now))
    message.ClearField("progress")
    tx.db.execute(
        "INSERT INTO experiments (id, project, name, state, labels, etag, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            chosen,
            message.project,
            message.name,
            message.state,
            _labels(message),
            message.etag,
            _body(message),
        ),
    )
    record = tx.experiment(chosen)
    tx.announce(record, experiment=record.message())
    return record


def get(db: Database, request: pb.GetExperimentRequest) -> pb.GetExperimentResponse:
    """GetExperiment: see store.proto."""
    record = find_experiment(db, request.experiment_id)
    return pb.GetExperimentResponse(experiment=record.message(), event_sequence=record.last_event)


def list_(db: Database, request: pb.ListExperimentsRequest) -> pb.ListExperimentsResponse:
    """ListExperiments: see store.proto."""
    limit = pages.page_size(request.page_size) + 1
    states = [wire.enum_from_proto(ExperimentState, s or 1, "states").value for s in request.states]
    states = states or [s.value for s in ExperimentState if s is not ExperimentState.ARCHIVED]
    before, _ = pages.start_of(request)
    found = list_experiments(
        db, before or _NEWEST, states, dict(request.labels), request.name, request.project, limit
    )
    page, token = pages.cut(request, (((record.key, 0), record.message()) for record in found))
    return pb.ListExperimentsResponse(experiments=page, next_page_token=token)


def update(tx: Transaction, request: pb.UpdateExperimentRequest) -> pb.UpdateExperimentResponse:
    """UpdateExperiment: see store.proto."""
    asked, paths = request.experiment, list(request.update_mask.paths)
    record = tx.experiment(asked.id)
    _check_etag(record, asked.etag)
    message = types_pb2.Experiment.FromString(record.body)
    for path in paths:
        message.ClearField(path)  # type: ignore[arg-type]
    chosen = types_pb2.Experiment()
    chosen.CopyFrom(asked)
    for field in chosen.DESCRIPTOR.fields:
        if field.name not in paths:
            chosen.ClearField(field.name)  # type: ignore[arg-type]
    message.MergeFrom(chosen)
    before, after = tx.vocabulary.of(record), wire.experiment_from_proto(message)
    _check_metrics(before, after)
    _check_baselines(tx, record, after)
    message = wire.experiment_to_proto(after)
    message.etag = secrets.token_hex(8)
    message.update_time.CopyFrom(timestamp(tx.now))
    message.ClearField("progress")
    record.state, record.etag, record.body = message.state, message.etag, _body(message)
    tx.db.execute(
        "UPDATE experiments SET name = ?, state = ?, labels = ?, etag = ?, body = ? WHERE key = ?",
        (message.name, message.state, _labels(message), message.etag, record.body, record.key),
    )
    return pb.UpdateExperimentResponse(experiment=_announced(tx, record))


def delete(tx: Transaction, request: pb.DeleteExperimentRequest) -> pb.DeleteExperimentResponse:
    """DeleteExperiment: see store.proto."""
    record = tx.experiment(request.experiment_id)
    _check_etag(record, request.etag)
    tx.db.execute("DELETE FROM experiments WHERE key = ?", (record.key,))
    tx.forget(record)
    return pb.DeleteExperimentResponse()


def _project(caller: Caller, asked: str) -> str:
    """The project of a new experiment."""
    if not asked:
        return caller.project if caller.bound else DEFAULT_PROJECT
    if not caller.sees(asked):
        raise PermissionDenied(
            f"The token {caller.token} is for the project {caller.project!r}: leave project out, or use "
            f"a token for {asked!r}.",
            reason="PERMISSION_DENIED",
            metadata={"token": caller.token, "role": caller.role.word, "needed": caller.role.word},
        )
    return asked


def _announced(tx: Transaction, record: ExperimentRecord) -> types_pb2.Experiment:
    message = record.message()
    tx.announce(record, experiment=message)
    return message


def _body(message: types_pb2.Experiment) -> bytes:
    return message.SerializeToString(deterministic=True)


def _labels(message: types_pb2.Experiment) -> str:
    return json.dumps(dict(message.labels), sort_keys=True)


def _check_etag(record: ExperimentRecord, etag: str) -> None:
    if etag and etag != record.etag:
        raise Aborted(
            f"The experiment {record.id!r} was changed meanwhile; read it again and apply the change again.",
            metadata={"experiment": record.id},
        )


def _check_metrics(before: Experiment, after: Experiment) -> None:
    """Only thresholds and units of metrics may change: the rest gives observations their meaning."""
    same = [(m.name, m.goal, m.strategy) for m in before.metrics]
    if same != [(m.name, m.goal, m.strategy) for m in after.metrics]:
        raise InvalidArgument.of(
            "metrics",
            "must have the same names, goals and strategies, in order: only thresholds and units change",
        )


def _check_baselines(tx: Transaction, record: ExperimentRecord, experiment: Experiment) -> None:
    """A relative threshold needs an observation of this experiment that has the metric."""
    for index, metric in enumerate(experiment.metrics):
        if not isinstance(metric.threshold, RelativeThreshold):
            continue
        path = f"metrics[{index}].threshold.relative.baseline_observation_id"
        baseline = metric.threshold.baseline_observation_id
        row = tx.db.execute(
            "SELECT body FROM observations WHERE id = ? AND experiment = ?", (baseline, record.key)
        ).fetchone()
        if not row:
            raise InvalidArgument.of(
                path, f"{baseline!r} is no observation of this experiment; observe the baseline, then update"
            )
        if not any(value.metric == metric.name for value in types_pb2.Observation.FromString(row[0]).values):
            raise InvalidArgument.of(path, f"{baseline!r} has no value of {metric.name!r}")
