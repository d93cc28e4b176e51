"""Named places where a test can make a process die, wait or fail.

They exist only in a process that was started with ``PARETUNE_TEST=1``; everywhere else `hit` does nothing.
``PARETUNE_FAILPOINTS`` says what happens where, such as ``after_write=kill@3;before_begin=sleep:0.2``: at the
third passage of the one place the process kills itself as kill -9 would, at every passage of the other it
waits. Actions: ``kill``; ``kill_during:SECONDS``, so much later, from another thread; ``sleep:SECONDS``;
``raise``. docs/reliability.md lists the tests that use them.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NAMES = frozenset(
    {
        "before_begin",
        "after_write",
        "after_commit_before_reply",
        "mid_checkpoint",
        "mid_migration",
        "reaper_after_expire",
        "suggest_after_compute",
        "backup_mid_copy",
    }
)
"""Every place; a name that is not here is a mistake in a test."""


@dataclass
class Failpoint:
    """What happens at one place: `action` at the passage numbered `at`, or at every one when that is 0."""

    action: Callable[[], None]
    at: int
    passages: int = 0

    def hit(self) -> None:
        """Count a passage, and act."""
        self.passages += 1
        if not self.at or self.passages == self.at:
            self.action()


def parse(text: str) -> dict[str, Failpoint]:
    """The failpoints that a text in the form above describes.

    Raises:
        ValueError: an unknown place or action.
    """
    found = {}
    for part in filter(None, text.split(";")):
        name, _, rest = part.partition("=")
        rest, _, at = rest.partition("@")
        word, _, argument = rest.partition(":")
        if name not in NAMES or word not in _ACTIONS:
            raise ValueError(f"{part!r} is no failpoint: {sorted(NAMES)} = {sorted(_ACTIONS)} [@N]")
        found[name] = Failpoint(_ACTIONS[word](float(argument or 0)), int(at or 0))
    return found


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_during(seconds: float) -> Callable[[], None]:
    def arm() -> None:
        timer = threading.Timer(seconds, _kill)
        timer.daemon = True
        timer.start()

    return arm


def _raise() -> None:
    raise RuntimeError("a failpoint says so")


_ACTIONS: dict[str, Callable[[float], Callable[[], None]]] = {
    "kill": lambda _: _kill,
    "kill_during": _kill_during,
    "sleep": lambda seconds: lambda: time.sleep(seconds),
    "raise": lambda _: _raise,
}

_ACTIVE: dict[str, Failpoint] = {}


def arm(environment: Mapping[str, str]) -> None:
    """Take over what an environment asks for; nothing unless it is that of a test."""
    _ACTIVE.clear()
    if environment.get("PARETUNE_TEST") == "1":
        _ACTIVE.update(parse(environment.get("PARETUNE_FAILPOINTS", "")))


def hit(name: str) -> None:
    """Pass the place `name`."""
    if _ACTIVE and name in _ACTIVE:
        _ACTIVE[name].hit()


arm(os.environ)
