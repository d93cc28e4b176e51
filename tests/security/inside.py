"""Calls without a socket: the handlers of the services behind their interceptor, for very many rounds.

What gRPC does with bytes (framing, HTTP/2) is left out; the subset in `make test` goes over real channels.
"""

from types import SimpleNamespace

import grpc

from paretune.rpc.interceptor import CallInterceptor


class Context:
    """As much of a servicer context as the services use."""

    def __init__(self) -> None:
        self.code = "OK"
        self._done = []

    async def abort_with_status(self, status) -> None:
        self.code = status.code.name
        raise grpc.aio.AbortError

    def peer(self) -> str:
        return "inside"

    def time_remaining(self) -> float:
        return 60.0

    def set_trailing_metadata(self, metadata) -> None:
        """Nobody looks."""

    def add_done_callback(self, callback) -> None:
        self._done.append(callback)

    def end(self) -> None:
        for callback in self._done:
            callback(self)


class Recorder:
    """Takes the handlers that a service registers."""

    def __init__(self) -> None:
        self.handlers: dict[str, grpc.RpcMethodHandler] = {}

    def add_generic_rpc_handlers(self, handlers) -> None:
        """Their methods come with `add_registered_method_handlers`."""

    def add_registered_method_handlers(self, service: str, handlers) -> None:
        self.handlers |= {f"/{service}/{name}": handler for name, handler in handlers.items()}


async def call(interceptor: CallInterceptor, handlers, method: str, raw: bytes) -> str:
    """The code that a call ends with; of a stream, its first answer counts."""
    details = SimpleNamespace(method=method, invocation_metadata=())

    async def found(_):
        return handlers[method]

    handler = await interceptor.intercept_service(found, details)
    context = Context()
    try:
        if handler.response_streaming:
            answers = handler.unary_stream(raw, context)
            try:
                async for _ in answers:
                    break
            finally:
                await answers.aclose()
        else:
            handler.response_serializer(await handler.unary_unary(raw, context))
    except grpc.aio.AbortError:
        pass
    finally:
        context.end()
    return context.code
