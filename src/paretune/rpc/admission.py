"""Admission control: how many calls may be in progress at once, and when those turned away may come again.

Every call belongs to a class of cost (`paretune.rpc.policy`). Each class has room for so many calls; a
class is also closed while a more vital one is full. So a flood of questions for suggestions never turns a
heartbeat or a result away, and the time that an admitted call waits stays bounded. Turning a call away
costs little: its message is not even parsed. Why so: docs/decisions/0017-overload.md.
"""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from paretune.errors import ResourceExhausted
from paretune.rpc.policy import POLICY, Cost

ROOM: Mapping[Cost, int] = {Cost.VITAL: 2048, Cost.LIGHT: 512, Cost.HEAVY: 64, Cost.BULK: 1024}
"""Calls of each class that may be in progress. BULK is mostly watching, which waits and does not work."""

SHORTEST, LONGEST = 0.1, 5.0
"""Seconds after which a call that was turned away may come again, at least and at most."""
_WEIGHT = 0.05


class Admission:
    """Counts the calls in progress, and turns away what finds no room.

    Args:
        room: most calls in progress, by class.
        jitter: spreads those who come again, so that they do not come together.
    """

    def __init__(self, room: Mapping[Cost, int] = ROOM, jitter: random.Random | None = None) -> None:
        self._room = room
        self._running = dict.fromkeys(Cost, 0)
        self._typical = dict.fromkeys(Cost, 0.0)
        self._jitter = jitter or random.Random()  # noqa: S311 - no secret

    @contextmanager
    def room(self, method: str) -> Iterator[None]:
        """Count a call of the RPC `method` while it is in progress; calls without a row are not counted.

        Raises:
            ResourceExhausted: no room; `retry_after` is about what those in progress still need.
        """
        rule = POLICY.get(method)
        if rule is None:
            yield
            return
        cost = rule.cost
        if any(self._running[other] >= self._room[other] for other in Cost if other <= cost):
            raise self._refusal(cost)
        self._running[cost] += 1
        begin = time.monotonic()
        try:
            yield
        finally:
            self._running[cost] -= 1
            self._typical[cost] += _WEIGHT * (time.monotonic() - begin - self._typical[cost])

    def _refusal(self, cost: Cost) -> ResourceExhausted:
        # Who is in the middle of a full house stays for about half of what a call takes there.
        pause = min(max(self._typical[cost], SHORTEST), LONGEST) * self._jitter.uniform(0.5, 1.5)
        return ResourceExhausted(
            "Too many calls are in progress; come again a little later.", retry_after=pause
        )
