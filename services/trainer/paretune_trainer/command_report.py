"""What a program reports, as JSON lines.

On the descriptor PARETUNE_METRICS_FD, or appended to the file PARETUNE_METRICS_FILE:

    {"step": 3, "accuracy": 0.9}                      a checkpoint
    {"accuracy": 0.93, "latency": [1.2, 0.1]}         the result; a pair is [value, standard error]
    {"infeasible": "the network has no layers left"}  the configuration cannot work

Without a result the latest value of each metric stands.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from paretune_trainer.output import Lines, LineTooLong

METRICS_FD: Final = 3
"""Descriptor on which the program reports."""

_TICK_SECONDS: Final = 0.1
_LINE_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 64 * 1024
_PIPE_BYTES: Final = 1024 * 1024
"""What a pipe holds at most, as long as nobody with privileges made it larger (pipe(7))."""
_Measured = float | tuple[float, float | None]


class UnusableReport(Exception):
    """The program reported something that is no metric vector; the message is a sentence."""


class CommandTrial(Protocol):
    """What is needed of `paretune_trainer.child.Trial`."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The experiment's settings."""

    @property
    def seed(self) -> int:
        """Source of all randomness."""

    def should_stop(self) -> bool:
        """Whether to stop now."""

    def checkpoint(self, step: int, **metrics: float) -> None:
        """Stream an intermediate vector."""


class Report:
    """What the program reports, from both places.

    Attributes:
        values: latest value of each metric, a number or (value, standard error).
        infeasible: why the configuration cannot work; empty: it can.
    """

    def __init__(self, file: Path) -> None:
        self.values: dict[str, Any] = {}
        self.infeasible = ""
        # Everything of ours lies above 9, as do the channels of the trial: see launcher.
        self._file = os.fdopen(_above_9(os.open(file, os.O_RDONLY | os.O_CREAT, 0o600)), "rb")
        ours, theirs = os.pipe()
        theirs = _above_9(theirs)
        self._pipe = _above_9(ours)
        os.set_blocking(self._pipe, False)
        os.dup2(theirs, METRICS_FD)
        os.close(theirs)
        self._open = True
        self._lines = {"pipe": Lines(_LINE_BYTES), "file": Lines(_LINE_BYTES)}

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *_: object) -> None:
        self.started()
        os.close(self._pipe)
        self._file.close()

    def started(self) -> None:
        """The program has its end of the pipe: let go of it here."""
        if self._open:
            self._open = False
            os.close(METRICS_FD)

    def read(self, trial: CommandTrial, others: Sequence[int]) -> None:
        """Wait a moment for news, and take them."""
        try:
            readable, _, _ = select.select([self._pipe, *others], [], [], _TICK_SECONDS)
        except InterruptedError:
            return
        if self._pipe in readable and not self._take_pipe(trial) and len(readable) == 1:
            time.sleep(_TICK_SECONDS)  # its end is closed and it goes on: do not spin
        self._take("file", self._file.read(), trial)

    def finish(self, trial: CommandTrial) -> None:
        """Take all that the program left; an unfinished last line counts."""
        for _ in range(_PIPE_BYTES // _READ_BYTES):  # more comes from whoever outlived it, maybe without end
            if not self._take_pipe(trial):
                break
        self._take("file", self._file.read(), trial)
        for name in self._lines:
            self._take(name, b"\n", trial)

    def _take_pipe(self, trial: CommandTrial) -> bool:
        try:
            data = os.read(self._pipe, _READ_BYTES)
        except BlockingIOError:
            return False
        self._take("pipe", data, trial)
        return bool(data)

    def _take(self, name: str, data: bytes, trial: CommandTrial) -> None:
        try:
            for line in self._lines[name].feed(data) if data else ():
                if line.strip():
                    self._line(line, trial)
        except LineTooLong:
            raise UnusableReport("The command reported a line of more than 1 MiB.") from None

    def _line(self, line: bytes, trial: CommandTrial) -> None:
        try:
            message = dict(json.loads(line))
            if "infeasible" in message:
                self.infeasible = str(message["infeasible"]) or "The command says so."
                return
            step = message.pop("step", None)
            values: dict[str, _Measured] = {str(name): _measured(value) for name, value in message.items()}
            self.values.update(values)
            if step is not None:
                trial.checkpoint(int(step), **{name: _value(value) for name, value in values.items()})
        except (ValueError, TypeError):
            shown = line[:200].decode(errors="replace")
            raise UnusableReport(
                f"The command reported {shown!r}, which is no JSON object of metrics such as "
                '{"step": 3, "accuracy": 0.9}.'
            ) from None


def _measured(value: Any) -> _Measured:
    """A number, or [value, standard error].

    Raises:
        ValueError: it is neither.
        TypeError: it is neither.
    """
    if isinstance(value, bool | str):
        raise TypeError
    if isinstance(value, list):
        number, error = value
        return float(number), None if error is None else float(error)
    return float(value)


def _value(measured: _Measured) -> float:
    return measured[0] if isinstance(measured, tuple) else measured


def _above_9(descriptor: int) -> int:
    """The same file under a number from 10."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved
