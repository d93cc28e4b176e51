"""Servers: one way to start, check, stop and speak about errors for all three services."""

import asyncio
import ipaddress
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from paretune.errors import InternalError, InvalidArgument, ParetuneError, ResourceExhausted
from paretune.rpc.status import RETRY_PUSHBACK, status_of

log = logging.getLogger("paretune")

MAX_RECEIVE_BYTES = 4 * 1024 * 1024
DRAIN_SECONDS = 5.0

OPTIONS: list[tuple[str, int]] = [
    ("grpc.so_reuseport", 0),  # a second server on the same port must fail, not share it
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class CannotListen(Exception):
    """The address is taken, malformed, or not allowed without TLS."""


@dataclass(frozen=True)
class Serving:
    """Where and how a service listens.

    Attributes:
        listen: ``host:port`` or ``unix:path``.
        plaintext: allow an address that other machines can reach, although nothing is encrypted.
        reflect: let tools list the RPCs.
    """

    listen: str
    plaintext: bool = False
    reflect: bool = False

    def check(self) -> None:
        """Refuse addresses off loopback unless the operator allowed plaintext."""
        if self.listen.startswith("unix:") or self.plaintext:
            return
        host, _, port = self.listen.rpartition(":")
        if not port.isdigit():
            raise CannotListen(f"{self.listen!r} is not an address; write HOST:PORT or unix:PATH.")
        if host != "localhost":
            try:
                loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
            except ValueError:
                loopback = False
            if not loopback:
                raise CannotListen(
                    f"{self.listen} can be reached from other machines and nothing is encrypted. Listen on "
                    "127.0.0.1, or allow it with --plaintext (PARETUNE_PLAINTEXT=1) on a trusted network."
                )


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Parses requests itself, raises nothing but statuses, serializes maps in a fixed order.

    Malformed bytes become INVALID_ARGUMENT (gRPC's own parser would say INTERNAL); `ParetuneError`s become
    their status with details; anything else is a bug, logged, and INTERNAL without its text.
    """

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Wrap the handlers of paretune's own services."""
        handler = await continuation(details)
        if handler is None or not details.method.startswith("/paretune."):
            return handler
        parse = handler.request_deserializer or (lambda raw: raw)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _stream(handler.unary_stream, parse), None, _serialize
            )
        return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, parse), None, _serialize)


def _serialize(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)


def _parse(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return parse(raw)
    except DecodeError:
        raise InvalidArgument(
            "The bytes are not a message of the expected type.", reason="MALFORMED_MESSAGE"
        ) from None


def _unary(method: Callable[..., Awaitable[Any]], parse: Callable[[bytes], Any]) -> Any:
    async def call(raw: bytes, context: Any) -> Any:
        try:
            return await method(_parse(parse, raw), context)
        except Exception as error:
            await _abort(context, error)

    return call


def _stream(method: Callable[..., AsyncIterator[Any]], parse: Callable[[bytes], Any]) -> Any:
    async def call(raw: bytes, context: Any) -> AsyncIterator[Any]:
        try:
            async for reply in method(_parse(parse, raw), context):
                yield reply
        except Exception as error:
            await _abort(context, error)

    return call


async def _abort(context: Any, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, ParetuneError):
        log.error("unexpected error", exc_info=error)
        error = InternalError("A bug in paretune; the log of the service has the details.")
    if isinstance(error, ResourceExhausted):
        context.set_trailing_metadata(((RETRY_PUSHBACK, str(round(error.retry_after * 1000))),))
    await context.abort_with_status(status_of(error))


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
    serving.check()
    server = grpc.aio.server(interceptors=(ErrorInterceptor(),), options=OPTIONS)
    register(server)
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    if serving.reflect:
        reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], server)
    try:
        server.add_insecure_port(serving.listen)
    except RuntimeError as error:
        raise CannotListen(
            f"Cannot listen on {serving.listen}: {error}. Is another one running there?"
        ) from None
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


def configure_logging(service: str, level: str = "INFO") -> None:
    """One line a record on standard error: time, service, level, text."""
    logging.basicConfig(
        level=level.upper(), format=f"%(asctime)s {service} %(levelname)s %(message)s", force=True
    )
