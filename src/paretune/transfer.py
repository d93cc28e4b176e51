"""Whole experiments as JSON Lines, tables of results back into an experiment, and copies of the database.

A file of records has one JSON object a line: first ``{"paretune_records": 1}``, then the messages
`paretune.v1.Record` in the order of StoreService.Export, in the JSON form of protobuf.
"""

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf import json_format

from paretune import frame, wire
from paretune.client import Client
from paretune.client.call import Call
from paretune.client.calls import STORE
from paretune.errors import AlreadyExists, InvalidArgument, NotFound, Unavailable
from paretune.experiment import Experiment, ExperimentState
from paretune.observation import FailureReason, MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Categorical, Double, Scalar
from paretune.rpc.channel import new_request_id
from paretune.v1 import store_pb2, types_pb2

RECORDS = "paretune_records"
FORMAT = 1
ORIGIN = "origin"
"""Metadata of an imported observation: where it comes from, such as ``optuna trial 12``."""
PART = 500
"""Records or observations sent at once."""
PART_BYTES = 1024 * 1024
COPY_SECONDS = 3600.0


def _call(name: str, request: Any) -> Call[Any]:
    return Call(f"/{STORE}/{name}", request, getattr(store_pb2, f"{name}Response"), lambda reply: reply)


# Whole experiments


def export_records(client: Client, experiment_id: str) -> Iterator[dict[str, Any]]:
    """Everything recorded in an experiment, as of one moment: what `import_records` takes, line by line.

    Raises:
        NotFound: there is no such experiment.
    """
    yield {RECORDS: FORMAT}
    call = _call("Export", store_pb2.ExportRequest(experiment_id=experiment_id))
    for reply in client.stream(call, timeout=COPY_SECONDS):
        for record in reply.records:
            # Sorted, for a map has another order in each process: the same records are the same bytes.
            text = json_format.MessageToJson(record, preserving_proto_field_name=True, sort_keys=True)
            yield json.loads(text)


def import_records(client: Client, lines: Iterable[str]) -> Experiment:
    """Record an exported experiment with its ids, ordinals and times, or what is missing of it.

    All lines are read before the first is sent. An import that was cut short goes on when it is run again;
    one that is complete changes nothing then. The experiment is PAUSED until everything is in.

    Raises:
        InvalidArgument: a line is not a record, with its number; or it does not fit what came after a part.
        AlreadyExists: the experiment is there already, and is another one, or active and not complete.
    """
    records = _read(lines)
    asked = records[0].experiment
    present = _present(client, asked)
    missing = [record for record in records if _name_of(record) not in present]
    if missing and present and client.get_experiment(asked.id).state is ExperimentState.ACTIVE:
        raise AlreadyExists(
            f"The experiment {asked.id!r} is there and active, without {len(missing)} records of the file: "
            "pause it to import those.",
            metadata={"kind": "experiment", "id": asked.id},
        )
    for part in _parts(missing):
        client.run(_call("Import", store_pb2.ImportRequest(records=part, request_id=new_request_id())))
    if missing and asked.state == types_pb2.EXPERIMENT_STATE_ACTIVE:
        return client.update_experiment(asked.id, state=ExperimentState.ACTIVE)
    return client.get_experiment(asked.id)


def _present(client: Client, asked: types_pb2.Experiment) -> set[tuple[Any, ...]]:
    """Names of the records that are there of an experiment; none when it is not there.

    The Store itself is asked, and not whether the same requests were sent before: what they recorded may have
    been deleted since.
    """
    present: set[tuple[Any, ...]] = set()
    with suppress(NotFound):
        call = _call("Export", store_pb2.ExportRequest(experiment_id=asked.id))
        for reply in client.stream(call, timeout=COPY_SECONDS):
            for record in reply.records:
                if not present and record.experiment.create_time != asked.create_time:
                    raise AlreadyExists(
                        f"There is another experiment {asked.id!r} already; this file is not about that one.",
                        metadata={"kind": "experiment", "id": asked.id},
                    )
                present.add(_name_of(record))
    return present


def _name_of(record: store_pb2.Record) -> tuple[Any, ...]:
    if record.HasField("checkpoint"):
        return record.checkpoint.suggestion_id, record.checkpoint.attempt, record.checkpoint.step
    kind = record.WhichOneof("record") or "experiment"
    return kind, getattr(record, kind).id


def _parts(records: Iterable[store_pb2.Record]) -> Iterator[list[store_pb2.Record]]:
    part: list[store_pb2.Record] = []
    size = 0
    for record in records:
        size += record.ByteSize()
        if part and (len(part) == PART or size > PART_BYTES):
            yield part
            part, size = [], record.ByteSize()
        part.append(record)
    if part:
        yield part


def _read(lines: Iterable[str]) -> list[store_pb2.Record]:
    records: list[store_pb2.Record] = []
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                _check_head(json.loads(line))
            elif line.strip():
                records.append(json_format.Parse(line, store_pb2.Record()))
        except (ValueError, json_format.ParseError) as error:
            raise InvalidArgument.of(f"line {number}", f"is not a record: {error}") from None
    if not records or not records[0].experiment.id:
        raise InvalidArgument.of("line 2", "must hold the experiment, with its id")
    # Earlier versions wrote checkpoints last: what a stopped training was heading for would not be known.
    return sorted(records, key=lambda record: record.HasField("observation"))


def _check_head(head: Any) -> None:
    if not isinstance(head, dict) or RECORDS not in head:
        raise ValueError(f'the first line must be {{"{RECORDS}": {FORMAT}}}, as `export --whole` writes it')
    if head[RECORDS] != FORMAT:
        raise ValueError(f"format {head[RECORDS]!r}; this paretune knows {FORMAT}")


# Tables of results


def read_rows(lines: Iterable[str], *, as_csv: bool) -> list[dict[str, Any]]:
    """Rows of a table of results; empty cells are left out.

    Raises:
        InvalidArgument: a line is not a JSON object, or a row has more cells than the header.
    """
    rows: list[dict[str, Any]] = []
    if as_csv:
        for row in csv.DictReader(lines):
            if None in row:
                raise InvalidArgument.of(f"row {len(rows) + 1}", "has more cells than there are columns")
            rows.append({name: cell for name, cell in row.items() if cell not in ("", None)})
        return rows
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            rows.append({name: cell for name, cell in row.items() if cell is not None})
        except (ValueError, AttributeError):
            raise InvalidArgument.of(f"line {number}", "is not a JSON object") from None
    return rows


def import_rows(client: Client, experiment: Experiment, rows: Sequence[Mapping[str, Any]]) -> int:
    """Record a table of results, as `export` writes it, into an experiment, or what is new in it; how many.

    Every row becomes a new observation of its own assignments. Columns as in `paretune.frame.columns`; others
    are ignored, and so is which suggestion it was. A row that a table brought before is not recorded again;
    one that is in a table several times is as often in the experiment.

    Raises:
        InvalidArgument: with the number of the row; nothing was recorded then, or only whole parts before it.
    """
    observations: dict[str, Observation] = {}
    counts: Counter[str] = Counter()
    for number, row in enumerate(rows, 1):
        try:
            observation = _observation(experiment, row)
        except InvalidArgument as error:
            raise error.under(f"row {number}") from None
        message = wire.observation_to_proto(observation).SerializeToString(deterministic=True)
        digest = hashlib.sha256(message).hexdigest()[:16]
        counts[digest] += 1
        origin = f"table row {digest}-{counts[digest]}"
        observations[f"row {number}"] = replace(observation, metadata={ORIGIN: origin})
    return observe_new(client, experiment, observations)


def observe_new(client: Client, experiment: Experiment, observations: Mapping[str, Observation]) -> int:
    """Record the results whose `ORIGIN` no observation of the experiment has; how many those were.

    Args:
        client: where.
        experiment: as it is there.
        observations: by what an error calls them, such as ``row 1``.

    Raises:
        InvalidArgument: one does not fit; nothing was recorded then, or only whole parts before it.
    """
    known = {one.metadata.get(ORIGIN) for one in client.list_observations(experiment.id)}
    new = {name: one for name, one in observations.items() if one.metadata[ORIGIN] not in known}
    names = list(new)
    for begin in range(0, len(names), PART):
        part = names[begin : begin + PART]
        try:
            client.observe_batch(experiment.id, [new[name] for name in part])
        except InvalidArgument as error:
            raise error.under(f"{part[0]} to {part[-1]}") from None
    return len(new)


def _observation(experiment: Experiment, row: Mapping[str, Any]) -> Observation:
    parameters, metrics = frame.columns(experiment)
    assignments = {
        parameter.name: _scalar(parameter, row[column], column)
        for parameter in experiment.space
        if (column := parameters[parameter.name]) in row
    }
    values = tuple(
        MetricValue(
            metric.name,
            _number(row[column], column),
            _number(row[stddev], stddev) if (stddev := f"{metric.name}_stddev") in row else None,
        )
        for metric in experiment.metrics
        if (column := metrics[metric.name]) in row
    )
    started = row.get("start_time")
    outcome = Outcome(
        kind=_member(OutcomeKind, row.get("outcome", "OK"), "outcome"),
        reason=str(row.get("reason", "")),
        failure=_member(FailureReason, row["failure"], "failure") if "failure" in row else FailureReason(0),
        step=int(_number(row.get("step", 0), "step")),
    )
    return Observation(
        experiment.space.validate(assignments),
        values,
        outcome,
        worker=str(row.get("worker", "")),
        start_time=datetime.fromisoformat(started) if started else None,
    )


def _scalar(parameter: Any, cell: Any, column: str) -> Scalar:
    if isinstance(parameter, Categorical):
        return str(cell)
    number = _number(cell, column)
    return number if isinstance(parameter, Double) or number % 1 else int(number)


def _number(cell: Any, column: str) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise InvalidArgument.of(column, f"{cell!r} is not a number") from None


def _member(kind: Any, name: Any, column: str) -> Any:
    known = {member.name.lower(): member for member in kind}
    if str(name).lower() not in known:
        raise InvalidArgument.of(column, f"{name!r} is none of {', '.join(known)}")
    return known[str(name).lower()]


# Copies of the database


def backup(client: Client, path: Path, *, replace: bool = False) -> int:
    """Write a copy of the whole database, as of one moment; its size in bytes.

    The file appears under its name only when it is complete, on the disk, and its checksum is right; with
    `replace` it takes the place of one that is there. What a process that was killed left half written is
    taken over.

    Raises:
        InvalidArgument: the file exists, or cannot be written; or another backup writes it.
        Unavailable: the copy broke off; no file is left.
    """
    if not replace and path.exists():
        raise InvalidArgument(f"There is a file {path} already: name another one.")
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("ab") as file:
            _claim(file, draft)
            try:
                size = _copy(client, file)
                draft.rename(path)
            except BaseException:
                with suppress(OSError):
                    draft.unlink()
                raise
    except OSError as error:
        raise InvalidArgument(f"Cannot write {path}: {error.strerror}.") from None
    return size


def _claim(file: BinaryIO, draft: Path) -> None:
    """Make the open draft ours until it is closed, also when a process that was killed left it there."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise InvalidArgument(f"Another backup is writing {draft}.") from None
    except OSError:
        pass  # a filesystem without locks
    if not draft.exists() or not os.path.samestat(os.fstat(file.fileno()), draft.stat()):
        raise InvalidArgument(f"Another backup was writing {draft}, and is done.")
    file.truncate(0)


def _copy(client: Client, file: BinaryIO) -> int:
    """Write a copy of the database onto the disk; its size in bytes."""
    digest, size, wanted = hashlib.sha256(), 0, b""
    for reply in client.stream(_call("Backup", store_pb2.BackupRequest()), timeout=COPY_SECONDS):
        file.write(reply.data)
        digest.update(reply.data)
        size, wanted = size + len(reply.data), reply.sha256 or wanted
    file.flush()
    os.fsync(file.fileno())
    if digest.digest() != wanted:
        raise Unavailable("The copy broke off before its end; try again.")
    return size
