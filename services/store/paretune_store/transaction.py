"""One request's share of a transaction: what the commands read, write and announce."""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from sqlite_utils import Database

from paretune import wire
from paretune.access import EVERYBODY, Caller
from paretune.errors import NotFound
from paretune.experiment import Experiment
from paretune.v1 import store_pb2, types_pb2
from paretune_store.clock import SECOND

CHECKPOINT = 6
"""Event kinds are the numbers of the fields of paretune.v1.Event.change; this one can be skipped."""

COUNTERS = (
    "observations",
    "ok",
    "infeasible",
    "crashed",
    "stopped_early",
    "queued",
    "leased",
    "lost",
    "cancelled",
)


@dataclass(frozen=True)
class Committed:
    """An event as watchers get it: `body` is a paretune.v1.Event without its sequence."""

    sequence: int
    experiment: int
    kind: int
    body: bytes


@dataclass
class ExperimentRecord:
    """A row of experiments; `counts` and the two `last_` numbers are written back when the request ends."""

    key: int
    id: str
    state: int
    etag: str
    body: bytes
    counts: dict[str, int]
    last_ordinal: int
    last_event: int
    project: str

    def message(self) -> types_pb2.Experiment:
        """The experiment as the outside sees it."""
        message = types_pb2.Experiment.FromString(self.body)
        message.progress.CopyFrom(types_pb2.Progress(**self.counts))
        message.project = self.project
        return message


_EXPERIMENT = "SELECT key, id, state, etag, body, observations, ok, infeasible, crashed, stopped_early, queued, leased, lost, cancelled, last_ordinal, last_event, project FROM experiments "  # noqa: E501
_BY_ID = _EXPERIMENT + "WHERE id = ?"
_BY_KEY = _EXPERIMENT + "WHERE key = ?"
_LISTED = (
    _EXPERIMENT  # noqa: S608 - constants
    + """WHERE key < :before AND (:name = '' OR name = :name)
    AND (:project = '' OR project = :project)
    AND state IN (SELECT value FROM json_each(:states))
    AND NOT EXISTS (
        SELECT 1 FROM json_each(:labels) AS wanted WHERE NOT EXISTS (
            SELECT 1 FROM json_each(experiments.labels) AS has
            WHERE has.key = wanted.key AND has.value = wanted.value))
    ORDER BY key DESC LIMIT :limit"""
)


def _record(row: Any) -> ExperimentRecord:
    key, name, state, etag, body, *numbers = row
    counts = dict(zip(COUNTERS, numbers[:9], strict=True))
    return ExperimentRecord(key, name, state, etag, body, counts, *numbers[9:])


def find_experiment(db: Database, experiment_id: str) -> ExperimentRecord:
    """The experiment with this id.

    Raises:
        NotFound: there is none.
    """
    row = db.execute(_BY_ID, (experiment_id,)).fetchone()
    if row is None:
        raise NotFound.of("experiment", experiment_id)
    return _record(row)


def list_experiments(
    db: Database, before: int, states: list[int], labels: dict[str, str], name: str, project: str, limit: int
) -> list[ExperimentRecord]:
    """Experiments older than the key `before`, newest first."""
    arguments = {
        "before": before,
        "states": json.dumps(states),
        "labels": json.dumps(labels),
        "name": name,
        "project": project,
        "limit": limit,
    }
    return [_record(row) for row in db.execute(_LISTED, arguments).fetchall()]


def timestamp(time: int) -> Timestamp:
    """A time in microseconds since 1970, as a message."""
    return Timestamp(seconds=time // SECOND, nanos=time % SECOND * 1000)


class Vocabulary:
    """Experiments as the vocabulary has them, built once per version and not once per call."""

    def __init__(self, capacity: int = 256) -> None:
        """Nothing kept yet."""
        self._capacity = capacity
        self._kept: OrderedDict[tuple[int, str], Experiment] = OrderedDict()

    def of(self, record: ExperimentRecord) -> Experiment:
        """The space, metrics and settings of a record (not its progress)."""
        key = (record.key, record.etag)
        known = self._kept.get(key)
        if known is None:
            known = wire.experiment_from_proto(types_pb2.Experiment.FromString(record.body))
            self._kept[key] = known
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return known


@dataclass
class Transaction:
    """What one request may use.

    Attributes:
        db: the writing connection, inside a transaction.
        now: wall time for stamps, microseconds since 1970.
        steady: time for leases, microseconds since 1970.
        new_fence: a fencing token that was never used before, greater than all before.
        make_id: an id that was never used before, from a prefix and `now`.
        vocabulary: experiments as domain values.
        caller: who asks.
        events: what happened so far.
        deleted: keys of experiments deleted so far.
    """

    db: Database
    now: int
    steady: int
    new_fence: Callable[[], str]
    make_id: Callable[[str, int], str]
    vocabulary: Vocabulary
    caller: Caller = EVERYBODY
    events: list[Committed] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    _experiments: dict[str, ExperimentRecord] = field(default_factory=dict)

    def new_id(self, prefix: str) -> str:
        """An id that was never used before."""
        return self.make_id(prefix, self.now)

    def experiment(self, experiment_id: str) -> ExperimentRecord:
        """The experiment with this id; changes to its counts are written back.

        Raises:
            NotFound: there is none.
        """
        record = self._experiments.get(experiment_id)
        if record is None:
            record = self._experiments[experiment_id] = find_experiment(self.db, experiment_id)
        return record

    def experiment_by_key(self, key: int) -> ExperimentRecord:
        """The experiment of a row that refers to it."""
        for record in self._experiments.values():
            if record.key == key:
                return record
        record = _record(self.db.execute(_BY_KEY, (key,)).fetchone())
        self._experiments[record.id] = record
        return record

    def announce(self, record: ExperimentRecord, **change: Any) -> None:
        """Record an event; `change` is one field of paretune.v1.Event.change."""
        event = store_pb2.Event(create_time=timestamp(self.now), **change)
        (name,) = change
        kind = event.DESCRIPTOR.fields_by_name[name].number
        body = event.SerializeToString(deterministic=True)
        cursor = self.db.execute(
            "INSERT INTO events (experiment, kind, body) VALUES (?, ?, ?)", (record.key, kind, body)
        )
        sequence = int(cursor.lastrowid or 0)
        self.events.append(Committed(sequence, record.key, kind, body))
        if kind != CHECKPOINT:
            record.last_event = sequence

    def forget(self, record: ExperimentRecord) -> None:
        """The experiment is deleted: write nothing back."""
        del self._experiments[record.id]
        self.deleted.append(record.key)

    def flush(self) -> None:
        """Write the counters back."""
        for record in self._experiments.values():
            if any(event.experiment == record.key for event in self.events):
                self.db.execute(
                    "UPDATE experiments SET observations = ?, ok = ?, infeasible = ?, crashed = ?,"
                    " stopped_early = ?, queued = ?, leased = ?, lost = ?, cancelled = ?,"
                    " last_ordinal = ?, last_event = ? WHERE key = ?",
                    (*record.counts.values(), record.last_ordinal, record.last_event, record.key),
                )
