"""Runs trainings in processes of their own, one at a time per `Runner`: the node's side of `launcher`."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paretune_trainer.child import QUIET, STOP
from paretune_trainer.job import Job
from paretune_trainer.output import Lines, LineTooLong, Log
from paretune_trainer.processes import MARKER, end_marked, kill_group
from paretune_trainer.steering import Steering

_KILL_SECONDS: Final = 8.0
"""Time a launcher has to report the end of a trial that it was told to kill."""

_CHUNK: Final = 256 * 1024


@dataclass(frozen=True)
class Step:
    """One intermediate metric vector; `values` are finite."""

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ending:
    """How a trial's process ended, before any judgement.

    Attributes:
        result: content of the "result" line; None when there was none.
        failure: content of the "failure" line; None when there was none.
        exit_status: exit code, or minus the number of the signal that killed the process.
        timed_out: the time limit passed.
        cancelled: it was cancelled.
        garbage: what is wrong with the result channel, as a sentence; empty when nothing is.
        leftovers: processes that the trial left behind and that were killed.
        seconds: wall-clock time from start to end.
        log: head and tail of its output.
    """

    result: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None
    exit_status: int = 0
    timed_out: bool = False
    cancelled: bool = False
    garbage: str = ""
    leftovers: int = 0
    seconds: float = 0.0
    log: Log = field(default_factory=Log)


class CannotStart(Exception):
    """The launcher did not start the trial."""


class _CannotFork(CannotStart):
    """What was preloaded made threads, and only a single-threaded process forks safely."""


@dataclass
class Listener:
    """Called while a trial runs, in the thread of `Runner.run`; must return quickly.

    `started` is given the id of a process of which all those of the trial are descendants; `measuring`
    whether a measurement begins or ends.
    """

    step: Callable[[Step], None] = lambda _: None
    output: Callable[[bytes], None] = lambda _: None
    started: Callable[[int], None] = lambda _: None
    measuring: Callable[[bool], None] = lambda _: None


class Runner:
    """Runs one training at a time. `run` and `close` belong to one thread at a time.

    Args:
        folder: where scratch folders of trials are made.
        environment: the whole environment of the processes.
        keep_warm: fork the trials of one workload from one launcher that has its modules loaded.
        apart: give each trial a PID namespace of its own.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, keep_warm: bool, apart: bool = False
    ) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._keep_warm, self._apart = keep_warm, apart
        self._launcher: _LauncherProcess | None = None
        self._warm_for = ""

    @property
    def warm_for(self) -> str:
        """Key of the workload whose modules are loaded; empty: none."""
        return self._warm_for

    def run(
        self,
        job: Job,
        steering: Steering,
        listener: Listener,
        *,
        time_limit: float = 0.0,
        warm_key: str = "",
        preload: Sequence[str] = (),
    ) -> Ending:
        """Run to the end, whatever the end is.

        Args:
            job: what to run.
            steering: how others stop it.
            listener: told of intermediate vectors and output.
            time_limit: seconds of wall-clock time; 0 for no limit.
            warm_key: when not empty, keep the launcher for the next job with the same key.
            preload: modules to import before the fork, when kept.

        Raises:
            CannotStart: the system refuses another process.
        """
        warm_key = warm_key if self._keep_warm else ""
        if warm_key != self._warm_for:
            self.close()
        try:
            return self._run_once(job, steering, listener, time_limit, preload if warm_key else (), warm_key)
        except _CannotFork:
            # From now on each trial of this runner starts anew: slower, and always safe.
            self._keep_warm = False
            self.close()
            return self._run_once(job, steering, listener, time_limit, (), "")
        finally:
            if not self._warm_for:
                self.close()

    def _run_once(
        self,
        job: Job,
        steering: Steering,
        listener: Listener,
        time_limit: float,
        preload: Sequence[str],
        warm_key: str,
    ) -> Ending:
        scratch = Path(tempfile.mkdtemp(prefix="trial-", dir=self._folder))
        try:
            job.write(scratch)
            if self._launcher is None:
                self._launcher = _LauncherProcess(self._folder, self._environment)
            self._warm_for = warm_key
            with _Conversation(self._launcher, steering, listener) as talk:
                talk.start(scratch, preload, apart=self._apart)
                return talk.follow(time_limit)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            if self._launcher and self._launcher.gone:
                self.close()

    def close(self) -> None:
        """End the launcher, if there is one, with everything under it."""
        launcher, self._launcher, self._warm_for = self._launcher, None, ""
        if launcher:
            launcher.close()


class _LauncherProcess:
    """A running launcher and the control channel to it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self.control, theirs = socket.socketpair()
        self.gone = False
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a fixed command
                    [sys.executable, "-P", "-m", "paretune_trainer.launcher", str(theirs.fileno())],
                    cwd=folder,
                    env={**environment, MARKER: self._mark},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                self.control.close()
                raise CannotStart(f"No process can be started: {error}") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def close(self) -> None:
        """End it; a trial that still runs dies with it."""
        self.control.close()
        try:
            self._process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> int:
        """End it the hard way, and everything started under it; its exit status."""
        self.gone = True
        kill_group(self._process.pid)
        status = self._process.wait()
        end_marked(self._mark)
        return status


class _Conversation:
    """What is said about one trial: three channels to it, one to its launcher, one to whoever steers it."""

    def __init__(self, launcher: _LauncherProcess, steering: Steering, listener: Listener) -> None:
        self._launcher, self._steering, self._listener = launcher, steering, listener
        self._log = Log()
        self._said: dict[str, Any] = {}
        self._garbage = ""
        self._cancelled = self._timed_out = False
        self._control_lines, self._result_lines = Lines(), Lines()
        self._selector = selectors.DefaultSelector()
        self._results, self._results_theirs = os.pipe()
        self._directives_theirs, self._directives = os.pipe()
        self._output, self._output_theirs = os.pipe()
        self._selector.register(launcher.control, selectors.EVENT_READ, self._on_control)
        self._selector.register(self._results, selectors.EVENT_READ, self._on_results)
        self._selector.register(self._output, selectors.EVENT_READ, self._on_output)
        self._selector.register(steering.wake, selectors.EVENT_READ, self._on_steering)

    def __enter__(self) -> _Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._close_theirs()
        for descriptor in (self._results, self._directives, self._output):
            os.close(descriptor)

    def _close_theirs(self) -> None:
        for name in ("_results_theirs", "_directives_theirs", "_output_theirs"):
            if (descriptor := getattr(self, name)) >= 0:
                os.close(descriptor)
                setattr(self, name, -1)

    def start(self, scratch: Path, preload: Sequence[str], *, apart: bool) -> None:
        """Have the trial forked."""
        order = {"start": {"folder": str(scratch), "preload": list(preload), "apart": apart}}
        descriptors = [self._results_theirs, self._directives_theirs, self._output_theirs]
        with contextlib.suppress(BrokenPipeError):  # noticed below, as the end of the control channel
            socket.send_fds(self._launcher.control, [json.dumps(order).encode() + b"\n"], descriptors)
        self._close_theirs()

    def follow(self, time_limit: float) -> Ending:
        """Listen until the trial has ended and all that it left behind is gone."""
        started = time.monotonic()
        deadline = started + time_limit if time_limit else float("inf")
        patience = float("inf")
        stop_wanted = False
        while "ended" not in self._said:
            now = time.monotonic()
            stop_wanted = self._cancelled or bool(self._garbage) or self._timed_out
            if now >= deadline and not stop_wanted:
                stop_wanted = self._timed_out = True
            if stop_wanted and patience == float("inf"):
                self._send_kill()
                patience = now + _KILL_SECONDS
            if now >= patience or self._launcher.gone:
                self._said["ended"] = {"status": self._launcher.kill(), "killed": 0}
                break
            wait = min(patience if stop_wanted else deadline, now + 3600) - now
            for key, _ in self._selector.select(max(wait, 0)):
                key.data()
            if "threads" in self._said:
                raise _CannotFork(f"{self._said['threads']} threads after preloading")
        if self._launcher.gone and not ("started" in self._said or stop_wanted):
            raise CannotStart(f"The launcher ended with status {self._said['ended']['status']}.")
        self._drain()
        return self._ending(time.monotonic() - started)

    def _send_kill(self) -> None:
        with contextlib.suppress(OSError):
            self._launcher.control.sendall(b'{"kill": true}\n')

    def _drain(self) -> None:
        """Read what the channels still hold; every process that could write more is dead."""
        for descriptor, read in ((self._results, self._on_results), (self._output, self._on_output)):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(BlockingIOError):
                while read():
                    pass

    def _ending(self, seconds: float) -> Ending:
        ended = self._said["ended"]
        status = ended["status"]
        return Ending(
            result=self._said.get("result"),
            failure=self._said.get("failure"),
            exit_status=status if self._launcher.gone else os.waitstatus_to_exitcode(status),
            timed_out=self._timed_out,
            cancelled=self._cancelled,
            garbage=self._garbage,
            leftovers=ended["killed"],
            seconds=seconds,
            log=self._log,
        )

    # One method per channel; each says whether there may be more.

    def _on_control(self) -> bool:
        try:
            data = self._launcher.control.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._selector.unregister(self._launcher.control)
            self._launcher.gone = True
            return False
        for line in self._control_lines.feed(data):
            message = json.loads(line)
            self._said.update(message)
            if "started" in message:
                self._listener.started(self._launcher.pid)
        return True

    def _on_results(self) -> bool:
        data = os.read(self._results, _CHUNK)
        if not data:
            self._forget(self._results)
            return False
        if self._garbage:
            return True
        try:
            for line in self._result_lines.feed(data):
                self._take(line)
        except LineTooLong:
            self._garbage = "a line of more than 4 MiB"
        except (ValueError, TypeError, KeyError, AttributeError):
            self._garbage = "something that is not a result"
        return True

    def _take(self, line: bytes) -> None:
        message = json.loads(line)
        ((kind, content),) = message.items()
        if kind == "checkpoint":
            values = {str(name): float(value) for name, value in content["values"].items()}
            self._listener.step(Step(int(content["step"]), values))
        elif kind == "measuring":
            self._listener.measuring(content is True)
            if content is True:
                self._direct(QUIET)
        elif kind == "log":
            self._add_output(str(content).encode(errors="replace") + b"\n")
        elif kind in ("result", "failure") and isinstance(content, dict):
            self._said[kind] = content
        else:
            raise ValueError(kind)

    def _on_output(self) -> bool:
        data = os.read(self._output, _CHUNK)
        if not data:
            self._forget(self._output)
            return False
        self._add_output(data)
        return True

    def _add_output(self, data: bytes) -> None:
        self._log.add(data)
        self._listener.output(data)

    def _forget(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(descriptor)

    def _direct(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._directives, word)

    def _on_steering(self) -> bool:
        words = self._steering.take()
        if "stop" in words:
            self._direct(STOP)
        if "cancel" in words:
            self._cancelled = True
        return True
