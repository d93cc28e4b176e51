"""Numbers of a running service, for Prometheus; off, and almost free, unless `start` was called.

Names of metrics are part of the interface: docs/operations.md lists them. Labels are bounded: methods and
codes of the contract, kinds of work, and at most `MAX_EXPERIMENTS` experiments.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MAX_EXPERIMENTS = 100
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class CannotMeasure(Exception):
    """The numbers cannot be served."""


class _Numbers:
    """The metrics of this process, once asked for."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._gauge = Gauge
        self.calls = Counter(
            "paretune_calls", "Calls that ended.", ["method", "code"], registry=self.registry
        )
        self.call_seconds = Histogram(
            "paretune_call_seconds", "Time from a call's admission to its end; streams are left out.",
            labelnames=["method"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.work_seconds = Histogram(
            "paretune_work_seconds", "Time of one piece of work, such as fitting a model and suggesting.",
            labelnames=["work"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.suggestions = Counter(
            "paretune_suggestions",
            "New suggestions, by when they were made.",
            ["made"],
            registry=self.registry,
        )
        self.front_points = Gauge(
            "paretune_front_points", "Points of the Pareto front when it was last asked for.",
            ["experiment"], registry=self.registry,
        )  # fmt: skip
        self.fronts: OrderedDict[str, None] = OrderedDict()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._gauge(name, text, registry=self.registry).set_function(read)


_numbers: _Numbers | None = None


def start(listen: str) -> Callable[[], None]:
    """Serve the numbers as ``http://HOST:PORT/metrics``; gives what ends that.

    Raises:
        CannotMeasure: prometheus-client is not installed, or the address is malformed or taken.
    """
    global _numbers
    try:
        from prometheus_client import start_http_server

        _numbers = _Numbers()
    except ImportError:
        raise CannotMeasure(
            "--metrics needs prometheus-client: pip install 'paretune[operations]'."
        ) from None
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise CannotMeasure(f"--metrics: {listen!r} is not an address; write HOST:PORT.")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), _numbers.registry)
    except OSError as error:
        raise CannotMeasure(f"--metrics: cannot listen on {listen}: {error.strerror}.") from None

    def end() -> None:
        global _numbers
        _numbers = None
        server.shutdown()
        server.server_close()
        thread.join(5)

    return end


def call_ended(method: str, code: str, seconds: float | None) -> None:
    """Count a call; `seconds` is None for a stream, whose length says nothing."""
    if _numbers is not None:
        _numbers.calls.labels(method, code).inc()
        if seconds is not None:
            _numbers.call_seconds.labels(method).observe(seconds)


@contextmanager
def work(name: str) -> Iterator[None]:
    """Measure the time of what is done within."""
    begin = time.perf_counter()
    try:
        yield
    finally:
        if _numbers is not None:
            _numbers.work_seconds.labels(name).observe(time.perf_counter() - begin)


def suggested(made: str, count: int) -> None:
    """Count new suggestions that were made `ahead` of the question, were `awaited`, or made when `asked`."""
    if _numbers is not None:
        _numbers.suggestions.labels(made).inc(count)


def gauge(name: str, text: str, read: Callable[[], Any]) -> None:
    """Show the value that `read` gives at the moment of asking; it is called on another thread."""
    if _numbers is not None:
        _numbers.gauge(name, text, read)


def front(experiment: str, points: int) -> None:
    """Show the size of a front; the experiments asked about longest ago are forgotten."""
    if _numbers is not None:
        _numbers.front_points.labels(experiment).set(points)
        _numbers.fronts[experiment] = None
        _numbers.fronts.move_to_end(experiment)
        while len(_numbers.fronts) > MAX_EXPERIMENTS:
            _numbers.front_points.remove(_numbers.fronts.popitem(last=False)[0])
