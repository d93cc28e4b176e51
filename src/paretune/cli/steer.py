"""The commands that change an experiment: pause, resume, delete."""

from typing import Annotated

import typer

from paretune.cli.console import remark
from paretune.cli.target import Database, Name, Server, find, opened
from paretune.errors import InvalidArgument
from paretune.experiment import ExperimentState


def pause(name: Name, server: Server = None, database: Database = None) -> None:
    """Start no more trials of an experiment.

    Those that run are still recorded.

    Example: paretune pause digits
    """
    _set_state(name, server, database, ExperimentState.PAUSED)


def resume(name: Name, server: Server = None, database: Database = None) -> None:
    """Start trials of an experiment again.

    Example: paretune resume digits
    """
    _set_state(name, server, database, ExperimentState.ACTIVE)


def _set_state(name: str, server: Server, database: Database, state: ExperimentState) -> None:
    with opened(server, database) as client:
        experiment = find(client, name)
        if experiment.state is not state:
            client.update_experiment(experiment.id, state=state)
    remark(f"{experiment.id} is {state.name.lower()}.")


def delete(
    name: Name,
    server: Server = None,
    database: Database = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete an experiment and all its results.

    This cannot be undone.

    Example: paretune delete digits --yes
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        count = experiment.progress.observations
        if not yes:
            what = f"Delete {experiment.id} ({experiment.name}) with {count} observations?"
            try:
                agreed = typer.confirm(what, err=True)
            except typer.Abort:
                raise InvalidArgument("Nothing was deleted: say --yes where nobody can be asked.") from None
            if not agreed:
                remark("Nothing was deleted.")
                return
        client.delete_experiment(experiment.id)
    remark(f"Deleted {experiment.id} with {count} observations.")
