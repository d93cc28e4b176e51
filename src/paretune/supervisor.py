"""Keeps services running on this machine: starts them, starts one again when it dies, ends them all.

    with Supervisor([Service("store", "paretune_store", (...), "127.0.0.1:50052"), ...], logs) as supervisor:
        supervisor.wait_until_ready()

One thread does all of it, because the kernel ties a child to the *thread* that started it. Services end when
the supervisor's process does, kill -9 included (see `paretune.tether`).
"""

import atexit
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from paretune import tether
from paretune.errors import ParetuneError, Unavailable
from paretune.rpc.health import is_serving

log = logging.getLogger("paretune.supervisor")

READY_SECONDS = 60.0
GRACE_SECONDS = 10.0
LOG_BYTES = 5_000_000
FINAL_EXITS = (2, 3, 4, 5)
"""Exit codes that starting again cannot help: wrong usage; no address or storage; a corrupt database; a newer
one. The service says in one line why."""

_TICK = 0.05


@dataclass(frozen=True)
class Service:
    """One program to keep running.

    Attributes:
        name: what people call it, and the name of its log.
        module: Python module to run.
        arguments: its command line.
        address: where it answers health checks.
        environment: variables to add to those of this process.
        own_path: whether modules in the working folder may be imported, as a trainer of user code must.
        probe: whether it serves, asked with its address and the seconds to wait.
        optional: whether the others go on without it when it cannot be kept running.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    address: str
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    own_path: bool = False
    probe: Callable[[str, float], bool] = is_serving
    optional: bool = False

    def command(self, parent: int) -> list[str]:
        """The command line that runs it tied to the process `parent`."""
        safe = () if self.own_path else ("-P",)
        tied = (sys.executable, "-I", "-S", tether.__file__, str(parent))
        return [*tied, *safe, "-m", self.module, *self.arguments]


class Backoff:
    """Seconds to wait before a service that died is started again: growing while it dies at once.

    Args:
        attempts: deaths in a row after which to give up on a service that served before.
        first_attempts: the same for one that never did: what is wrong from the start stays wrong.
        settled: seconds of life after which earlier deaths do not count any more.
    """

    def __init__(
        self,
        *,
        first: float = 0.1,
        longest: float = 2.0,
        attempts: int = 10,
        first_attempts: int = 3,
        settled: float = 3.0,
    ) -> None:
        self._first, self._longest = first, longest
        self._attempts, self._first_attempts = attempts, first_attempts
        self._settled = settled
        self.deaths = 0

    def after(self, lived: float, served: bool = True) -> float | None:
        """The wait after a life of `lived` seconds; None: give up."""
        self.deaths = 1 if lived >= self._settled else self.deaths + 1
        if self.deaths >= (self._attempts if served else self._first_attempts):
            return None
        return min(self._first * 2.0 ** (self.deaths - 1), self._longest)


class _Child:
    """One service and the process that runs it now."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.log = folder / f"{service.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.backoff = Backoff()
        self.start_at: float | None = 0.0
        self.started_at = 0.0
        self.served = False
        self.given_up = False
        self._log_start = 0

    def start(self, now: float) -> None:
        with _open_log(self.log) as output:
            self._log_start = output.tell()
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                self.service.command(os.getpid()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.service.environment},
                # Ctrl-C in a terminal goes to a whole group: the supervisor decides when services end.
                start_new_session=True,
            )
        self.started_at, self.start_at = now, None

    def ready(self) -> bool:
        if not self.served and not self.given_up:
            self.served = listens(self.service.address) and self.service.probe(self.service.address, 2.0)
        return self.served or self.given_up

    def last_words(self) -> str:
        """The last line that the service wrote in its present life, without its name."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_start, file.seek(0, os.SEEK_END) - 4096))
                lines = file.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if any(map(str.isalnum, line))), "")
        return last.removeprefix(f"paretune {self.service.name}: ")


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
        self._children = [_Child(service, folder) for service in services]
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
            self._children.append(_Child(service, self.folder))

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

    def _tend(self, child: _Child, now: float) -> None:
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

    def _end(self, child: _Child) -> None:
        process = child.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(self._grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _open_log(path: Path) -> IO[bytes]:
    """The log for appending; a long one is put aside first."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.old"))
    output = path.open("ab")
    output.seek(0, os.SEEK_END)
    return output


def listens(address: str) -> bool:
    """Whether anything accepts connections at `host:port`; a refusal is known at once."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=0.5).close()
    except OSError:
        return False
    return True


def _how(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
