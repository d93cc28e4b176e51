"""`paretune run`: from a file to a front, in one command that can be stopped and started at any time."""

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli import tables
from paretune.cli.console import file_stem, out, print_json, print_table, relative, remark, say
from paretune.cli.documents import document
from paretune.cli.overrides import Data, Preset, Settings, overridden, with_settings
from paretune.cli.target import Database, Json, Server, opened
from paretune.cli.training import create_or_resume, train
from paretune.client import Client
from paretune.client.handle import ExperimentHandle
from paretune.errors import FailedPrecondition, InvalidArgument, ParetuneError
from paretune.experiment_file import load_experiment
from paretune.local import LocalClient


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The experiment.")],
    server: Server = None,
    database: Database = None,
    new: Annotated[
        bool, typer.Option("--new", help="Start afresh, even if one of this name exists.")
    ] = False,
    budget: Annotated[
        int | None, typer.Option(metavar="N", help="Observations to make, instead of the file's.")
    ] = None,
    parallelism: Annotated[
        int | None, typer.Option(metavar="N", help="Trials at once, instead of the file's.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="POLICY", help="auto, gp, tpe, nsga2, sobol, random or grid.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all suggestions.")] = None,
    preset: Preset = None,
    settings: Settings = None,
    data: Data = None,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where picture and CSV go.")] = Path(
        "results"
    ),
    as_json: Json = False,
) -> None:
    """Create or resume an experiment, train, show the front.

    An experiment of the same name in the same database is resumed. Stop with Ctrl-C at any time: the same
    command goes on where it stopped.

    Uses the services that `--server` names or that answer at 127.0.0.1:50051; otherwise starts services of
    its own for the time of the run, for `--db` (paretune.db), with as many slots as the experiment wants.

    Example: paretune run examples/digits.yaml --budget 20
    """
    wanted = overridden(load_experiment(file), budget, parallelism, policy, seed)
    wanted = with_settings(
        wanted, file, preset=preset, pairs=settings or (), data=data, data_is_here=server is None
    )
    with opened(server, database, create=True) as client:
        handle = create_or_resume(client, wanted, new)
        try:
            train(client, handle)
        except KeyboardInterrupt:
            remark(_resume_hint(client, handle, file))
            raise
        report(handle, folder, as_json)


def _resume_hint(client: Client, handle: ExperimentHandle, file: Path) -> str:
    try:
        count = tables.count_text(handle.refresh()).partition(",")[0]
    except ParetuneError:
        count = "some"
    own = isinstance(client, LocalClient)
    where = (
        f"--db {relative(client.suite.database)}"
        if isinstance(client, LocalClient)
        else f"--server {client.address}"
    )
    still = "" if own else " Trainers elsewhere go on; `paretune pause` stops them."
    return f"Stopped at {count} observations.{still} Go on with: paretune run {file} {where}"


def report(handle: ExperimentHandle, folder: Path, as_json: bool = False) -> None:
    """Print the front, and write picture and CSV.

    Raises:
        InvalidArgument: they cannot be written there.
        FailedPrecondition: every training crashed.
    """
    front = handle.pareto_front()
    picture, csv = (folder / f"{file_stem(handle.name)}{ending}" for ending in (".png", ".csv"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle.plot.pareto(save=picture)
        handle.to_csv(csv)
    except OSError as error:
        raise InvalidArgument(f"--out: cannot write to {folder}: {error.strerror}.") from None
    if as_json:
        files = {"picture": str(picture), "csv": str(csv)}
        print_json({"experiment": document(handle.refresh()), "front": document(front), "files": files})
        return
    for table in tables.front_tables(handle.experiment, front, out().width):
        print_table(table)
    say(tables.front_caption(handle.experiment, front))
    say(f"Wrote {relative(picture)} and {relative(csv)}.")
    progress = handle.refresh().progress
    if 0 < progress.observations == progress.crashed + progress.lost:
        raise FailedPrecondition(
            f"All {progress.observations} trainings crashed; {relative(csv)} says how. "
            "When the cause is mended, --new starts afresh, and --budget N goes on."
        )
