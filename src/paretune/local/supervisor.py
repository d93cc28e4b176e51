"""Keeps services running on this machine: starts them, starts one again when it dies, ends them all.

    with Supervisor([Service("store", "paretune_store", (...), "127.0.0.1:50052"), ...], logs) as supervisor:
        supervisor.wait_until_ready()

One thread does all of it, because the kernel ties a child to the *thread* that started it. Services end when
the supervisor's process does, kill -9 included (see `paretune.local.tether`).
"""

import atexit
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from paretune.errors import ParetuneError, Unavailable
from paretune.local.service import Child, Service

log = logging.getLogger("paretune.supervisor")

READY_SECONDS = 60.0
GRACE_SECONDS = 10.0
FINAL_EXITS = (2, 3, 4, 5)
"""Exit codes that starting again cannot help: wrong usage; no address or storage; a corrupt database; a newer
one. The service says in one line why."""

_TICK = 0.05


class Supervisor:
    """Runs services until `stop`, starting again those that die.

    Args:
        services: what to run; they are stopped in the reverse order.
        folder: where each service's output goes, as NAME.log; made when missing.
        notify: told in a sentence what happens, such as a service that died.
        grace: seconds between asking a service to end and killing it.
    """

    def __init__(
        self,
        services: Sequence[Service],
        folder: Path,
        *,
        notify: Callable[[str], None] = log.warning,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self.folder = folder
        self.failure: ParetuneError | None = None
        self._notify = notify
        self._grace = grace
        self._lock = threading.Lock()
        self._children = [Child(service, folder) for service in services]
        self._stopping = threading.Event()
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="paretune-supervisor", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to start the services; returns at once.

        Raises:
            ParetuneError: the folder for the logs cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"Cannot make the folder {self.folder}: {error.strerror}.") from None
        atexit.register(self.stop)
        self._thread.start()

    def add(self, service: Service) -> None:
        """Run one more service."""
        with self._lock:
            self._children.append(Child(service, self.folder))

    def pids(self) -> dict[str, int]:
        """Process id of every service that runs now, by name."""
        with self._lock:
            children = list(self._children)
        return {c.service.name: c.process.pid for c in children if c.process and c.process.poll() is None}

    def wait_until_ready(self, timeout: float = READY_SECONDS) -> None:
        """Return once every service says that it serves, or is optional and was given up.

        Raises:
            ParetuneError: one of them cannot start, with what it said; or did not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.check()
            with self._lock:
                waiting = [child for child in self._children if not child.served]
            if all(child.ready() for child in waiting):
                return
            if time.monotonic() > deadline:
                names = ", ".join(child.service.name for child in waiting if not child.served)
                raise Unavailable(f"No answer from {names} within {timeout:.0f} s; see {self.folder}/*.log.")
            time.sleep(_TICK / 2)

    def check(self) -> None:
        """Raise the error for which the supervisor gave up, if it did."""
        if self.failure is not None:
            raise self.failure

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the supervisor gives up or is stopped; whether it did within `timeout` seconds."""
        return self._stopping.wait(timeout)

    def stop(self) -> None:
        """End all services: ask, wait, kill. Safe to call twice, and from any thread."""
        self._stopping.set()
        # A fork of this process owns none of the services.
        if os.getpid() == self._owner and self._thread.ident is not None:
            self._thread.join()
            atexit.unregister(self.stop)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                with self._lock:
                    children = list(self._children)
                for child in children:
                    self._tend(child, time.monotonic())
                self._stopping.wait(_TICK)
        except Exception as error:
            log.exception("the supervisor failed")
            self._give_up(f"The supervisor failed: {error}.")
        finally:
            with self._lock:
                children = list(self._children)
            for child in reversed(children):
                self._end(child)

    def _tend(self, child: Child, now: float) -> None:
        if self._stopping.is_set() or child.given_up:
            return
        if child.start_at is not None:
            if now >= child.start_at:
                child.start(now)
            return
        code = child.process.poll() if child.process else None
        if code is None:
            return
        name, how = child.service.name, _how(code)
        final = code in FINAL_EXITS and not child.served
        wait = None if final else child.backoff.after(now - child.started_at, child.served)
        if wait is None:
            last = child.last_words()
            times = f" {child.backoff.deaths} times in a row" if child.backoff.deaths > 1 else ""
            said = f", saying: {last.rstrip('.')}" if last else ""
            message = last if final and last else f"The {name} {how}{times}{said}. Its log: {child.log}"
            if child.service.optional:
                child.given_up = True
                self._notify(f"{message}\nThe other services go on without the {name}.")
            else:
                self._give_up(message)
            return
        self._notify(f"The {name} {how}; starting it again.")
        child.start_at = now + wait

    def _give_up(self, message: str) -> None:
        self.failure = Unavailable(message)
        self._stopping.set()

    def _end(self, child: Child) -> None:
        process = child.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(self._grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
