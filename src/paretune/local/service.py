"""One program that the supervisor keeps running, and the process that runs it now."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from paretune.local import tether
from paretune.local.ports import listens
from paretune.rpc.health import is_serving

LOG_BYTES = 5_000_000


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


class Child:
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
        """Start it; `now` is the monotonic clock."""
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
        """Whether it serves, or will not be waited for any more."""
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


def _open_log(path: Path) -> IO[bytes]:
    """The log for appending; a long one is put aside first."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.old"))
    output = path.open("ab")
    output.seek(0, os.SEEK_END)
    return output
