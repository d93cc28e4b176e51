"""The commands that move data: import, backup, restore."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from paretune import transfer
from paretune.cli.console import relative, remark
from paretune.cli.target import Database, Server, find, opened
from paretune.errors import InvalidArgument

JSON_LINES = (".jsonl", ".json", ".ndjson")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote: records, rows or CSV.")],
    into: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT", help="Add the rows of a table to this one.", show_default=False),
    ] = None,
    server: Server = None,
    database: Database = None,
) -> None:
    """Record what `export` wrote.

    A file of `export --whole` becomes the experiment that it was, with the same ids, ordinals and times. A
    table, CSV or JSON Lines, is added to the experiment named by --into. Run again, the same file changes
    nothing.

    Example: paretune import digits.jsonl --db other.db
    """
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
            return
        rows = transfer.read_rows(text, as_csv=file.suffix not in JSON_LINES)
        experiment = find(client, into)
        count = transfer.import_rows(client, experiment, rows)
        remark(f"Recorded {count} observations in {experiment.id}.")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; must not exist.")],
    server: Server = None,
    database: Database = None,
) -> None:
    """Copy the whole database, while everything goes on.

    The copy holds everything that was recorded before the command began.

    Example: paretune backup monday.db
    """
    with opened(server, database) as client:
        size = transfer.backup(client, file)
    remark(f"Wrote {size / 1e6:.1f} MB to {relative(file)}.")


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
