"""The Optimizer's port also serves StoreService: bytes in, bytes out, so that clients need one address."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from paretune.errors import ResourceExhausted
from paretune.rpc.gate import passed_on
from paretune.rpc.status import error_from
from paretune.v1 import store_pb2

TIMEOUT = 30.0
"""Seconds that a forwarded unary call waits for the Store when the caller set no deadline."""

RETRY_SECONDS = 5.0
"""Seconds after which one who was refused a stream may come again."""
MOST_STREAMS = 500
"""Streams forwarded at once: with early stops (`stop_feed.MOST`), fewer than one connection takes."""

_SERVICE = store_pb2.DESCRIPTOR.services_by_name["StoreService"]


class StoreForwarder(grpc.GenericRpcHandler):
    """Handlers for every RPC of StoreService that call the same RPC of the Store.

    Requests and replies are not parsed; the token of the caller goes along.
    A failure of the Store is passed on as the same error; when the
    Store is away, calls wait for it until their deadline.

    Args:
        store: channel to the Store.
        streams: another one, for calls that are answered with a stream: most of them never end.
        most: of those at once; more are refused.
    """

    def __init__(self, store: grpc.aio.Channel, streams: grpc.aio.Channel, most: int = MOST_STREAMS) -> None:
        """Forward to the Store behind the channels."""
        self._most = most
        self._streams = 0
        self._handlers: dict[str, Any] = {}
        for method in _SERVICE.methods:
            path = f"/{_SERVICE.full_name}/{method.name}"
            self._handlers[path] = (
                grpc.unary_stream_rpc_method_handler(self._stream(streams.unary_stream(path)))
                if method.server_streaming
                else grpc.unary_unary_rpc_method_handler(_unary(store.unary_unary(path)))
            )

    def service(self, handler_call_details: Any) -> Any:
        """The handler of the named RPC, or None when it is not the Store's."""
        return self._handlers.get(handler_call_details.method)

    def _stream(self, call: Any) -> Any:
        async def forward(request: bytes, context: Any) -> AsyncIterator[bytes]:
            if self._streams >= self._most:
                raise ResourceExhausted(
                    f"{self._streams} streams go through this Optimizer, and that is the most; end some, or "
                    "watch at another Optimizer or at the Store itself.",
                    retry_after=RETRY_SECONDS,
                )
            self._streams += 1
            try:
                left = context.time_remaining()
                async for reply in call(request, timeout=left, wait_for_ready=True, metadata=passed_on()):
                    yield reply
            except grpc.aio.AioRpcError as failure:
                raise error_from("Store", failure) from failure
            finally:
                self._streams -= 1

        return forward


def _unary(call: Any) -> Any:
    async def forward(request: bytes, context: Any) -> bytes:
        left = context.time_remaining()
        try:
            return await call(
                request,
                timeout=TIMEOUT if left is None else left,
                wait_for_ready=True,
                metadata=passed_on(),
            )
        except grpc.aio.AioRpcError as failure:
            raise error_from("Store", failure) from failure

    return forward
