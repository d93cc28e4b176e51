"""What a running trial says on its way, and how it ended, before any judgement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune_trainer.output import Log


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


class CannotFork(CannotStart):
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
