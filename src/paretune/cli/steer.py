"""The commands that change an experiment: pause, resume, amend, delete."""

from collections.abc import Iterable
from typing import Annotated

import typer

from paretune.cli.console import print_json, remark
from paretune.cli.documents import document
from paretune.cli.target import Database, Json, Name, Server, find, opened
from paretune.client.handle import ExperimentHandle
from paretune.errors import InvalidArgument, NotFound
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


def amend(
    name: Name,
    trial: Annotated[int, typer.Argument(min=1, help="Number of the trial, as tables show it.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="METRIC=VALUE[±ERROR]", help="New values; others stay.", show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for people.", show_default=False)] = "",
    infeasible: Annotated[
        str, typer.Option(metavar="WHY", help="The configuration cannot work after all.", show_default=False)
    ] = "",
    crashed: Annotated[
        str, typer.Option(metavar="WHY", help="The result leaves the search.", show_default=False)
    ] = "",
    ok: Annotated[bool, typer.Option("--ok", help="The result counts after all.")] = False,
    server: Server = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Amend a recorded result: its values, or how it ended.

    The former ones stay with it, with the time, your name and the reason. Everybody sees the new ones,
    the model too.

    Example: paretune amend digits 7 accuracy=0.97±0.01 --reason "measured again on a quiet machine"
    """
    if not reason:
        raise InvalidArgument("An amendment needs a reason: --reason TEXT.")
    if not (values or infeasible or crashed or ok):
        raise InvalidArgument("Nothing to amend: give METRIC=VALUE, --infeasible, --crashed or --ok.")
    with opened(server, database) as client:
        handle = ExperimentHandle(client, find(client, name))
        found = next((o for o in client.list_observations(handle.id) if o.ordinal == trial), None)
        if found is None:
            raise NotFound.of("trial", f"{handle.id} {trial}")
        amended = handle.amend(
            found, _measured(values or ()), reason=reason, infeasible=infeasible, crashed=crashed, ok=ok
        )
    if as_json:
        print_json(document(amended))
        return
    times = len(amended.amendments)
    remark(f"Trial {trial} of {handle.id} is amended ({times} time{'s' if times > 1 else ''} in all).")


def _measured(words: Iterable[str]) -> dict[str, float | tuple[float, float]]:
    """Values from words such as ``accuracy=0.97±0.01``."""
    found: dict[str, float | tuple[float, float]] = {}
    for word in words:
        metric, _, text = word.rpartition("=")
        number, _, error = text.replace("+-", "±").partition("±")
        try:
            found[metric] = (float(number), float(error)) if error else float(number)
        except ValueError:
            raise InvalidArgument(f"{word!r} is not METRIC=VALUE or METRIC=VALUE±ERROR.") from None
    return found


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
