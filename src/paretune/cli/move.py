"""The commands that move data: import, backup, restore."""

import subprocess
import sys
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from paretune import imports, transfer
from paretune.cli.console import relative, remark
from paretune.cli.target import Database, Server, find, opened
from paretune.errors import InvalidArgument, ParetuneError
from paretune.experiment import ExperimentState
from paretune.imports import ax, optuna, sigopt

JSON_LINES = (".jsonl", ".json", ".ndjson")


class Origin(Enum):
    """Where a search was begun."""

    optuna = "optuna"
    ax = "ax"
    sigopt = "sigopt"


def import_(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="What `export` wrote; with --from optuna a storage URL.")
    ],
    into: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT", help="Add the rows of a table to this one.", show_default=False),
    ] = None,
    origin: Annotated[
        Origin | None,
        typer.Option("--from", help="A search that was begun elsewhere.", show_default=False),
    ] = None,
    id: Annotated[
        str, typer.Option(metavar="ID", help="With --from: id of the experiment.", show_default="its name")
    ] = "",
    study: Annotated[
        str,
        typer.Option(metavar="NAME", help="With --from optuna: which study.", show_default="the only one"),
    ] = "",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="With --from optuna: names of its values, in order.", show_default=False
        ),
    ] = None,
    server: Server = None,
    database: Database = None,
) -> None:
    """Record what `export` or another tool wrote.

    A file of `export --whole` becomes the experiment that it was, with the same ids, ordinals and times. A
    table, CSV or JSON Lines, is added to the experiment named by --into. Run again, the same file changes
    nothing; a table that grew adds its new rows.

    With --from: an Optuna storage, a JSON snapshot of Ax, or a SigOpt-style experiment in JSON or YAML
    becomes an experiment with all its finished trials. Run again, it adds those that are new.

    Example: paretune import digits.jsonl --db other.db

    Example: paretune import sqlite:///study.db --from optuna --metric accuracy

    Example: paretune import snapshot.json --from ax
    """
    if origin is None and (id or study or metric):
        raise InvalidArgument("--id, --study and --metric are for --from.")
    if origin is not None:
        if into is not None:
            raise InvalidArgument("--into is for tables; --from makes an experiment, see --id.")
        foreign = _foreign(origin, source, study, metric or ())
        with opened(server, database, create=True) as client:
            made, new = imports.record(client, foreign, id)
        for sentence in foreign.remarks:
            remark(sentence)
        remark(f"Recorded {made.id} with {new} new observations of {len(foreign.observations)}.")
        return
    file = Path(source)
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            text = lines.read().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"Cannot read {file}: {getattr(error, 'strerror', '') or error}.") from None
    whole = bool(text) and f'"{transfer.RECORDS}"' in text[0]
    if whole == (into is not None):
        raise InvalidArgument(
            "--into is for tables; this file holds a whole experiment."
            if whole
            else "This file is a table of results: name its experiment with --into EXPERIMENT."
        )
    with opened(server, database, create=whole) as client:
        if into is None:
            experiment = transfer.import_records(client, text)
            remark(f"Recorded {experiment.id} with {experiment.progress.observations} observations.")
            if experiment.state is ExperimentState.PAUSED:
                remark(f"It is paused; go on with `paretune resume {experiment.id}`.")
            return
        rows = transfer.read_rows(text, as_csv=file.suffix not in JSON_LINES)
        experiment = find(client, into)
        new = transfer.import_rows(client, experiment, rows)
        remark(f"Recorded {new} new observations of {len(rows)} in {experiment.id}.")


def _foreign(origin: Origin, source: str, study: str, metrics: Sequence[str]) -> imports.Foreign:
    if origin is Origin.optuna:
        return optuna.read(source, study, metrics)
    if study or metrics:
        raise InvalidArgument("--study and --metric are for --from optuna.")
    return ax.read(Path(source)) if origin is Origin.ax else sigopt.read(Path(source))


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; must not exist.")],
    every: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            help="Again and again, each copy in the place of the one before.",
            show_default=False,
        ),
    ] = None,
    server: Server = None,
    database: Database = None,
) -> None:
    """Copy the whole database, while everything goes on.

    The copy holds everything that was recorded before it began. With --every, on another disk or machine,
    what a lost disk takes with it is what was recorded since the last copy began. Once a first copy is made,
    one that fails is told, and made at the next time.

    Example: paretune backup monday.db

    Example: paretune backup /mnt/other/tune.db --every 60 --server 10.0.0.5:50052
    """
    with opened(server, database) as client:
        size = transfer.backup(client, file, replace=every is not None)
        remark(f"Wrote {size / 1e6:.1f} MB to {relative(file)}.")
        while every is not None:
            time.sleep(every)
            try:
                transfer.backup(client, file, replace=True)
            except ParetuneError as error:
                remark(f"{relative(file)} is still the copy before: {error}")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
    database: Annotated[
        Path, typer.Option("--db", metavar="DATABASE", help="The database to make of it.", show_default=False)
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a database that is there; it is kept beside.")
    ] = False,
) -> None:
    """Make a database of a backup.

    No services may run for that database. Suggestions that were being trained are queued again; their workers
    cannot report any more, because what they did since the backup is not in it.

    Example: paretune restore monday.db --db tune.db
    """
    words = ["--restore", str(file), "--db", str(database), *(["--replace"] if replace else [])]
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "paretune_store", *words], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["it did not say why"])[-1]
        raise InvalidArgument(last.removeprefix("paretune store: "))
    remark(ended.stdout.strip())
