"""What is asked at the same moment is answered together: one call to the Store instead of one for each."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from paretune.errors import DeadlineExceeded

Question = TypeVar("Question")
Answer = TypeVar("Answer")


@dataclass
class _Asked(Generic[Question, Answer]):
    question: Question
    answer: asyncio.Future[Answer]


@dataclass
class _Line(Generic[Question, Answer]):
    """Who waits under one key, and the task that answers them."""

    waiting: deque[_Asked[Question, Answer]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Together(Generic[Question, Answer]):
    """Collects the questions that arrive while earlier ones are being answered, and answers them in one go.

    Questions under different keys have nothing to do with each other. Under one key they are answered in the
    order of arrival, and one round at a time. The task that does so runs in the context of one of those who
    ask: whatever of it matters must be part of the key.

    Args:
        answer: answers the first of some questions, as many as it likes but at least one, in their order; an
            answer may be an exception. What it raises is the answer to all of them.
        most: questions in one round.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Awaitable[Sequence[Answer | Exception]]],
        most: int = 64,
    ) -> None:
        """Nobody asked yet."""
        self._answer = answer
        self._most = most
        self._lines: dict[Hashable, _Line[Question, Answer]] = {}

    async def ask(self, key: Hashable, question: Question, timeout: float) -> Answer:
        """The answer to a question; who gives up before its turn is passed over.

        Raises:
            DeadlineExceeded: it did not come within `timeout` seconds.
            Exception: what the question was answered with.
        """
        line = self._lines.setdefault(key, _Line())
        asked: _Asked[Question, Answer] = _Asked(question, asyncio.get_running_loop().create_future())
        line.waiting.append(asked)
        if line.task is None:
            line.task = asyncio.create_task(self._serve(key, line))
        try:
            async with asyncio.timeout(timeout):
                return await asked.answer
        except TimeoutError:
            raise DeadlineExceeded(
                f"Others wait for suggestions too: no answer came within {timeout:.1f} s; try again."
            ) from None

    async def _serve(self, key: Hashable, line: _Line[Question, Answer]) -> None:
        batch: list[_Asked[Question, Answer]] = []
        answers: Sequence[Answer | Exception]
        try:
            while batch := self._next(line):
                try:
                    answers = await self._answer([one.question for one in batch])
                except Exception as error:
                    answers = [error] * len(batch)
                for one, answer in zip(batch, answers, strict=False):
                    _deliver(one.answer, answer)
                line.waiting.extendleft(reversed(batch[len(answers) :]))
        finally:
            del self._lines[key]
            for one in (*batch, *line.waiting):
                one.answer.cancel()

    def _next(self, line: _Line[Question, Answer]) -> list[_Asked[Question, Answer]]:
        """The next round; empty when nobody waits any more."""
        batch: list[_Asked[Question, Answer]] = []
        while line.waiting and len(batch) < self._most:
            asked = line.waiting.popleft()
            if not asked.answer.done():
                batch.append(asked)
        return batch


def _deliver(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
