"""Start the Store: `python -m paretune_store --help`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import grpc
import typer

from paretune.rpc import options
from paretune.rpc.logs import LogFormat, configure_logging
from paretune.rpc.server import CannotListen, Serving, run_service, serve
from paretune.v1 import store_pb2_grpc
from paretune_store.backup import restore
from paretune_store.database import CannotOpen
from paretune_store.numbers import show
from paretune_store.reaper import prune, reap
from paretune_store.servicer import StoreServicer
from paretune_store.sqlite import SqliteStore

SERVICES = ["paretune.v1.StoreService"]


async def run(serving: Serving, database: Path, network: bool, keep_days: float) -> None:
    """Serve the file until told to stop.

    Args:
        serving: where and how to listen.
        database: the file.
        network: allow a network filesystem.
        keep_days: how long replies and events of checkpoints are kept.

    Raises:
        CannotListen: the address is taken or not allowed.
        CannotOpen: the file cannot be used.
    """
    serving.check()
    store = SqliteStore.open(database, network=network)

    def register(server: grpc.aio.Server) -> None:
        store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(store), server)
        show(store)

    chores = [asyncio.create_task(reap(store)), asyncio.create_task(prune(store, keep_days))]
    try:
        await serve(serving, register, SERVICES, stopping=store.end_watches)
    finally:
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
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
    network: Annotated[
        bool,
        typer.Option(
            "--network-filesystem",
            envvar="PARETUNE_NETWORK_FILESYSTEM",
            help="Allow a file on a network filesystem, at your own risk.",
        ),
    ] = False,
    keep_days: Annotated[
        float,
        typer.Option(
            envvar="PARETUNE_KEEP_DAYS",
            min=1.0,
            help="Days for which first replies and events of checkpoints are kept.",
        ),
    ] = 30.0,
    put_back: Annotated[
        Path | None,
        typer.Option(
            "--restore", dir_okay=False, help="Put this backup at --db, and end.", show_default=False
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --restore: keep an existing file beside the new one.")
    ] = False,
    metrics_at: options.Metrics = "",
    traces_to: options.Traces = "",
    log_level: options.LogLevel = "INFO",
    log_format: options.Logs = LogFormat.TEXT,
    config_file: options.Config = None,
) -> None:
    """Keep experiments, suggestions and observations.

    Exit codes: 3 cannot listen, or the file is in use or cannot be written; 4 the file is damaged; 5 a newer
    paretune wrote it.
    """
    configure_logging("store", log_level, log_format)
    try:
        if put_back is not None:
            _restore(put_back, database, replace)
            return
        options.begin_tracing("store", traces_to)
        tls_server = options.server_tls(tls_cert, tls_key, client_ca)
        serving = Serving(listen, plaintext, reflect, tls_server, tokens, audit, metrics_at)
        run_service(run(serving, database, network, keep_days))
    except (CannotListen, CannotOpen) as error:
        sys.stderr.write(f"paretune store: {error}\n")
        raise SystemExit(getattr(error, "exit_code", 3)) from None


def _restore(backup: Path, database: Path, replace: bool) -> None:
    kept = restore(backup, database, replace)
    sys.stdout.write(f"Restored {database} from {backup}.\n")
    if kept:
        sys.stdout.write(f"What was there is now {', '.join(map(str, kept))}.\n")


if __name__ == "__main__":
    options.run("store", main)
