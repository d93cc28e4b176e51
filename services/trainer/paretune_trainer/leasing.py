"""What keeps a trial's lease: heartbeats, intermediate vectors, obedience to directives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol, TypeVar

from paretune.client.calls import Heartbeat
from paretune.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ParetuneError,
    PermissionDenied,
    Unauthenticated,
)
from paretune.observation import Checkpoint, Directive, MetricValue, Suggestion
from paretune_trainer.ending import Step
from paretune_trainer.output import Log
from paretune_trainer.steering import Steering

T = TypeVar("T")

log = logging.getLogger("paretune.trainer")

BEATS_PER_TTL: Final = 3
"""Heartbeats in the life of a lease: two may get lost before it expires."""

LOG_TAIL_BYTES: Final = 4096
"""Bytes at the end of what a trial printed that are told with a heartbeat."""

CHECKPOINT_SECONDS: Final = 0.5
"""Checkpoints are sent together, at most this often."""

MAX_PENDING: Final = 1000
"""Checkpoints that wait at most, which is also what one call may carry; beyond it every second one goes."""


class LeaseClient(Protocol):
    """What is needed of `paretune.client.Client` while a trial runs."""

    def heartbeat(
        self, suggestion_id: str, fence: str, *, log_tail: str = "", patience: float | None = None
    ) -> Heartbeat:
        """Extend the lease."""
        ...

    def record_checkpoints(
        self,
        suggestion_id: str,
        fence: str,
        checkpoints: Sequence[Checkpoint],
        *,
        patience: float | None = None,
    ) -> Directive:
        """Record intermediate vectors."""
        ...


class LeaseKeeper:
    """A thread that keeps one lease until `stop` or until it is lost, and then cancels the trial.

    Args:
        client: how the Store is reached.
        suggestion: what was leased.
        ttl: seconds until the lease expires without a heartbeat.
        metrics: names that checkpoints may carry.
        steering: of the trial.
        beat_at_once: send the first heartbeat now, as the lease may be old already.
        clock: seconds, monotonic.

    Attributes:
        over: why there is nothing to report or hand back any more, for people; empty while there is.
    """

    def __init__(
        self,
        client: LeaseClient,
        suggestion: Suggestion,
        ttl: float,
        metrics: Collection[str],
        steering: Steering,
        *,
        beat_at_once: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._id, self._ttl = client, suggestion.id, ttl
        self._fence = suggestion.lease.fence if suggestion.lease else ""
        self._printed = Log(2 * LOG_TAIL_BYTES)
        self._news = False
        self._metrics, self._steering, self._clock = frozenset(metrics), steering, clock
        self.over = ""
        self._pending: list[Checkpoint] = []
        self._next_send = 0.0
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._stopped = False
        self._next_beat = clock() + (0.0 if beat_at_once else ttl / BEATS_PER_TTL)
        self._thread = threading.Thread(target=self._keep, name=f"lease-{self._id}", daemon=True)
        self._thread.start()

    def add(self, step: Step) -> None:
        """Send an intermediate vector soon. Never blocks."""
        values = tuple(MetricValue(n, v) for n, v in step.values.items() if n in self._metrics)
        if step.step < 0 or not values:
            return
        with self._wake:
            self._pending.append(Checkpoint(self._id, step.step, values))
            self._thin()
            self._wake.notify()

    def _thin(self) -> None:
        if len(self._pending) > MAX_PENDING:
            # Every second one, and always the newest: a curve stays a curve.
            self._pending = self._pending[-1::-2][::-1]

    def output(self, data: bytes) -> None:
        """Tell the end of what was printed with the next heartbeat. Never blocks."""
        self._printed.add(data)
        self._news = True

    def flush(self, patience: float) -> None:
        """Send what waits, as well as that works within `patience` seconds."""
        with self._lock:
            batch, self._pending = self._pending, []
        if batch and not self.over:
            self._send(batch, patience)

    def stop(self) -> None:
        """Let the lease be; a call under way may still arrive."""
        with self._wake:
            self._stopped = True
            self._wake.notify()

    def _keep(self) -> None:
        while True:
            with self._wake:
                while not self._stopped and not self.over:
                    due = min(self._next_beat, self._next_send if self._pending else float("inf"))
                    if (wait := due - self._clock()) <= 0:
                        break
                    self._wake.wait(wait)
                if self._stopped or self.over:
                    return
                batch: list[Checkpoint] = []
                if self._pending and self._clock() >= self._next_send:
                    batch, self._pending = self._pending, []
            if batch:
                self._send(batch, self._ttl / BEATS_PER_TTL)
            if self._clock() >= self._next_beat:
                self._beat()

    def _beat(self) -> None:
        begin, interval = self._clock(), self._ttl / BEATS_PER_TTL
        # Taken before the call: what is printed meanwhile is told with the next one.
        tail, self._news = self._printed.tail(LOG_TAIL_BYTES) if self._news else "", False
        beat = self._call(
            lambda: self._client.heartbeat(self._id, self._fence, log_tail=tail, patience=interval)
        )
        if beat is None:
            self._news = self._news or bool(tail)
        else:
            self._ttl = beat.ttl or self._ttl
            self._obey(beat.directive)
        self._next_beat = begin + self._ttl / BEATS_PER_TTL

    def _send(self, batch: Sequence[Checkpoint], patience: float) -> None:
        """Send intermediate vectors; what nobody answered is sent again later."""

        def again() -> None:
            with self._lock:
                self._pending = [*batch, *self._pending]
                self._thin()
                self._next_send = self._clock() + self._ttl / BEATS_PER_TTL

        directive = self._call(
            lambda: self._client.record_checkpoints(self._id, self._fence, batch, patience=patience), again
        )
        if directive:
            self._next_send = self._clock() + CHECKPOINT_SECONDS
            self._obey(directive)

    def _call(self, call: Callable[[], T], again: Callable[[], None] = lambda: None) -> T | None:
        """What the call gives; None when it failed, after `again` if that was for want of an answer."""
        try:
            return call()
        except (FailedPrecondition, NotFound) as error:
            self._end(f"the lease is lost: {error}")
        except InvalidArgument as error:
            log.warning("suggestion %s: the Store refused what was sent: %s", self._id, error)
        except (PermissionDenied, Unauthenticated) as error:
            # Not the end yet: the token may be put back. Else the lease expires, and that is the end.
            log.warning("suggestion %s: its lease ends soon, the token is refused: %s", self._id, error)
            again()
        except (ParetuneError, ValueError) as error:  # grpc says ValueError when the channel was closed
            log.info("suggestion %s: no answer, will try again: %s", self._id, error)
            again()
        return None

    def _obey(self, directive: Directive) -> None:
        if directive is Directive.STOP_EARLY:
            self._steering.stop_early()
        elif directive is Directive.CANCEL:
            self._end("it was cancelled")

    def _end(self, why: str) -> None:
        with self._lock:
            already = self.over or self._stopped
            self.over = self.over or why
        if not already:
            log.info("suggestion %s: %s", self._id, why)
            self._steering.cancel()
