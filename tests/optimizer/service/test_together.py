"""What is asked at the same moment is answered together, in order, and nobody waits for ever."""

import asyncio
from collections.abc import Sequence

import pytest

from paretune.errors import DeadlineExceeded, NotFound
from paretune_optimizer.service.together import Together


class Squares:
    """Answers with squares, as slowly as the test says."""

    def __init__(self, at_once: int = 100, refuse: Sequence[int] = ()) -> None:
        self.rounds: list[list[int]] = []
        self.go = asyncio.Event()
        self._at_once, self._refuse = at_once, refuse

    async def __call__(self, questions: Sequence[int]) -> list[int | Exception]:
        mine = list(questions[: self._at_once])
        self.rounds.append(mine)
        await self.go.wait()
        return [NotFound.of("n", str(n)) if n in self._refuse else n * n for n in mine]


async def asked(together: Together, questions: Sequence[int], key: str = "k") -> list[asyncio.Task]:
    tasks = [asyncio.create_task(together.ask(key, n, 10.0)) for n in questions]
    await asyncio.sleep(0.01)
    return tasks


def test_those_who_come_meanwhile_share_the_next_round():
    async def main():
        squares = Squares()
        together = Together(squares, most=3)
        tasks = await asked(together, [1]) + await asked(together, [2, 3, 4, 5])
        squares.go.set()
        assert await asyncio.gather(*tasks) == [1, 4, 9, 16, 25]
        assert squares.rounds == [[1], [2, 3, 4], [5]]
        assert await together.ask("k", 6, 10.0) == 36

    asyncio.run(main())


def test_keys_do_not_wait_for_each_other():
    async def main():
        squares = Squares()
        together = Together(squares)
        tasks = await asked(together, [1], "a") + await asked(together, [2], "b")
        assert squares.rounds == [[1], [2]]
        squares.go.set()
        assert await asyncio.gather(*tasks) == [1, 4]

    asyncio.run(main())


def test_a_round_may_leave_the_last_ones_for_the_next():
    async def main():
        squares = Squares(at_once=2)
        squares.go.set()
        tasks = await asked(Together(squares), range(5))
        assert await asyncio.gather(*tasks) == [0, 1, 4, 9, 16]
        assert squares.rounds == [[0, 1], [2, 3], [4]]

    asyncio.run(main())


def test_each_has_its_own_refusal_and_a_failure_is_for_the_whole_round():
    async def main():
        squares = Squares(refuse=[2])
        squares.go.set()
        results = await asyncio.gather(*await asked(Together(squares), [1, 2, 3]), return_exceptions=True)
        assert (results[0], results[2]) == (1, 9)
        assert isinstance(results[1], NotFound)

        async def broken(questions: Sequence[int]) -> list[int]:
            raise ZeroDivisionError

        tasks = await asked(Together(broken), [1, 2])
        assert all(
            isinstance(e, ZeroDivisionError) for e in await asyncio.gather(*tasks, return_exceptions=True)
        )

    asyncio.run(main())


def test_who_gives_up_is_passed_over_and_told_so():
    async def main():
        squares = Squares()
        together = Together(squares)
        first, second, third = await asked(together, [1]) + await asked(together, [2, 3])
        with pytest.raises(DeadlineExceeded):
            await together.ask("k", 4, 0.01)
        second.cancel()
        await asyncio.sleep(0)
        squares.go.set()
        assert [await first, await third] == [1, 9]
        assert squares.rounds == [[1], [3]]

    asyncio.run(main())
