"""Suggestions made before anybody asks, so that most questions are answered in milliseconds.

As soon as the view of an experiment has moved, the next suggestion is computed in the background. It is
handed out only while the view is at exactly the event at which it was made, and is the same function of the
history and the ordinal as a suggestion made on demand: what is suggested never depends on timing.

Work ahead holds the view's lock, because it reads the history. It makes way as soon as anybody waits for the
lock: its clock then strikes, the search ends at its next look at the clock, and the result is thrown away.
Only who wants that very suggestion waits for it. Where events come faster than suggestions can be made, work
ahead is in vain, and is begun ever more rarely until something of it is used.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from paretune.errors import FailedPrecondition
from paretune.experiment import ExperimentState
from paretune.observation import Proposal
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest, uses_model
from paretune_optimizer.service.view import Prepared, View

T = TypeVar("T")

INTEREST = 600.0
"""Seconds after the last question during which suggestions are made ahead."""
BUDGET = 1e6
"""Seconds that work ahead may take if nobody is in a hurry: without end, but finite."""
PAUSE, LONGEST_PAUSE = 0.01, 2.0
"""Seconds to wait before beginning anew; twice as long each time that the last work was in vain."""


class Ahead:
    """Makes the next suggestion of every experiment that somebody asks about.

    Args:
        executor: where to compute; one thread is enough.
        clock: monotonic seconds.
    """

    def __init__(self, executor: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing made yet."""
        self._executor = executor
        self._clock = clock

    async def follow(self, view: View) -> None:
        """Keep the next suggestion of a view at hand, until cancelled."""
        in_vain = 0
        while True:
            async with view.moved:
                await view.moved.wait_for(lambda: self._due(view))
            if in_vain:
                await asyncio.sleep(min(PAUSE * 2.0**in_vain, LONGEST_PAUSE))
            made = None
            async with view.held(patient=True):
                if self._due(view) and view.history is not None:
                    used = view.taken is not None and view.taken is view.prepared
                    in_vain = 0 if used else min(in_vain + 1, 10)
                    made = await self._prepare(view, view.history)
                    view.prepared = made or view.prepared

    def take(self, view: View, count: int) -> list[Proposal] | None:
        """Return suggestions made ahead if `suggest` would make the same ones now; the view must be held."""
        view.asked = self._clock()
        ready = view.prepared
        if ready is None or ready.sequence != view.sequence or len(ready.proposals) < count:
            return None
        view.taken = ready
        age = self._clock() - ready.made
        return [
            replace(one, provenance=replace(one.provenance, model_age=one.provenance.model_age + age))
            for one in ready.proposals[:count]
        ]

    def _due(self, view: View) -> bool:
        if view.history is None or view.asked is None or self._clock() - view.asked > INTEREST:
            return False
        if view.turn.locked():  # whoever has the turn makes what is next
            return False
        if view.prepared is not None and view.prepared.sequence == view.sequence:
            return False
        return wanted(view.history)

    async def _prepare(self, view: View, history: History) -> Prepared | None:
        """The next suggestion, or None when the work made way."""
        sequence, first = view.sequence, view.ordinal + 1
        work = partial(_suggest, history, first, lambda: view.waiting > 0, self._clock)
        proposals = await finished(asyncio.get_running_loop().run_in_executor(self._executor, work))
        return None if proposals is None else Prepared(sequence, first, proposals, self._clock())


def wanted(history: History) -> bool:
    """Tell whether another suggestion is likely to be asked for, and worth making ahead."""
    experiment = history.experiment
    budget = experiment.observation_budget
    if budget and len(history) + history.pending.shape[0] >= budget:
        return False
    return experiment.state is ExperimentState.ACTIVE and uses_model(history)


def _suggest(
    history: History, first: int, hurried: Callable[[], bool], clock: Callable[[], float]
) -> list[Proposal] | None:
    """The next suggestion; none if the space is exhausted; None if somebody was in a hurry."""
    started, cut = False, False

    def striking() -> float:
        nonlocal started, cut
        # Not at the first look: a deadline is counted from there.
        cut = cut or (started and hurried())
        started = True
        return clock() + (2.0 * BUDGET if cut else 0.0)

    try:
        made = suggest(history, 1, first, BUDGET, striking)
    except FailedPrecondition:
        made = []
    if cut and history.fitted_at is not None:
        history.fitted_at = min(history.fitted_at, clock())
    return None if cut else made


async def finished(future: asyncio.Future[T]) -> T:
    """The result of work in a thread; a cancellation waits for its end, for it still reads the history."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
