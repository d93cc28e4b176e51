"""What happens to every call of paretune's own services before and after its method.

room (is there any?) -> admit (who is it, may they?) -> parse -> the method -> serialize; whatever is raised
on the way becomes an honest status. One interceptor does all of it because the order matters: who finds no
room costs next to nothing, nothing of a message is looked at before the gate, and nothing but a status leaves
after an error.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from paretune import metrics
from paretune.access import Caller, enter
from paretune.errors import InternalError, InvalidArgument, ParetuneError
from paretune.rpc import logs, tracing
from paretune.rpc.admission import Admission, overloaded
from paretune.rpc.audit import Audit
from paretune.rpc.gate import OPEN_TO_ALL, Gate, remember
from paretune.rpc.status import code_of, status_of

log = logging.getLogger("paretune")

_KINDS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Admits callers, parses requests itself, raises nothing but statuses, serializes maps in a fixed order.

    Malformed bytes become INVALID_ARGUMENT (gRPC's own parser would say INTERNAL); `ParetuneError`s become
    their status with details; anything else is a bug, logged, and INTERNAL without its text.

    Args:
        gate: admits callers; default: everybody.
        audit: where calls are written down; default: nowhere.
        admission: turns calls away when there are too many.
    """

    def __init__(
        self, gate: Gate | None = None, audit: Audit | None = None, admission: Admission | None = None
    ) -> None:
        self._gate = gate or Gate()
        self._admission = admission or Admission()
        self._audit = audit or Audit()

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Wrap the handler of one call."""
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN_TO_ALL):
            return handler
        if (pause := self._admission.turns_away(details.method)) is not None:
            metrics.call_ended(details.method, "RESOURCE_EXHAUSTED", None)
            return _turned_away(round(pause, 2), handler.response_streaming)
        ours = details.method.startswith("/paretune.")
        if not ours and not self._gate.closed:
            return handler
        name, make = _KINDS[handler.request_streaming, handler.response_streaming]
        call = _Call(self._gate, self._admission, self._audit, details, getattr(handler, name), handler)
        serialize = _serialize if ours else handler.response_serializer
        return make(call.stream if handler.response_streaming else call.unary, None, serialize)


class _Call:
    """One call on its way through."""

    def __init__(
        self, gate: Gate, admission: Admission, audit: Audit, details: Any, method: Any, handler: Any
    ) -> None:
        self._gate = gate
        self._admission = admission
        self._audit = audit
        self._details = details
        self._method = method
        self._parse = handler.request_deserializer or (lambda raw: raw)
        self._streams_in = handler.request_streaming
        self._who: Caller | None = None
        self._request: Any = None
        self._streams_out = handler.response_streaming
        self._begin = time.perf_counter()

    async def unary(self, raw: Any, context: Any) -> Any:
        """Answer with one message."""
        try:
            self._admit()
            with self._admission.room(self._details.method):
                reply = await self._method(self._read(raw), context)
        except Exception as error:
            await self._fail(context, error)
        else:
            self._note(context, None)
            return reply

    async def stream(self, raw: Any, context: Any) -> AsyncIterator[Any]:
        """Answer with a stream, as long as the caller may see it."""
        try:
            self._admit()
            with self._admission.room(self._details.method):
                async for reply in self._method(self._read(raw), context):
                    yield reply
                    self._admit()  # the token may have expired, or been revoked, since
        except Exception as error:
            await self._fail(context, error)
        else:
            self._note(context, None)

    def _read(self, raw: Any) -> Any:
        if self._streams_in:
            return (_parse(self._parse, one) async for one in raw)
        self._request = _parse(self._parse, raw)
        logs.begin_call(self._details.method, self._request)
        return self._request

    def _admit(self) -> None:
        metadata = self._details.invocation_metadata or ()
        self._who = self._gate.admit(self._details.method, metadata)
        enter(self._who)
        remember(metadata)

    async def _fail(self, context: Any, error: Exception) -> None:
        self._note(context, error)
        await _abort(context, error)

    def _note(self, context: Any, error: Exception | None) -> None:
        method, peer = self._details.method, context.peer()
        self._audit.note(method, self._who, peer, self._request, error)
        status = code_of(error) if error else grpc.StatusCode.OK
        tracing.ended(status)
        code = status.name
        seconds = time.perf_counter() - self._begin
        metrics.call_ended(method, code, None if self._streams_out else seconds)
        logs.call_ended(method, self._request, peer, code, seconds, str(error or ""))


@lru_cache(2048)
def _turned_away(pause: float, streams_out: bool) -> Any:
    """What answers a call that found no room; made once. Nothing is parsed, nothing raised."""
    error = overloaded(pause)
    code, text, trailing = status_of(error)

    def say(context: Any) -> None:
        context.set_code(code)
        context.set_details(text)
        context.set_trailing_metadata(trailing)

    async def unary(raw: bytes, context: Any) -> bytes:
        say(context)
        return b""

    async def stream(raw: bytes, context: Any) -> AsyncIterator[bytes]:
        say(context)
        return
        yield

    return (
        grpc.unary_stream_rpc_method_handler(stream)
        if streams_out
        else grpc.unary_unary_rpc_method_handler(unary)
    )


def _serialize(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)


def _parse(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return parse(raw)
    except DecodeError:
        raise InvalidArgument(
            "The bytes are not a message of the expected type.", reason="MALFORMED_MESSAGE"
        ) from None


async def _abort(context: Any, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, ParetuneError):
        log.error("unexpected error", exc_info=error)
        error = InternalError("A bug in paretune; the log of the service has the details.")
    await context.abort_with_status(status_of(error))
