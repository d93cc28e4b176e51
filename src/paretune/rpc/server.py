"""Servers: one way to start, check, stop and speak about errors for all three services."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from paretune import metrics
from paretune.limits import MAX_HEADER_BYTES, MAX_MESSAGE_BYTES, MAX_STREAMS
from paretune.rpc import tracing
from paretune.rpc.audit import Audit, CannotAudit
from paretune.rpc.credentials import is_local
from paretune.rpc.gate import Gate
from paretune.rpc.interceptor import CallInterceptor
from paretune.rpc.listening import why_not
from paretune.rpc.policy import PolicyGap, check_policy
from paretune.rpc.tls import BadCertificate, ServerTls
from paretune.rpc.tokens import BadTokenFile, TokenFile

log = logging.getLogger("paretune")

DRAIN_SECONDS = 5.0

MAX_WAITING_CALLS = 10_000
"""Calls that may wait until Python takes them up; some 20 KB each."""

OPTIONS: list[tuple[str, int]] = [
    ("grpc.so_reuseport", 0),  # a second server on the same port must fail, not share it
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_HEADER_BYTES // 2),
    ("grpc.absolute_max_metadata_size", MAX_HEADER_BYTES),
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    # Calls that Python has not taken up yet. Of more than 1000, its default, gRPC ends some as CANCELLED,
    # heartbeats too; we turn calls away ourselves, by class and with a pause.
    ("grpc.server.max_pending_requests", MAX_WAITING_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", 2 * MAX_WAITING_CALLS),
    # A client may ask every 20 s whether we are alive; who asks more often than that is cut off.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.http2.max_ping_strikes", 2),
    ("grpc.keepalive_permit_without_calls", 1),
]


class CannotListen(Exception):
    """The address is taken, malformed, or not allowed; or the doors of the service cannot be set up."""


@dataclass(frozen=True)
class Serving:
    """Where and how a service listens, and whom it lets in.

    Attributes:
        listen: ``host:port`` or ``unix:path``.
        plaintext: allow an address that other machines can reach, although nothing is encrypted or nobody is
            asked for a token.
        reflect: let tools list the RPCs.
        tls: certificate and key; None: not encrypted.
        tokens: file of the tokens that count; None: everybody may do everything.
        audit: file that says who changed what; None: nobody writes it down.
        metrics: ``host:port`` at which Prometheus reads the numbers of the service; empty: nowhere.
    """

    listen: str
    plaintext: bool = False
    reflect: bool = False
    tls: ServerTls | None = None
    tokens: Path | None = None
    audit: Path | None = None
    metrics: str = ""

    def check(self) -> None:
        """Refuse addresses off loopback that are not protected, unless the operator allowed it.

        Raises:
            CannotListen: with what to change.
        """
        if not self.listen.startswith("unix:") and not self.listen.rpartition(":")[2].isdigit():
            raise CannotListen(f"{self.listen!r} is not an address; write HOST:PORT or unix:PATH.")
        if is_local(self.listen):
            return
        lacks = []
        if self.tls is None:
            lacks.append("nothing is encrypted (--tls-cert FILE --tls-key FILE)")
        if self.tokens is None and (self.tls is None or self.tls.client_ca is None):
            lacks.append("nobody is asked who they are (--tokens FILE, or --client-ca FILE)")
        if lacks and not self.plaintext:
            raise CannotListen(
                f"{self.listen} can be reached from other machines, and {' and '.join(lacks)}. Listen on "
                "127.0.0.1, or allow it with --plaintext (PARETUNE_PLAINTEXT=1) on a trusted network."
            )
        if lacks:
            log.warning("%s can be reached from other machines, and %s", self.listen, " and ".join(lacks))

    def doors(self, services: list[str]) -> CallInterceptor:
        """What admits the calls of these services.

        Raises:
            CannotListen: a file cannot be used, or the policy table lacks an RPC.
        """
        pool = descriptor_pool.Default()
        try:
            check_policy(pool.FindServiceByName(name) for name in services)
            return CallInterceptor(Gate(TokenFile(self.tokens) if self.tokens else None), Audit(self.audit))
        except (BadTokenFile, CannotAudit, PolicyGap) as error:
            raise CannotListen(str(error)) from None


def open_server(
    serving: Serving, register: Callable[[grpc.aio.Server], None], services: list[str]
) -> tuple[grpc.aio.Server, int]:
    """A server with its doors and its port, not yet started; and the port's number.

    Raises:
        CannotListen: the address is taken or not allowed, or a door cannot be set up.
    """
    serving.check()
    # gRPC says it too, but on lines of its own and without a reason.
    if why := why_not(serving.listen):
        raise CannotListen(f"Cannot listen on {serving.listen}: {why}.")
    server = grpc.aio.server(
        interceptors=(*tracing.server_interceptors(), serving.doors(services)), options=OPTIONS
    )
    register(server)
    try:
        if serving.tls is None:
            return server, server.add_insecure_port(serving.listen)
        return server, server.add_secure_port(serving.listen, serving.tls.credentials())
    except BadCertificate as error:
        raise CannotListen(str(error)) from None
    except RuntimeError as error:
        raise CannotListen(
            f"Cannot listen on {serving.listen}: {why_not(serving.listen) or error}."
        ) from None


def run_service(main: Coroutine[Any, Any, None]) -> None:
    """Run a service to its end, on uvloop where that is installed (docs/decisions/0046)."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def serve(
    serving: Serving,
    register: Callable[[grpc.aio.Server], None],
    services: list[str],
    *,
    started: Callable[[], Awaitable[None]] | None = None,
    stopping: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new calls and let running ones end.

    Args:
        serving: where and how to listen.
        register: adds the servicers to the server.
        services: full names, for health and reflection.
        started: awaited once the port is open, before health says SERVING.
        stopping: awaited first when stopping, while calls are still answered.

    Raises:
        CannotListen: the address is taken or not allowed.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    end_metrics = _start_metrics(serving.metrics)
    server, _ = open_server(serving, register, services)
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    if serving.reflect:
        reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server)
    await server.start()
    if started:
        await started()
    for name in ("", *services):
        await state.set(name, health_pb2.HealthCheckResponse.SERVING)
    log.info("listening on %s (pid %d)", serving.listen, os.getpid())
    await stop.wait()
    await state.enter_graceful_shutdown()
    if stopping:
        await stopping()
    await server.stop(DRAIN_SECONDS)
    end_metrics()


def _start_metrics(listen: str) -> Callable[[], None]:
    if not listen:
        return lambda: None
    try:
        return metrics.start(listen)
    except metrics.CannotMeasure as error:
        raise CannotListen(str(error)) from None
