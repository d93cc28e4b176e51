"""The commands that keep services running: `up` for all of them, `trainer` for one more node."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.console import relative, remark, say
from paretune.cli.target import DEFAULT_DATABASE, check_address
from paretune.client import DEFAULT_ADDRESS
from paretune.errors import InvalidArgument, Unavailable
from paretune.local import (
    DEFAULT_PORTS,
    GRACE_SECONDS,
    LOOPBACK,
    Doors,
    Suite,
    answers,
    free_ports,
    has_dashboard,
    is_free,
)
from paretune.local.supervisor import Supervisor
from paretune.rpc import options
from paretune.rpc.listening import TAKEN, why_not


def up(
    database: Annotated[
        Path,
        typer.Option(
            "--db",
            envvar="PARETUNE_DB",
            metavar="FILE",
            dir_okay=False,
            help="The database, made when missing.",
        ),
    ] = DEFAULT_DATABASE,
    host: Annotated[
        str, typer.Option(envvar="PARETUNE_HOST", metavar="HOST", help="Where to listen.")
    ] = LOOPBACK,
    port: Annotated[
        int,
        typer.Option(
            envvar="PARETUNE_PORT",
            min=1,
            max=65532,
            metavar="PORT",
            help="Port of the Optimizer, the one that clients need; Store, Trainer and dashboard take the "
            "next three.",
        ),
    ] = DEFAULT_PORTS[0],
    slots: Annotated[
        int,
        typer.Option(
            envvar="PARETUNE_SLOTS", min=0, metavar="N", help="Trials at once on this machine; 0: no Trainer."
        ),
    ] = 1,
    dashboard: Annotated[
        bool,
        typer.Option("--dashboard/--no-dashboard", envvar="PARETUNE_DASHBOARD", help="Show it in a browser."),
    ] = True,
    plaintext: Annotated[
        bool,
        typer.Option(
            "--plaintext",
            envvar="PARETUNE_PLAINTEXT",
            help="Allow a host that other machines can reach, unencrypted.",
        ),
    ] = False,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            envvar="PARETUNE_CA",
            metavar="FILE",
            dir_okay=False,
            show_default=False,
            help="The CA that signed the certificate: the services trust each other by it.",
        ),
    ] = None,
    tokens: options.Tokens = None,
    token_file: options.TokenFileOption = None,
) -> None:
    """Keep all services running on this machine.

    Until Ctrl-C. A service that dies is started again. What was recorded is in the database, and the next
    `up` goes on with it.

    With --tls-cert, --tls-key and --ca everything that other machines can reach is encrypted; with --tokens
    and --token-file callers need a token.

    Example: paretune up --db tune.db --slots 2
    """
    # What the environment says about services elsewhere is not meant for these.
    doors = Doors(tls_cert, tls_key, ca if tls_cert else None, tokens, token_file if tokens else None)
    suite = Suite(database, tuple(range(port, port + 4)), host, plaintext, doors)
    dashboard = dashboard and has_dashboard()
    services = suite.services() + ([suite.trainer(slots)] if slots else [])
    if dashboard:
        services.append(suite.dashboard([suite.trainer_address] if slots else []))
    _check_addresses(sorted((service.address for service in services), key=_port))
    with Supervisor(services, suite.folder, notify=remark, grace=GRACE_SECONDS) as supervisor:
        try:
            supervisor.wait_until_ready()
            with suite.announced():
                _welcome(suite, slots, dashboard)
                supervisor.wait()
        except KeyboardInterrupt:
            remark("Stopping ...")
            supervisor.stop()
            return
        supervisor.check()


def _check_addresses(addresses: Iterable[str]) -> None:
    for address in addresses:
        why = why_not(address)
        if why == TAKEN:
            who = "paretune" if answers(address) else "something"
            raise Unavailable(
                f"Port {_port(address)} is taken: {who} runs there already. Choose another with --port."
            )
        if why:
            raise Unavailable(f"Cannot listen on {address}: {why}. Choose another with --host or --port.")


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _welcome(suite: Suite, slots: int, dashboard: bool) -> None:
    default = suite.server == DEFAULT_ADDRESS
    option = "" if default else f" --server {suite.server}"
    scheme = "https" if suite.doors.tls_cert else "http"
    needed = [f"PARETUNE_CA={relative(suite.doors.ca)}"] if suite.doors.ca else []
    needed += ["a token in PARETUNE_TOKEN"] if suite.doors.tokens else []
    lines = [
        "paretune is up.",
        f"  dashboard {scheme}://{suite.dashboard_address}  open it in a browser"
        if dashboard
        else "  dashboard none (pip install 'paretune[dashboard]', without --no-dashboard)",
        f"  server    {suite.server}  the one address that clients and trainers need",
        f"  trainer   {suite.trainer_address}  {slots} at a time"
        if slots
        else "  trainer   none (--slots 0)",
        f"  database  {relative(suite.database)}",
        f"  logs      {relative(suite.folder)}{os.sep}",
        f"In another terminal{', with ' + ' and '.join(needed) if needed else ''}:",
        f"  paretune run{option} FILE.yaml",
        f"  paretune experiments{option}",
        "Ctrl-C stops everything; nothing that was recorded is lost.",
    ]
    say("\n".join(lines))


def trainer(
    context: typer.Context,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            "--store",
            envvar="PARETUNE_SERVER",
            metavar="HOST:PORT",
            help="Address of the running services.",
        ),
    ] = DEFAULT_ADDRESS,
    slots: Annotated[
        str,
        typer.Option(
            envvar="PARETUNE_TRAINER_SLOTS",
            metavar="N",
            help="Trials at once; auto: one per core, as far as memory goes round.",
        ),
    ] = "1",
    listen: Annotated[
        str | None,
        typer.Option(
            envvar="PARETUNE_TRAINER_LISTEN",
            metavar="HOST:PORT",
            help="Where the Trainer answers questions about itself.",
            show_default="a free port",
        ),
    ] = None,
) -> None:
    """Join running services as a trainer node.

    This process becomes the Trainer, until Ctrl-C. Further options go to the Trainer as they are:
    `python -m paretune_trainer --help` lists them.

    Example: paretune trainer --server 10.0.0.5:50051 --slots 2 --time-limit 600
    """
    check_address(server)
    if unknown := [word for word in context.args if word in ("-h", "--help")]:
        raise InvalidArgument(f"{unknown[0]}: `python -m paretune_trainer --help` lists the further options.")
    listen = listen or f"{LOOPBACK}:{_free_port()}"
    command = [sys.executable, "-m", "paretune_trainer", "--server", server, "--slots", slots]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [*command, "--listen", listen, *context.args])  # noqa: S606 - no shell


def _free_port() -> int:
    return DEFAULT_PORTS[2] if is_free(DEFAULT_PORTS[2]) else free_ports(1)[0]
