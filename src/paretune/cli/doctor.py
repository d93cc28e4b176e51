"""`paretune doctor`: is everything in order, and if not, what to do."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from paretune.cli.console import clean, print_json, print_table
from paretune.cli.tables import new_table
from paretune.cli.target import DEFAULT_DATABASE, Json, Server, check_address
from paretune.client import DEFAULT_ADDRESS
from paretune.doctor import Finding, Verdict, doors, files, machine, services
from paretune.errors import InvalidArgument
from paretune.local import Suite, answers
from paretune.rpc.credentials import Credentials

_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


def doctor(
    server: Server = None,
    database: Annotated[
        Path | None,
        typer.Option("--db", metavar="FILE", help="Look at this database instead.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check machine, services and files; say what to do.

    Each trouble is told with its remedy.

    Looks at versions, generated stubs, GPUs, folders of data, files of TLS and tokens with their ends, the
    services, their clocks, disk and schema. Starts nothing and changes nothing. Exit code 1 when a line says
    fail.

    Example: paretune doctor --server 10.0.0.5:50051
    """
    found = [*machine.examine(), *doors.examine(), *_services(server, database)]
    if as_json:
        print_json([{**vars(one), "verdict": one.verdict.value} for one in found])
    else:
        print_table(_table(found))
    if any(one.verdict is Verdict.FAIL for one in found):
        raise typer.Exit(1)


def _services(server: str | None, database: Path | None) -> Iterable[Finding]:
    """The services that the other commands would talk to (`paretune.cli.target`), else the database."""
    if server and database:
        raise InvalidArgument("Give --server (PARETUNE_SERVER) or --db, not both.")
    if server and server != DEFAULT_ADDRESS:
        check_address(server)
    file = database or DEFAULT_DATABASE
    if server is None and database is None and answers(DEFAULT_ADDRESS):
        server = DEFAULT_ADDRESS
    server = server or Suite(file).found()
    if server:
        return services.examine(server, Credentials.from_environment())
    if database or file.exists():
        return [*files.database(file), Finding("services", Verdict.OK, "none run for it")]
    advice = "Start them with `paretune up`, or name them with --server HOST:PORT or --db FILE."
    return [
        Finding("services", Verdict.WARN, f"none at {DEFAULT_ADDRESS}", advice),
        files.room("disk", Path()),
    ]


def _table(found: Iterable[Finding]) -> Table:
    table = new_table("check", "", "found", "what to do")
    for one in found:
        verdict = Text(one.verdict.value, _STYLES[one.verdict])
        table.add_row(one.check, verdict, Text(clean(one.found)), Text(clean(one.advice)))
    return table
