"""Start the Optimizer: `python -m paretune_optimizer --help`."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Annotated

import grpc
import typer
from threadpoolctl import threadpool_limits

from paretune.errors import InvalidArgument
from paretune.rpc import options
from paretune.rpc.channel import open_async_channel
from paretune.rpc.credentials import Credentials
from paretune.rpc.logs import LogFormat, configure_logging
from paretune.rpc.server import CannotListen, Serving, run_service, serve
from paretune.v1 import optimizer_pb2_grpc
from paretune_optimizer.service.ahead import Ahead
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.forward import StoreForwarder
from paretune_optimizer.service.servicer import OptimizerServicer
from paretune_optimizer.service.stop_feed import StopFeed

SERVICES = ["paretune.v1.OptimizerService", "paretune.v1.StoreService"]


async def run(
    serving: Serving, store: str, credentials: Credentials, threads: int, capacity: int, work_ahead: bool
) -> None:
    """Serve until told to stop.

    Raises:
        CannotListen: the address is taken or not allowed.
        InvalidArgument: `credentials` cannot be used.
    """
    credentials.metadata()  # says now what would fail later
    channel = open_async_channel(store, credentials=credentials)
    # Streams that never end have connections of their own, so that calls never wait behind them.
    views = open_async_channel(store, credentials=credentials, own_connection=True)
    watches = open_async_channel(store, credentials=credentials, own_connection=True)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="compute")
    # Work ahead has a thread of its own, so that nobody's question waits in line behind it.
    background = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    background.submit(import_module, "scipy.stats")  # half a second, which no question should wait for
    ahead = Ahead(background) if work_ahead else None
    feed = Feed(views, capacity, ahead, credentials)
    stops = StopFeed(channel, watches, credentials)

    def register(server: grpc.aio.Server) -> None:
        servicer = OptimizerServicer(channel, feed, executor, ahead)
        optimizer_pb2_grpc.add_OptimizerServiceServicer_to_server(servicer, server)
        server.add_generic_rpc_handlers((StoreForwarder(channel, watches),))

    async def stopping() -> None:
        await stops.close()
        await feed.close()

    try:
        await serve(serving, register, SERVICES, started=stops.start, stopping=stopping)
    finally:
        await asyncio.gather(channel.close(), views.close(), watches.close())
        for pool in (executor, background):
            pool.shutdown(wait=False, cancel_futures=True)


def main(
    listen: Annotated[
        str, typer.Option(envvar="PARETUNE_OPTIMIZER_LISTEN", help="HOST:PORT or unix:PATH.")
    ] = "127.0.0.1:50051",
    store: Annotated[
        str, typer.Option(envvar="PARETUNE_STORE", help="Address of the Store.")
    ] = "127.0.0.1:50052",
    threads: Annotated[
        int, typer.Option(min=1, envvar="PARETUNE_OPTIMIZER_THREADS", help="Computations at once.")
    ] = 2,
    capacity: Annotated[
        int, typer.Option(min=1, envvar="PARETUNE_OPTIMIZER_CAPACITY", help="Experiments kept in memory.")
    ] = 100,
    ahead: Annotated[
        bool,
        typer.Option(
            envvar="PARETUNE_OPTIMIZER_AHEAD", help="Make the next suggestion before it is asked for."
        ),
    ] = True,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    tokens: options.Tokens = None,
    audit: options.AuditLog = None,
    plaintext: options.Plaintext = False,
    reflect: options.Reflect = False,
    token_file: options.TokenFileOption = None,
    tls: options.Tls = False,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    insecure: options.Insecure = False,
    metrics_at: options.Metrics = "",
    traces_to: options.Traces = "",
    log_level: options.LogLevel = "INFO",
    log_format: options.Logs = LogFormat.TEXT,
    config_file: options.Config = None,
) -> None:
    """Serve suggestions and Pareto fronts; forward StoreService to the Store."""
    configure_logging("optimizer", log_level, log_format)
    # One math thread: on small matrices more cost more than they give, and change the last bits of results.
    threadpool_limits(limits=1)
    try:
        options.begin_tracing("optimizer", traces_to)
        tls_server = options.server_tls(tls_cert, tls_key, client_ca)
        serving = Serving(listen, plaintext, reflect, tls_server, tokens, audit, metrics_at)
        credentials = options.client_credentials(token_file, tls, ca, cert, key, insecure)
        run_service(run(serving, store, credentials, threads, capacity, ahead))
    except (CannotListen, InvalidArgument) as error:
        sys.stderr.write(f"paretune optimizer: {error}\n")
        raise SystemExit(3) from None


if __name__ == "__main__":
    options.run("optimizer", main)
