"""Whole experiments as JSON Lines, tables of results back into an experiment, and copies of the database.

A file of records has one JSON object a line: first ``{"paretune_records": 1}``, then the messages
`paretune.v1.Record` in the order of StoreService.Export, in the JSON form of protobuf.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from paretune import frame
from paretune.client import Client
from paretune.client.call import Call
from paretune.client.calls import STORE
from paretune.errors import InvalidArgument, NotFound, Unavailable
from paretune.experiment import Experiment, ExperimentState
from paretune.observation import FailureReason, MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Categorical, Double, Scalar
from paretune.rpc.channel import new_request_id
from paretune.v1 import store_pb2, types_pb2

RECORDS = "paretune_records"
FORMAT = 1
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
    """Record an exported experiment with its ids, ordinals and times.

    All lines are read before the first is sent. An import that was cut short goes on when it is run again.
    The experiment is PAUSED until everything is in.

    Raises:
        InvalidArgument: a line is not a record, with its number.
        AlreadyExists: the experiment is there already, with something else in it.
    """
    records = _read(lines)
    parts = _parts(records)
    # The same file gives the same request ids, so that what was recorded before is not recorded again; unless
    # the experiment was deleted since.
    for salt in ("", new_request_id()):
        so_far = hashlib.sha256(salt.encode())
        for part in parts:
            so_far.update(part.SerializeToString(deterministic=True))
            request = store_pb2.ImportRequest(records=part.records, request_id=f"import-{so_far.hexdigest()}")
            experiment = client.run(_call("Import", request)).experiment_id
        with suppress(NotFound):
            if records[0].experiment.state == types_pb2.EXPERIMENT_STATE_ACTIVE:
                return client.update_experiment(experiment, state=ExperimentState.ACTIVE)
            return client.get_experiment(experiment)
    raise NotFound.of("experiment", experiment)


def _parts(records: Iterable[store_pb2.Record]) -> list[store_pb2.ImportRequest]:
    parts, size = [store_pb2.ImportRequest()], 0
    for record in records:
        size += record.ByteSize()
        if parts[-1].records and (len(parts[-1].records) == PART or size > PART_BYTES):
            parts.append(store_pb2.ImportRequest())
            size = record.ByteSize()
        parts[-1].records.append(record)
    return parts


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
    if not records or not records[0].HasField("experiment"):
        raise InvalidArgument.of("line 2", "must hold the experiment")
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
    """Record a table of results, as `export` writes it, into an experiment; how many were recorded.

    Every row becomes a new observation of its own assignments. Columns as in `paretune.frame.columns`; others
    are ignored, and so is which suggestion it was. Run again, the same table changes nothing.

    Raises:
        InvalidArgument: with the number of the row; nothing was recorded then, or only whole parts before it.
    """
    observations = []
    for number, row in enumerate(rows, 1):
        try:
            observations.append(_observation(experiment, row))
        except InvalidArgument as error:
            raise error.under(f"row {number}") from None
    so_far = hashlib.sha256(f"{experiment.id} {experiment.create_time}".encode())
    for begin in range(0, len(observations), PART):
        part = observations[begin : begin + PART]
        so_far.update(repr(part).encode())
        try:
            client.observe_batch(experiment.id, part, request_id=f"import-{so_far.hexdigest()}")
        except InvalidArgument as error:
            raise error.under(f"rows {begin + 1} to {begin + len(part)}") from None
    return len(observations)


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
    `replace` it takes the place of one that is there.

    Raises:
        InvalidArgument: the file exists, or cannot be written.
        Unavailable: the copy broke off; no file is left.
    """
    if path.exists() and not replace:
        raise InvalidArgument(f"There is a file {path} already: name another one.")
    draft = path.with_name(f"{path.name}.part")
    digest, size, wanted = hashlib.sha256(), 0, b""
    try:
        with draft.open("xb") as file:
            for reply in client.stream(_call("Backup", store_pb2.BackupRequest()), timeout=COPY_SECONDS):
                file.write(reply.data)
                digest.update(reply.data)
                size, wanted = size + len(reply.data), reply.sha256 or wanted
            file.flush()
            os.fsync(file.fileno())
        if digest.digest() != wanted:
            raise Unavailable("The copy broke off before its end; try again.")
        draft.rename(path)
    except FileExistsError:
        raise InvalidArgument(f"Another backup writes {draft}; remove it if none does.") from None
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InvalidArgument(f"Cannot write {path}: {error.strerror}.") from None
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return size
