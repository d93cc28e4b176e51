"""The commands that read: experiments, show, front, watch, export. Each has `--json`."""

import csv
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from paretune import frame, transfer
from paretune.cli import tables
from paretune.cli.console import (
    clean,
    out,
    print_json,
    print_json_line,
    print_lines,
    print_table,
    relative,
    remark,
    say,
)
from paretune.cli.documents import document
from paretune.cli.progress import Course, Display, observation_line, values_text
from paretune.cli.target import Database, Json, Name, Server, find, opened
from paretune.client.handle import ExperimentHandle
from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, ExperimentState
from paretune.experiment_file import dump_experiment
from paretune.observation import Checkpoint, Event, Observation, Suggestion


def experiments(
    server: Server = None,
    database: Database = None,
    everything: Annotated[bool, typer.Option("--all", help="Also archived ones.")] = False,
    project: Annotated[
        str, typer.Option(metavar="PROJECT", help="Only those of this project.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """List experiments, newest first.

    Example: paretune experiments --json
    """
    with opened(server, database) as client:
        found = list(client.list_experiments(tuple(ExperimentState) if everything else (), project=project))
    if as_json:
        print_json(document(found))
    elif found:
        print_table(tables.experiments_table(found))
    else:
        remark("No experiments yet. Create one with `paretune run FILE.yaml`.")


def show(
    name: Name,
    server: Server = None,
    database: Database = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the experiment as a file for `run`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one experiment and how far it is.

    Example: paretune show digits
    """
    with opened(server, database) as client:
        experiment = find(client, name)
    if as_json:
        print_json(document(experiment))
    elif as_yaml:
        print_lines(dump_experiment(experiment).splitlines())
    else:
        print_table(tables.experiment_facts(experiment))
        print_lines([""])
        print_table(tables.parameters_table(experiment))
        print_lines([""])
        print_table(tables.metrics_table(experiment))


def front(
    name: Name,
    server: Server = None,
    database: Database = None,
    slack: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="NUMBER",
            help="Also show what is worse by no more than this many standard errors.",
        ),
    ] = 0.0,
    as_of: Annotated[
        int, typer.Option(min=0, metavar="N", help="Only the first N observations; 0: all.")
    ] = 0,
    picture: Annotated[
        Path | None,
        typer.Option("--png", metavar="FILE", help="Also draw all observations.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the efficient configurations.

    A configuration is efficient when no other is at least as good in every metric and better in one. P(eff.)
    is the probability of that, given the noise of the measurements.

    Example: paretune front digits --png front.png
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        found = client.pareto_front(experiment.id, as_of=as_of, slack=slack)
        if picture:
            _draw(ExperimentHandle(client, experiment), picture)
    if as_json:
        print_json(document(found))
        return
    for table in tables.front_tables(experiment, found, out().width):
        print_table(table)
    say(tables.front_caption(experiment, found, slack))
    if picture:
        remark(f"Wrote {relative(picture)}.")


def _draw(handle: ExperimentHandle, picture: Path) -> None:
    try:
        handle.plot.pareto(save=picture)
    except (OSError, ValueError) as error:
        raise InvalidArgument(
            f"--png: cannot write {picture}: {getattr(error, 'strerror', '') or error}."
        ) from None


def watch(
    name: Name,
    server: Server = None,
    database: Database = None,
    checkpoints: Annotated[bool, typer.Option(help="Also every checkpoint.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Follow one experiment live.

    Prints a line for each thing that happens, beginning with what happened so far; on a terminal also a
    progress bar, and a curve for each trial that runs. Ends when the budget is filled, or with Ctrl-C.

    Example: paretune watch digits --json | jq '.observation.values // empty'
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        console = out()
        drawn = console.is_terminal and not as_json
        course = Course(experiment, begun_at=time.monotonic(), begun_with=experiment.progress.observations)
        with Display(console, [course], time.monotonic) if drawn else nullcontext() as display:
            for event in client.watch(experiment.id, skip_checkpoints=not (checkpoints or drawn)):
                course.take(event)
                if as_json:
                    kind = type(event.change).__name__.lower()
                    about = {"sequence": event.sequence, "time": document(event.create_time)}
                    print_json_line({**about, kind: document(event.change)})
                elif checkpoints or not isinstance(event.change, Checkpoint):
                    line = _event_line(course, event)
                    display.tell(line) if display else print_lines([line])
                if course.done and not course.running:
                    return


def _event_line(course: Course, event: Event) -> str:
    when = event.create_time.astimezone().strftime("%H:%M:%S ") if event.create_time else ""
    return clean(when + _change_text(course, event.change))


def _change_text(course: Course, change: Experiment | Suggestion | Observation | Checkpoint) -> str:
    if isinstance(change, Observation):
        return observation_line(course, change)
    if isinstance(change, Experiment):
        return f"{change.name} is {change.state.name.lower()}, budget {change.observation_budget or 'open'}"
    if isinstance(change, Checkpoint):
        values = values_text(course.experiment.metrics, change.values)
        return f"checkpoint of {change.suggestion_id}: step {change.step}  {values}"
    held = f" by {change.lease.worker} (attempt {change.attempt})" if change.lease else ""
    configuration = tables.assignments_text(tables.in_order(course.experiment, change.assignments))
    return f"trial {change.ordinal} {change.state.name.lower()}{held}: {configuration}"


class Format(Enum):
    """Formats of `export`."""

    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


def export(
    name: Name,
    server: Server = None,
    database: Database = None,
    kind: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the ending of --output, else csv.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.", show_default=False),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Everything, as JSON Lines for `paretune import`.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Write every observation as CSV, JSON Lines or Parquet.

    One row each: configuration, metrics with standard errors, outcome, worker and times. With --whole: the
    experiment, its suggestions, observations and checkpoints, as they are recorded.

    Example: paretune export digits -o digits.csv
    """
    if whole:
        if kind in (Format.csv, Format.parquet):
            raise InvalidArgument("--whole writes JSON Lines; leave --format out.")
        with opened(server, database) as client:
            records = list(transfer.export_records(client, find(client, name).id))
        _save(output, lambda file: _write_records(file, records))
        if output:
            remark(f"Wrote {len(records) - 1} records to {relative(output)}.")
        return
    if kind is None:
        kind = Format.jsonl if as_json else _format_of(output)
    if kind is Format.parquet and output is None:
        raise InvalidArgument("Parquet is not for standard output: name a file with --output.")
    with opened(server, database) as client:
        handle = ExperimentHandle(client, find(client, name))
        names, rows = frame.header(handle.experiment), handle.to_rows()
    if kind is Format.parquet and output is not None:
        _save_parquet(output, handle.experiment, rows)
    else:
        write = _write_csv if kind is Format.csv else _write_lines
        _save(output, lambda file: write(file, names, rows))
    if output:
        remark(f"Wrote {len(rows)} observations to {relative(output)}.")


def _format_of(output: Path | None) -> Format:
    """What the ending of a file asks for.

    Raises:
        InvalidArgument: it is none that is written.
    """
    if output is None or output.suffix == "":
        return Format.csv
    found = {".csv": Format.csv, ".parquet": Format.parquet} | dict.fromkeys(
        (".jsonl", ".json", ".ndjson"), Format.jsonl
    )
    if output.suffix not in found:
        raise InvalidArgument(f"--output: {output.suffix} is none of {', '.join(found)}; or give --format.")
    return found[output.suffix]


def _write_records(file: IO[str], records: Iterable[dict[str, Any]]) -> None:
    for record in records:
        print_json_line(record, file)


def _save(output: Path | None, write: Callable[[IO[str]], object]) -> None:
    if output is None:
        write(sys.stdout)
        return
    try:
        with output.open("w", newline="", encoding="utf-8") as file:
            write(file)
    except OSError as error:
        raise InvalidArgument(f"--output: cannot write {output}: {error.strerror}.") from None


def _save_parquet(output: Path, experiment: Experiment, rows: list[dict[str, Any]]) -> None:
    try:
        frame.write_parquet(output, experiment, rows)
    except OSError as error:
        raise InvalidArgument(f"--output: cannot write {output}: {error.strerror or error}.") from None


def _write_csv(file: IO[str], names: list[str], rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: document(value) for name, value in row.items()} for row in rows)


def _write_lines(file: IO[str], names: list[str], rows: list[dict[str, Any]]) -> None:
    for row in rows:
        print_json_line({name: document(row[name]) for name in names}, file)
