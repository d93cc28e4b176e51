"""Start the dashboard: `python -m paretune_dashboard --help`."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from paretune.rpc.server import CannotListen, Serving, configure_logging
from paretune_dashboard.app import create_app
from paretune_dashboard.config import Config

log = logging.getLogger("paretune.dashboard")


async def run(config: Config, *, certificate: Path | None, key: Path | None) -> None:
    """Serve until told to stop.

    Raises:
        CannotListen: the address is taken.
    """
    host, _, port = config.listen.rpartition(":")
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            host=host.strip("[]"),
            port=int(port),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
    )
    try:
        await server.serve()
    except SystemExit:
        raise CannotListen(f"Cannot listen on {config.listen}. Is another one running there?") from None


def main(
    server: Annotated[
        str, typer.Option(envvar="PARETUNE_SERVER", metavar="HOST:PORT", help="Address of the Optimizer.")
    ] = "127.0.0.1:50051",
    listen: Annotated[
        str, typer.Option(envvar="PARETUNE_DASHBOARD_LISTEN", metavar="HOST:PORT", help="Where browsers go.")
    ] = "127.0.0.1:50054",
    trainer: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PARETUNE_DASHBOARD_TRAINERS", metavar="HOST:PORT", help="A trainer to show; repeatable."
        ),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PARETUNE_DASHBOARD_HOST_NAMES",
            metavar="NAME[:PORT]",
            help="A further name under which browsers reach the dashboard; repeatable.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--tls-cert", envvar="PARETUNE_DASHBOARD_TLS_CERT", exists=True, dir_okay=False),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--tls-key", envvar="PARETUNE_DASHBOARD_TLS_KEY", exists=True, dir_okay=False),
    ] = None,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure-cookies",
            envvar="PARETUNE_DASHBOARD_SECURE",
            help="Browsers come over TLS, through a proxy.",
        ),
    ] = False,
    plaintext: Annotated[
        bool, typer.Option(envvar="PARETUNE_PLAINTEXT", help="Allow addresses that other machines can reach.")
    ] = False,
    log_level: Annotated[str, typer.Option(envvar="PARETUNE_LOG_LEVEL")] = "INFO",
) -> None:
    """Show experiments in a browser.

    The token in PARETUNE_DASHBOARD_TOKEN, if any, is used for share links alone: people log in with theirs.
    Exit codes: 3 cannot listen.
    """
    configure_logging("dashboard", log_level)
    config = Config(
        server=server,
        listen=listen,
        trainers=tuple(trainer or ()),
        hosts=tuple(name.lower() for name in host_name or ()),
        token=os.environ.get("PARETUNE_DASHBOARD_TOKEN", ""),
        secure=secure or certificate is not None,
    )
    try:
        Serving(listen, plaintext or certificate is not None).check()
        asyncio.run(run(config, certificate=certificate, key=key))
    except CannotListen as error:
        sys.stderr.write(f"paretune dashboard: {error}\n")
        raise SystemExit(3) from None


if __name__ == "__main__":
    typer.run(main)
