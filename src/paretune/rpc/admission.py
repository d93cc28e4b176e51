"""Admission control: how many calls may be in progress at once, and when those turned away may come again.

Every call belongs to a class of cost (`paretune.rpc.policy`). Each class has room for so many calls; a
class is also closed while a more vital one is full. So a flood of questions for suggestions never turns a
heartbeat or a result away, and the time that an admitted call waits stays bounded. Turning a call away
costs little: its message is not even received. Why so: docs/decisions/0017-overload.md.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from paretune.errors import ResourceExhausted
from paretune.rpc.policy import POLICY, Cost

log = logging.getLogger("paretune")

ROOM: Mapping[Cost, int] = {Cost.VITAL: 2048, Cost.LIGHT: 512, Cost.HEAVY: 64, Cost.BULK: 1024}
"""Calls of each class that may be in progress. BULK is mostly watching, which waits and does not work."""

SHORTEST, LONGEST = 0.1, 10.0
"""Seconds after which a call that was turned away may come again, at least and at most, before the jitter."""
STEP = 1 / 32
"""Share by which the pause grows with every call turned away, and shrinks with every call that ends."""
TELL_EVERY = 10.0
"""Seconds between two lines of the log about calls turned away."""


class Admission:
    """Counts the calls in progress, and turns away what finds no room.

    The pause settles where as many calls are turned away as are answered: whoever waits comes once in the
    time that it takes to serve them all, however many they are.

    Args:
        room: most calls in progress, by class.
        jitter: spreads those who come again, so that they do not come together.
        clock: monotonic seconds, for the log.
    """

    def __init__(
        self,
        room: Mapping[Cost, int] = ROOM,
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = room
        self._closing = {cost: [other for other in Cost if other <= cost] for cost in Cost}
        self._running = dict.fromkeys(Cost, 0)
        self._pause = dict.fromkeys(Cost, SHORTEST)
        self._jitter = jitter or random.Random()  # noqa: S311 - no secret
        self._clock = clock
        self._untold = 0
        self._told = -TELL_EVERY

    def turns_away(self, method: str) -> float | None:
        """Seconds after which a call of the RPC `method` may come again; None: there is room for it now."""
        rule = POLICY.get(method)
        if rule is None or not self._full(rule.cost):
            return None
        return self._turn_away(rule.cost)

    @contextmanager
    def room(self, method: str) -> Iterator[None]:
        """Count a call of the RPC `method` while it is in progress; calls without a row are not counted.

        Raises:
            ResourceExhausted: no room.
        """
        rule = POLICY.get(method)
        if rule is None:
            yield
            return
        cost = rule.cost
        if self._full(cost):
            raise overloaded(self._turn_away(cost))
        self._running[cost] += 1
        try:
            yield
        finally:
            self._running[cost] -= 1
            self._pause[cost] = max(self._pause[cost] * (1 - STEP), SHORTEST)

    def _full(self, cost: Cost) -> bool:
        return any(self._running[other] >= self._room[other] for other in self._closing[cost])

    def _turn_away(self, cost: Cost) -> float:
        self._pause[cost] = min(self._pause[cost] * (1 + STEP), LONGEST)
        self._untold += 1
        if (now := self._clock()) >= self._told + TELL_EVERY:
            log.warning("too many calls are in progress: %d were turned away", self._untold)
            self._told, self._untold = now, 0
        return self._pause[cost] * self._jitter.uniform(0.5, 1.5)


def overloaded(pause: float) -> ResourceExhausted:
    """What a caller hears that was turned away."""
    return ResourceExhausted("Too many calls are in progress; come again a little later.", retry_after=pause)
