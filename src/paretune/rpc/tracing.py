"""Spans for OpenTelemetry: one trace a trial, through client, Optimizer and Store. Off unless asked for.

`start` sends the spans of this process to a collector (OTLP over gRPC). Calls are traced by OpenTelemetry's
own instrumentation of gRPC; what it cannot know is that a Suggest and the Heartbeats and the Observe after it
are one trial: `trial` remembers the trace in which a suggestion was made, and later calls about it continue
it. Until `start` everything here does nothing.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from paretune.errors import FailedPrecondition

ENVIRONMENT = "PARETUNE_TRACES"
MOST_TRIALS = 10_000
"""Trials whose traces are remembered; the oldest are forgotten."""
EXPORT_SECONDS = 3.0


class _Tracing:
    """What a process that traces holds."""

    def __init__(self, service: str, endpoint: str) -> None:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation import grpc as instrumentation
        from opentelemetry.instrumentation.grpc import filters, grpcext
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.provider = TracerProvider(resource=Resource.create({"service.name": f"paretune-{service}"}))
        exporter = OTLPSpanExporter(
            endpoint, insecure=not endpoint.startswith("https:"), timeout=EXPORT_SECONDS
        )
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self.provider.get_tracer("paretune")
        self.grpc = instrumentation
        self.intercept = grpcext.intercept_channel
        self.options = {
            "tracer_provider": self.provider,
            "filter_": filters.negate(filters.health_check()),
        }
        self.trials: OrderedDict[str, Any] = OrderedDict()


_tracing: _Tracing | None = None


def start(service: str, endpoint: str) -> None:
    """Send the spans of this process to a collector from now on; once. An empty endpoint: do not.

    Args:
        service: who this is, for people who read traces.
        endpoint: such as ``http://collector:4317``; OTEL_* variables say the rest, such as the sampler.

    Raises:
        FailedPrecondition: OpenTelemetry is not installed.
    """
    global _tracing
    if not endpoint or _tracing is not None:
        return
    try:
        _tracing = _Tracing(service, endpoint)
    except ImportError:
        raise FailedPrecondition(
            f"Traces need OpenTelemetry: run `pip install 'paretune[tracing]'`, or unset {ENVIRONMENT}.",
        ) from None


def start_client() -> None:
    """As `start`, for a process that only calls: where PARETUNE_TRACES says."""
    start("client", os.environ.get(ENVIRONMENT, ""))


def server_interceptors() -> Sequence[grpc.aio.ServerInterceptor]:
    """What a server puts before its own interceptors."""
    if _tracing is None:
        return ()
    return (_tracing.grpc.aio_server_interceptor(**_tracing.options),)


def traced(channel: grpc.Channel) -> grpc.Channel:
    """The channel, or one that traces its calls."""
    if _tracing is None:
        return channel
    traced: grpc.Channel = _tracing.intercept(channel, _tracing.grpc.client_interceptor(**_tracing.options))
    return traced


def client_interceptors() -> Sequence[grpc.aio.ClientInterceptor]:
    """What a channel for asyncio is made with."""
    return () if _tracing is None else _tracing.grpc.aio_client_interceptors(**_tracing.options)


def trace_id() -> str:
    """The trace that this task belongs to, in hexadecimal; empty: none."""
    if _tracing is None:
        return ""
    from opentelemetry import trace

    found = trace.get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found.is_valid else ""


def ended(code: grpc.StatusCode) -> None:
    """Say in the span of the call that is being answered how it ended."""
    if _tracing is None:
        return
    from opentelemetry import trace

    span = trace.get_current_span()
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if code is not grpc.StatusCode.OK:
        span.set_status(trace.StatusCode.ERROR, code.name)


class _Nothing:
    """A call that is not traced."""

    def follow(self, reply: Any) -> None:
        """Remember nothing."""


class _Trial(_Nothing):
    """A call within the trace of its trial."""

    def __init__(self, tracing: _Tracing) -> None:
        self._tracing = tracing

    def follow(self, reply: Any) -> None:
        """Let later calls about the suggestions of this reply continue this trace."""
        from opentelemetry import context

        for suggestion in getattr(reply, "suggestions", ()):
            self._tracing.trials[suggestion.id] = context.get_current()
        while len(self._tracing.trials) > MOST_TRIALS:
            self._tracing.trials.popitem(last=False)


@contextmanager
def trial(request: Any) -> Iterator[_Nothing]:
    """Within it a call with this request belongs to the trace of its trial, when it has one.

    A Suggest begins one, called ``trial``, below the caller's own span if there is one.
    """
    if _tracing is None:
        yield _Nothing()
        return
    from opentelemetry import context

    about = getattr(request, "suggestion_id", "") or getattr(
        getattr(request, "observation", None), "suggestion_id", ""
    )
    if about in _tracing.trials:
        token = context.attach(_tracing.trials[about])
        try:
            yield _Trial(_tracing)
        finally:
            context.detach(token)
    elif type(request).__name__ == "SuggestRequest":
        with _tracing.tracer.start_as_current_span("trial"):
            yield _Trial(_tracing)
    else:
        yield _Nothing()
