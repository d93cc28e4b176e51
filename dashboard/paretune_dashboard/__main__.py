"""Start the dashboard: `python -m paretune_dashboard --help`."""

import asyncio
import logging
import sys
from typing import Annotated

import typer
import uvicorn

from paretune.errors import InvalidArgument
from paretune.rpc import options
from paretune.rpc.listening import why_not
from paretune.rpc.logs import configure_logging
from paretune.rpc.server import CannotListen, Serving
from paretune.rpc.tls import ServerTls
from paretune_dashboard.app import create_app
from paretune_dashboard.config import Config

log = logging.getLogger("paretune.dashboard")


async def run(config: Config, doors: ServerTls | None) -> None:
    """Serve until told to stop.

    Raises:
        CannotListen: the address is taken.
        InvalidArgument: a file of the credentials cannot be used.
    """
    if why := why_not(config.listen):
        raise CannotListen(f"Cannot listen on {config.listen}: {why}.")
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
            ssl_certfile=doors.cert if doors else None,
            ssl_keyfile=doors.key if doors else None,
        )
    )
    try:
        await server.serve()
    except SystemExit:
        raise CannotListen(f"Cannot listen on {config.listen}.") from None


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
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure-cookies",
            envvar="PARETUNE_DASHBOARD_SECURE",
            help="Browsers come over TLS, through a proxy.",
        ),
    ] = False,
    plaintext: options.Plaintext = False,
    token_file: options.TokenFileOption = None,
    tls: options.Tls = False,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    insecure: options.Insecure = False,
    log_level: Annotated[str, typer.Option(envvar="PARETUNE_LOG_LEVEL")] = "INFO",
) -> None:
    """Show experiments in a browser.

    People log in with their own tokens. PARETUNE_TOKEN or --token-file, if any, is for share links: give
    it the role `read`. Exit codes: 3 cannot listen, or a certificate or token cannot be used.
    """
    configure_logging("dashboard", log_level)
    try:
        doors = options.server_tls(tls_cert, tls_key, None)
        # Behind TLS, tokens or none of its own: whoever gets in has what the services give to his token.
        if doors is None:
            Serving(listen, plaintext).check()
        config = Config(
            server=server,
            listen=listen,
            trainers=tuple(trainer or ()),
            hosts=tuple(name.lower() for name in host_name or ()),
            credentials=options.client_credentials(token_file, tls, ca, cert, key, insecure),
            secure=secure or doors is not None,
        )
        asyncio.run(run(config, doors))
    except (CannotListen, InvalidArgument) as error:
        sys.stderr.write(f"paretune dashboard: {error}\n")
        raise SystemExit(3) from None


if __name__ == "__main__":
    typer.run(main)
