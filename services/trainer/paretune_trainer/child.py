"""What happens in the process of one trial: load the workload, call it, report on the result channel.

The result channel carries JSON lines, each an object with one key:

    {"checkpoint": {"step": 3, "values": {"accuracy": 0.9}}}
    {"measuring": true}
    {"log": "text"}
    {"result": {"values": {"accuracy": [0.97, 0.008]}, "stopped": false, "step": 10, "facts": {...},
                "modules": [names of paretune's own workload modules]}}
    {"failure": {"kind": "exception", "reason": "...", "traceback": "...", "facts": {...}}}

On "measuring" the node stops the other trials of the device, where it does that, and says so on the
directive channel. The last line is a result or a failure; the kinds of failure are in `FailureKind`. The
standard error of a value is null when it is unknown.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import math
import os
import random
import select
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from paretune_trainer import command, command_report
from paretune_trainer.facts import runtime_facts
from paretune_trainer.job import Job
from paretune_trainer.workload import Infeasible

FailureKind = Literal["infeasible", "out_of_memory", "exception", "command", "load", "unusable"]
"""Declared by the workload; memory ran out; raised; a program failed; not found here; unusable result."""

_SAID_IN_FULL: Final = ("infeasible", "unusable", "command")
"""Kinds whose reason needs no class and no traceback."""

STOP: Final = b"stop\n"
"""On the directive channel: stop training at the next step."""

QUIET: Final = b"quiet\n"
"""On the directive channel: nothing else runs on the device any more."""

_QUIET_SECONDS: Final = 10.0

OWN_WORKLOADS: Final = "paretune_trainer.workloads."
"""How the names of the modules of built-in workloads begin."""

_REASON_CHARACTERS: Final = 1000
_TRACEBACK_CHARACTERS: Final = 4000


class Trial:
    """The handle that a workload is given; see `paretune_trainer.workload.TrialHandle`."""

    def __init__(self, job: Job, results: int, directives: int) -> None:
        self._job = job
        self._results = results
        self._directives = directives
        self._lock = threading.Lock()
        self._locked = 0
        self._heard = b""
        self.noticed_stop = False
        self.step = 0
        os.set_blocking(directives, False)

    @property
    def settings(self) -> Mapping[str, str]:
        """The experiment's settings for this workload."""
        return self._job.settings

    @property
    def seed(self) -> int:
        """The source of all randomness of the trial."""
        return self._job.seed

    @property
    def directive(self) -> str:
        """The trainer's latest word: "continue" or "stop"."""
        self._listen()
        return "stop" if STOP in self._heard else "continue"

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._heard += os.read(self._directives, 4096)

    def should_stop(self) -> bool:
        """Whether the workload should stop training now and return what it has."""
        self.noticed_stop = self.directive == "stop"
        return self.noticed_stop

    def checkpoint(self, step: int, **metrics: float) -> None:
        """Stream an intermediate metric vector; values that are not finite are left out."""
        values = {name: float(value) for name, value in metrics.items()}
        self.step = int(step)
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self.send("checkpoint", {"step": self.step, "values": finite})

    def log(self, text: str) -> None:
        """Add a line to the trial's log."""
        self.send("log", str(text))

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Have the device alone: nothing else is measured on it, and on a GPU nothing else runs.

        Re-entrant; should the process die, others go on.
        """
        if not self._job.lock or self._locked:
            yield
            return
        # A POSIX lock belongs to this process alone: unlike flock's it is not kept by a forked data loader.
        with open(self._job.lock, "a", encoding="utf-8") as file:  # noqa: PTH123
            fcntl.lockf(file, fcntl.LOCK_EX)
            self._locked += 1
            try:
                self._silence()
                yield
            finally:
                if self._job.pauses:
                    self.send("measuring", False)
                self._locked -= 1

    def _silence(self) -> None:
        """Wait until the other trials of the device are stopped, but not forever."""
        if not self._job.pauses:
            return
        self._listen()
        heard = self._heard.count(QUIET)
        self.send("measuring", True)
        deadline = time.monotonic() + _QUIET_SECONDS
        while self._heard.count(QUIET) == heard and (left := deadline - time.monotonic()) > 0:
            select.select([self._directives], [], [], left)
            self._listen()

    def send(self, kind: str, content: object) -> None:
        """Write one line to the result channel."""
        line = json.dumps({kind: content}).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._results, line) :]


class _Unusable(Exception):
    """The workload returned something that is no metric vector."""


def run(job: Job, results: int, directives: int) -> None:
    """Load and call the workload, and report how it ended.

    Args:
        job: what to run.
        results: descriptor of the result channel.
        directives: descriptor of the directive channel.

    Raises:
        SystemExit: the workload asked for it; nothing is reported.
    """
    trial = Trial(job, results, directives)
    if job.python_path:
        sys.path[:0] = job.python_path
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        os.environ["PYTHONPATH"] = os.pathsep.join([*job.python_path, *inherited])
    try:
        function = _command(job) if job.command else _load(job.entry_point)
    except Exception as error:
        trial.send("failure", _failure("load", error, trial))
        return
    if job.load_only:
        trial.send("result", _result({}, trial))
        return
    _seed_globals(job.seed)
    try:
        values = _metric_vector(function(dict(job.parameters), trial))
    except Exception as error:
        trial.send("failure", _failure(_kind_of(error, job.entry_point), error, trial))
        return
    trial.send("result", _result(values, trial))


def _result(values: Mapping[str, object], trial: Trial) -> dict[str, object]:
    return {
        "values": values,
        "stopped": trial.noticed_stop,
        "step": trial.step,
        "facts": runtime_facts(),
        "modules": [name for name in sys.modules if name.startswith(OWN_WORKLOADS)],
    }


def _command(job: Job) -> Any:
    folder = job.code_folder or Path.cwd()
    command.find_program(job.command, folder)
    return partial(command.run, job.command, folder)


def _load(entry_point: str) -> Any:
    module, _, name = entry_point.partition(":")
    function = getattr(importlib.import_module(module), name)
    if not callable(function):
        raise TypeError(f"{entry_point} is not a function")
    return function


def _seed_globals(seed: int) -> None:
    """Give the global generators of the trial's process a seed of their own.

    A workload should draw from `trial.seed`; one that does not must still not draw the same numbers in all
    processes forked from one launcher.
    """
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def _metric_vector(returned: object) -> dict[str, list[float | None]]:
    """Name to [value, standard error or None], of plain floats."""
    if not isinstance(returned, Mapping):
        raise _Unusable(
            f"The workload returned {_shown(returned)}; it must return a mapping from metric name to a value "
            "or to (value, standard error)."
        )
    vector: dict[str, list[float | None]] = {}
    for name, measured in returned.items():
        try:
            value, stderr = measured if isinstance(measured, tuple | list) else (measured, None)
            vector[str(name)] = [float(value), None if stderr is None else float(stderr)]
        except (TypeError, ValueError):
            raise _Unusable(
                f"The workload returned {_shown(measured)} for metric {str(name)!r}; it must be a number or "
                "a pair (value, standard error)."
            ) from None
    return vector


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _kind_of(error: BaseException, entry_point: str) -> FailureKind:
    cause: BaseException | None = error
    while cause is not None:
        if _is_memory_exhaustion(cause):
            return "out_of_memory"
        cause = cause.__cause__
    if isinstance(error, Infeasible):
        return "infeasible"
    if isinstance(error, _Unusable | command_report.UnusableReport):
        return "unusable"
    if isinstance(error, command.CommandFailed):
        return "command"
    # paretune's own workloads choose a framework and fetch their data when they run: what is missing then
    # is missing on this node, whatever the configuration.
    names = {kind.__name__ for kind in type(error).__mro__}
    about_node = bool(names & {"ModuleNotFoundError", "DataError"})
    return "load" if about_node and entry_point.startswith(OWN_WORKLOADS) else "exception"


def _is_memory_exhaustion(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    # Frameworks' classes by name, so that none of them is imported for the question.
    if type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError"):
        return True
    return isinstance(error, RuntimeError) and (
        "out of memory" in str(error) or "can't allocate memory" in str(error)
    )


def _failure(kind: FailureKind, error: BaseException, trial: Trial) -> dict[str, object]:
    text = " ".join(str(error).split())
    if kind in _SAID_IN_FULL:
        reason = text or type(error).__name__
    else:
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    trace = "" if kind in _SAID_IN_FULL else _traceback(error)
    if trace:
        trial.log(trace)
    return {
        "kind": kind,
        "reason": reason[:_REASON_CHARACTERS],
        "traceback": trace[-_TRACEBACK_CHARACTERS:],
        "step": trial.step,
        "facts": runtime_facts(),
    }


def _traceback(error: BaseException) -> str:
    # Limited, because a recursion error has a thousand frames and a message can be huge.
    text = "".join(traceback.format_exception(error, limit=-20))
    return text if len(text) <= 64 * 1024 else text[: 32 * 1024] + "\n[...]\n" + text[-32 * 1024 :]
