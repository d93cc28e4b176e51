"""A training that somebody asks this node for, outside any experiment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from paretune.errors import Aborted, InvalidArgument, Unavailable
from paretune.experiment import Workload
from paretune_trainer.node import Node, Run, Task
from paretune_trainer.output import LOG_BYTES
from paretune_trainer.runner import CannotStart, Listener, Step
from paretune_trainer.schema import CannotRun, check
from paretune_trainer.verdict import Verdict
from paretune_trainer.workload import Value

Progress = Run | Step | str | Verdict
"""The run has started; an intermediate vector; a piece of log; the end."""

_WAIT_FOR_SLOT: Final = 0.2


def task_of(workload: Workload, assignments: Mapping[str, Value], seed: int) -> Task:
    """The task, once it is clear that its workload exists and understands it.

    Raises:
        InvalidArgument: the workload is unknown, or has no such parameter or setting.
    """
    if not 0 <= seed < 2**31:
        raise InvalidArgument.of("seed", "must be from 0 to 2147483647")
    try:
        target = check(workload, assignments, ())
    except CannotRun as error:
        raise InvalidArgument.of("workload", str(error)) from None
    return Task(workload, target, assignments, seed)


async def progress_of(
    node: Node, task: Task, when_done: Callable[[Callable[[object], None]], None]
) -> AsyncIterator[Progress]:
    """Run the task in a slot of the node and tell its progress, the verdict last.

    Args:
        node: where it runs.
        task: what runs.
        when_done: registers a function to call when nobody listens any more; the run is cancelled then.

    Raises:
        FailedPrecondition: NODE_BUSY.
        InvalidArgument: the workload cannot be loaded on this node.
        Unavailable: no process can be started.
        Aborted: somebody cancelled the run.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Progress | None] = asyncio.Queue()
    run, log_room = Run(task), LOG_BYTES

    def tell(progress: Progress | None) -> None:
        loop.call_soon_threadsafe(told.put_nowait, progress)

    def output(text: str) -> None:
        # The queue has no bound: a flood of output must not become a flood of memory.
        nonlocal log_room
        if log_room > 0:
            tell(text[:log_room])
            log_room -= len(text)

    def work() -> Verdict | None:
        try:
            with node.slot():
                tell(run)
                return node.train(run, Listener(step=tell, output=output))
        finally:
            tell(None)

    when_done(lambda _: run.steering.cancel())
    working = asyncio.ensure_future(asyncio.to_thread(work))
    while (progress := await told.get()) is not None:
        yield progress
    yield _checked(await _ended(working))


async def _ended(working: asyncio.Future[Verdict | None]) -> Verdict | None:
    try:
        return await working
    except CannotStart as error:
        raise Unavailable(str(error)) from None


def _checked(verdict: Verdict | None) -> Verdict:
    if verdict is None:
        raise Aborted("The run was cancelled.", reason="RUN_CANCELLED")
    if verdict.not_run:
        raise InvalidArgument.of("workload.name", f"cannot be loaded on this node: {verdict.not_run}")
    return verdict
