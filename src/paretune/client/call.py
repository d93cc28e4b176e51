"""A call as a value: what is sent, how the reply reads, and when to try again."""

import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from paretune.errors import DeadlineExceeded, ParetuneError, ResourceExhausted, Unavailable

T = TypeVar("T")

log = logging.getLogger("paretune")

QUIET = 2.0
"""Seconds of trying again before the log says so."""

WATCH_PAUSE = 0.1
"""Seconds before a stream that broke off is resumed."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One logical call.

    Attributes:
        method: path of the RPC, such as ``/paretune.v1.StoreService/Observe``.
        request: the message to send.
        reply: class of the message that comes back.
        read: what the reply means to the caller.
    """

    method: str
    request: Any
    reply: Any
    read: Callable[[Any], T]


@dataclass(frozen=True)
class Pages(Generic[T]):
    """A list that comes in pages: run `page(token)` until `token(reply)` is empty."""

    method: str
    request: Any
    reply: Any
    items: Callable[[Any], Iterable[T]]

    def page(self, token: str) -> Call[tuple[list[T], str]]:
        """The call for the page after `token`; gives its items and the next token."""
        self.request.page_token = token
        return Call(
            self.method,
            self.request,
            self.reply,
            lambda reply: (list(self.items(reply)), str(reply.next_page_token)),
        )


class Retries:
    """When to try a call again: up to a limit of seconds, with growing, jittered delays.

    Retrying is safe because the same request is sent: its request_id makes it happen once.
    """

    def __init__(self, limit: float, jitter: random.Random | None = None) -> None:
        self._limit = limit
        self._delay = 0.1
        self._told = False
        # Jitter only spreads clients over time; it never reaches a result.
        self._jitter = jitter or random.Random()  # noqa: S311

    def delay(self, error: ParetuneError, elapsed: float) -> float:
        """Seconds to wait after `error`, `elapsed` seconds after the start.

        Raises:
            ParetuneError: `error` itself, when trying again cannot help or the time is up.
        """
        if not isinstance(error, Unavailable | ResourceExhausted | DeadlineExceeded):
            raise error from None
        wait = self._delay * self._jitter.uniform(0.5, 1.0)
        if isinstance(error, ResourceExhausted):
            wait += error.retry_after
        if elapsed + wait >= self._limit:
            raise error from None
        if not self._told and elapsed >= QUIET:
            self._told = True
            log.warning("%s Trying for up to %.0f s.", error, self._limit)
        self._delay = min(self._delay * 2, 2.0)
        return wait


def with_advice(error: ParetuneError, tried: str, address: str, waited: float) -> ParetuneError:
    """The error of a call that nobody answered, saying what to do about it; other errors as they are.

    Args:
        error: what came of the last try.
        tried: the address where that was.
        address: all that the client was given.
        waited: seconds since the first try.
    """
    if error.answered or not isinstance(error, Unavailable | DeadlineExceeded):
        return error
    advice = "start the services with `paretune up`, or give the address of the Optimizer that runs"
    last = tried if tried == address else f"{tried}, the last that was tried of {address}"
    if isinstance(error, Unavailable):
        text = f"Nothing answers at {last} (tried for {waited:.1f} s): {advice}."
    else:
        text = f"No answer within {waited:.1f} s from {last}: give a longer timeout, or {advice}."
    return type(error)(text, reason=error.reason, metadata={"service": address})


def pause_of_watch(error: Unavailable | ResourceExhausted) -> float:
    """Seconds before a stream that ended with `error` is resumed."""
    return WATCH_PAUSE + (error.retry_after if isinstance(error, ResourceExhausted) else 0.0)


def default_worker() -> str:
    """A name for this thread that is unique among the machines: host, process, thread."""
    return f"{socket.gethostname()}-{os.getpid()}-{threading.get_native_id()}"
