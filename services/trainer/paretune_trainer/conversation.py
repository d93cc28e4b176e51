"""A launcher process, and what is said with it about one trial: the node's side of `launcher`."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from paretune_trainer.child import QUIET, STOP
from paretune_trainer.ending import CannotFork, CannotStart, Ending, Listener, Step
from paretune_trainer.output import Lines, LineTooLong, Log
from paretune_trainer.processes import MARKER, end_marked, kill_group
from paretune_trainer.steering import Steering

_KILL_SECONDS: Final = 8.0
"""Time a launcher has to report the end of a trial that it was told to kill."""

_CHUNK: Final = 256 * 1024


class LauncherProcess:
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


class Conversation:
    """What is said about one trial: three channels to it, one to its launcher, one to whoever steers it."""

    def __init__(self, launcher: LauncherProcess, steering: Steering, listener: Listener) -> None:
        self._launcher, self._steering, self._listener = launcher, steering, listener
        self._log = Log()
        self._said: dict[str, Any] = {}
        self._garbage = ""
        self._cancelled = self._timed_out = False
        self._control_lines, self._result_lines = Lines(), Lines()
        self._selector = selectors.DefaultSelector()
        self._results, self._results_theirs, *others = _pipes(3)
        self._directives_theirs, self._directives, self._output, self._output_theirs = others
        self._selector.register(launcher.control, selectors.EVENT_READ, self._on_control)
        self._selector.register(self._results, selectors.EVENT_READ, self._on_results)
        self._selector.register(self._output, selectors.EVENT_READ, self._on_output)
        self._selector.register(steering.wake, selectors.EVENT_READ, self._on_steering)

    def __enter__(self) -> Conversation:
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
                raise CannotFork(f"{self._said['threads']} threads after preloading")
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


def _pipes(count: int) -> list[int]:
    """The reading and the writing end of each; all of them, or none."""
    made: list[int] = []
    try:
        for _ in range(count):
            made += os.pipe()
    except OSError:
        for descriptor in made:
            os.close(descriptor)
        raise
    return made
