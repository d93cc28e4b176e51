"""Time, passed in: a wall clock for time stamps and a steady one for leases."""

import time
from typing import Protocol

SECOND = 1_000_000
"""Microseconds; every time inside the Store is a whole number of them."""


class Clock(Protocol):
    """The two clocks of the Store."""

    def wall(self) -> int:
        """Microseconds since 1970 by the machine's clock. It may jump: for time stamps only."""

    def steady(self) -> int:
        """Microseconds since 1970 as of the start, carried on by a clock that never jumps: for leases.

        So a machine clock that is set forward or back while the Store runs neither ends a lease early nor
        makes one last; `leases.anchor` does what can be done across a restart.
        """


class SystemClock:
    """The clocks of the operating system."""

    def __init__(self) -> None:
        """Anchor the steady clock to the wall clock now."""
        self._anchor = self.wall() - time.monotonic_ns() // 1000

    def wall(self) -> int:
        """See `Clock.wall`."""
        return time.time_ns() // 1000

    def steady(self) -> int:
        """See `Clock.steady`."""
        return self._anchor + time.monotonic_ns() // 1000
