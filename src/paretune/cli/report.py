"""The command that writes the report of one experiment."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from paretune import frame
from paretune.cli.console import relative, say
from paretune.cli.target import Database, Name, Server, find, opened
from paretune.client.handle import ExperimentHandle
from paretune.errors import InvalidArgument, Unavailable


def report(
    name: Name,
    server: Server = None,
    database: Database = None,
    folder: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where to write.", show_default="the experiment's id"),
    ] = None,
) -> None:
    """Write an HTML report, a picture and a CSV file.

    Example: paretune report digits --out digits-report
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        folder = folder or Path(experiment.id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            page, picture, table = (folder / file for file in ("report.html", "front.png", "trials.csv"))
            handle = ExperimentHandle(client, experiment)
            rows = frame.rows(experiment, handle.observations(), handle.pareto_front())
            frame.write_csv(table, frame.header(experiment), rows)
            handle.plot.pareto(save=picture)
        except OSError as error:
            raise InvalidArgument(f"--out: cannot write to {folder}: {error.strerror}.") from None
        # The page is the dashboard's: its charts, its program.
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [
                *(sys.executable, "-P", "-m", "paretune_dashboard.report", experiment.id),
                *("--server", client.address, "--out", str(page)),
            ],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise Unavailable(
            f"The page could not be made: {done.stderr.strip().removeprefix('paretune report: ')}"
        )
    for file in (page, picture, table):
        say(f"Wrote {relative(file)}.")
