"""Start the Store: `python -m paretune_store --help`."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import grpc
import typer

from paretune.rpc import options
from paretune.rpc.server import CannotListen, Serving, configure_logging, serve
from paretune.v1 import store_pb2_grpc
from paretune_store.database import CannotOpen
from paretune_store.reaper import reap
from paretune_store.servicer import StoreServicer
from paretune_store.sqlite import SqliteStore

SERVICES = ["paretune.v1.StoreService"]


async def run(serving: Serving, database: Path) -> None:
    """Serve the file until told to stop.

    Raises:
        CannotListen: the address is taken or not allowed.
        CannotOpen: the file cannot be used.
    """
    serving.check()
    store = SqliteStore.open(database)

    def register(server: grpc.aio.Server) -> None:
        store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(store), server)

    reaper = asyncio.create_task(reap(store))
    try:
        await serve(serving, register, SERVICES, stopping=store.end_watches)
    finally:
        reaper.cancel()
        with suppress(asyncio.CancelledError):
            await reaper
        await store.close()


def main(
    database: Annotated[
        Path,
        typer.Option("--db", envvar="PARETUNE_DB", dir_okay=False, help="The file; made when missing."),
    ] = Path("paretune.db"),
    listen: Annotated[
        str, typer.Option(envvar="PARETUNE_STORE_LISTEN", help="HOST:PORT or unix:PATH.")
    ] = "127.0.0.1:50052",
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    tokens: options.Tokens = None,
    audit: options.AuditLog = None,
    plaintext: options.Plaintext = False,
    reflect: options.Reflect = False,
    log_level: Annotated[str, typer.Option(envvar="PARETUNE_LOG_LEVEL")] = "INFO",
) -> None:
    """Keep experiments, suggestions and observations.

    Exit codes: 3 cannot listen, or the file is in use or cannot be written; 4 the file is damaged; 5 a newer
    paretune wrote it.
    """
    configure_logging("store", log_level)
    try:
        tls_server = options.server_tls(tls_cert, tls_key, client_ca)
        serving = Serving(listen, plaintext, reflect, tls_server, tokens, audit)
        asyncio.run(run(serving, database))
    except (CannotListen, CannotOpen) as error:
        sys.stderr.write(f"paretune store: {error}\n")
        raise SystemExit(getattr(error, "exit_code", 3)) from None


if __name__ == "__main__":
    typer.run(main)
