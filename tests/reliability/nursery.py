"""Starts services as processes of their own, by forking one that has imported them.

They are the programs that operators run, started in a tenth of the time: hundreds of them are killed here.
As a program this file is the process that forks; it reads one order a line, and answers with the number of
the child.
"""

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PR_SET_PDEATHSIG = 1
"""Of <sys/prctl.h>: what a service gets when the process that forked it ends, so that none is left."""


@dataclass
class Child:
    """A service that was started.

    Attributes:
        pid: number of the process.
        log: what it said; its exit code is beside it.
    """

    pid: int
    log: Path

    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self, how: signal.Signals = signal.SIGKILL) -> str:
        """End it; what it said. A traceback is a defect."""
        if self.alive():
            os.kill(self.pid, how)
        return self.wait()

    def wait(self, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"process {self.pid} did not end; it said: {self.log.read_text()}")
            time.sleep(0.002)
        said = self.log.read_text()
        if "Traceback" in said:
            raise AssertionError(said)
        return said

    @property
    def code(self) -> int | None:
        path = self.log.with_suffix(".code")
        return int(path.read_text()) if path.exists() else None


class Nursery:
    """The process that forks. `command` may wrap it, such as in a namespace of its own."""

    def __init__(self, folder: Path, command: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._count = 0
        # One math thread: a process with threads of its own must not fork.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [*command, sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, module: str, *arguments: str, broken: str = "", failpoints: str = "") -> Child:
        """A service, such as `paretune_store`, perhaps as a broken build, perhaps with failpoints."""
        self._count += 1
        log = self._folder / f"{module}-{self._count}.log"
        log.touch()
        order = {
            "module": module,
            "arguments": arguments,
            "broken": broken,
            "log": str(log),
            "environment": {"PARETUNE_TEST": "1", "PARETUNE_FAILPOINTS": failpoints},
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Child(int(self._process.stdout.readline()), log)

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def _serve() -> None:
    for module in ("paretune_store", "paretune_optimizer"):
        importlib.import_module(f"{module}.__main__")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _become(order: Any) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
        quiet = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((quiet, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        os.environ.update(order["environment"])
        from paretune import failpoints

        failpoints.arm(os.environ)
        if order["broken"]:
            sys.path.insert(0, str(HERE))
            importlib.import_module("broken_builds").BUILDS[order["broken"]]()
        import typer

        sys.argv = [order["module"], *order["arguments"]]
        typer.run(sys.modules[f"{order['module']}.__main__"].main)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        Path(order["log"]).with_suffix(".code").write_text(str(code))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
