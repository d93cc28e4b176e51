"""The reaper: when it wakes, and that trouble does not end it."""

import asyncio
import math

import pytest

from paretune.errors import Unavailable
from paretune_store.reaper import LONGEST_SECONDS, SHORTEST_SECONDS, reap


class Scripted:
    """A store whose `expire` gives the scripted answers."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)

    async def expire(self) -> float:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def naps(*answers) -> list[float]:
    """How long the reaper slept after each answer."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(answers):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(reap(Scripted(*answers), sleep))
    return slept


def test_it_wakes_at_the_next_expiry_but_never_sleeps_long():
    assert naps(0.2, 30.0, math.inf, 1e-9) == [0.2, LONGEST_SECONDS, LONGEST_SECONDS, SHORTEST_SECONDS]


def test_trouble_does_not_end_it():
    assert naps(Unavailable("disk"), 0.1) == [LONGEST_SECONDS, 0.1]
