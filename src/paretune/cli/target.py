"""Which services a command talks to, and which experiment it means.

One rule for every command, in this order: `--server` (or PARETUNE_SERVER); `--db`; the default address, when
services answer there; a database `paretune.db` in the working folder. For a database, the services that
already run for it are used, and else started for this one command.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.console import relative, remark
from paretune.client import DEFAULT_ADDRESS, Client
from paretune.client.connection import connect
from paretune.errors import InvalidArgument, NotFound, Unavailable
from paretune.experiment import Experiment, ExperimentState
from paretune.local import LocalClient, Suite, answers, free_ports
from paretune.rpc.credentials import Credentials
from paretune.rpc.replicas import addresses_of

DEFAULT_DATABASE = Path("paretune.db")
CONNECT_SECONDS = 5.0

Server = Annotated[
    str | None,
    typer.Option(
        envvar="PARETUNE_SERVER",
        metavar="HOST:PORT",
        help="Address of running services.",
        show_default=f"{DEFAULT_ADDRESS} if services answer there",
    ),
]
Database = Annotated[
    Path | None,
    typer.Option(
        "--db",
        metavar="FILE",
        help="A database instead; its services are started if need be.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="Id or name of an experiment (the newest of that name).")
]


@contextmanager
def opened(server: str | None, database: Path | None, *, create: bool = False) -> Iterator[Client]:
    """A client for the services that a command means, with its own services ended afterwards.

    Args:
        server: what the user gave as `--server`.
        database: what the user gave as `--db`.
        create: whether a database that does not exist is made.

    Raises:
        InvalidArgument: both are given, or the database does not exist.
        Unavailable: no services answer, or they cannot start.
    """
    if server and database:
        raise InvalidArgument("Give --server (PARETUNE_SERVER) or --db, not both.")
    if server is None and database is None and answers(DEFAULT_ADDRESS, Credentials.from_environment()):
        server = DEFAULT_ADDRESS
    if server is None:
        server = Suite(database or DEFAULT_DATABASE).found()
    elif server != DEFAULT_ADDRESS:
        check_address(server)
    if server is None:
        client: Client = _local(database, create)
    else:
        client = connect(server, wait=CONNECT_SECONDS)
        if create:
            remark(f"Using the services at {server}.")
    with client:
        yield client


def _local(database: Path | None, create: bool) -> LocalClient:
    if not create and not (database or DEFAULT_DATABASE).exists():
        if database:
            raise InvalidArgument(f"There is no database {relative(database)}.")
        raise Unavailable(
            f"Nothing answers at {DEFAULT_ADDRESS} and there is no {DEFAULT_DATABASE} here: start the "
            "services with `paretune up`, or name them with --server HOST:PORT or --db FILE."
        )
    suite = Suite(database or DEFAULT_DATABASE, free_ports())
    client = LocalClient(suite, notify=remark)
    if create:
        remark(f"Started services at {suite.server} for {relative(suite.database)}.")
    return client


def check_address(server: str) -> None:
    """Refuse what cannot be an address, or several with commas.

    Raises:
        InvalidArgument: it is not `HOST:PORT` or `unix:PATH`.
    """
    try:
        addresses_of(server)
    except InvalidArgument as error:
        raise InvalidArgument(f"--server: {error}") from None


def find(client: Client, name: str) -> Experiment:
    """The experiment with this id, or the newest with this name.

    Raises:
        NotFound: there is none; the message names the closest.
    """
    try:
        return client.get_experiment(name)
    except (NotFound, InvalidArgument):
        pass
    named = list(client.list_experiments(tuple(ExperimentState), name=name))
    if named:
        if len(named) > 1:
            remark(f"{len(named)} experiments are called {name!r}; taking the newest, {named[0].id}.")
        return named[0]
    known = list(dict.fromkeys(word for e in client.list_experiments() for word in (e.name, e.id)))
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "`paretune experiments` lists those that there are."
    raise NotFound(f"There is no experiment {name!r}; {hint}", metadata={"kind": "experiment", "id": name})
