"""A training that somebody asks this node for, outside any experiment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from paretune.errors import Aborted, InvalidArgument, Unavailable
from paretune.experiment import Workload
from paretune_trainer.ending import CannotStart, Listener, Step
from paretune_trainer.node import Node, Run, Task
from paretune_trainer.output import LOG_BYTES
from paretune_trainer.schema import CannotRun, check
from paretune_trainer.verdict import Verdict
from paretune_trainer.workload import Value

Progress = Run | Step | str | Verdict
"""The run has started; an intermediate vector; a piece of log; the end."""


@dataclass(frozen=True)
class _End:
    """The run is over: its verdict (None: cancelled), or what prevented it."""

    result: Verdict | Exception | None


def task_of(workload: Workload, assignments: Mapping[str, Value], seed: int) -> Task:
    """The task, once it is clear that its workload exists and understands it.

    Raises:
        InvalidArgument: the workload is unknown, or has no such parameter or setting.
    """
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
    told: asyncio.Queue[Progress | _End] = asyncio.Queue()
    run, log_room = Run(task), LOG_BYTES

    def tell(progress: Progress | _End) -> None:
        loop.call_soon_threadsafe(told.put_nowait, progress)

    def output(data: bytes) -> None:
        # The queue has no bound: a flood of output must not become a flood of memory.
        nonlocal log_room
        if log_room > 0:
            tell(data[:log_room].decode(errors="replace"))
            log_room -= len(data)

    def work() -> None:
        end: Verdict | Exception | None
        try:
            with node.slot(task) as run.seat:
                tell(run)
                end = node.train(run, Listener(step=tell, output=output))
        except Exception as error:
            end = error
        finally:
            run.steering.close()
        tell(_End(end))

    when_done(lambda _: run.steering.cancel())
    # A thread of its own: the loop's pool is small, and others wait for it.
    threading.Thread(target=work, name=f"run-{run.id}", daemon=True).start()
    while not isinstance(progress := await told.get(), _End):
        yield progress
    yield _checked(progress.result)


def _checked(result: Verdict | Exception | None) -> Verdict:
    if result is None:
        raise Aborted("The run was cancelled.", reason="RUN_CANCELLED")
    if isinstance(result, CannotStart):
        raise Unavailable(str(result))
    if isinstance(result, Exception):
        raise result
    if result.not_run:
        raise InvalidArgument.of("workload.name", f"cannot be loaded on this node: {result.not_run}")
    return result
