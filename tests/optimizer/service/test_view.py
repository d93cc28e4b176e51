"""A view follows events once each, and knows whose turn it is."""

import asyncio

import optimizer_cases as cases

from paretune.observation import Event, Suggestion, SuggestionState
from paretune_optimizer.service.view import View


def test_events_count_once_and_in_order():
    view = View()
    experiment = cases.experiment()
    view.apply(Event(3, experiment))
    at = {"x0": 0.1, "x1": 0.2, "x2": 0.3}
    leased = Suggestion("s", "e", 4, at, state=SuggestionState.LEASED)
    view.apply(Event(5, leased))
    assert (view.sequence, view.ordinal) == (5, 4)
    assert view.history.pending.shape == (1, 3)
    observation = cases.result(view.history, at, (1.0, 2.0), 1)
    for _ in range(2):
        view.apply(Event(9, observation))
    view.apply(Event(5, leased))
    assert (view.sequence, len(view.history)) == (9, 1)


def test_who_waits_is_seen_unless_patient():
    async def main():
        view = View()
        seen = []
        async with view.held():
            waiters = [asyncio.create_task(hold(view, patient)) for patient in (True, False)]
            await asyncio.sleep(0.01)
            seen.append(view.waiting)
        await asyncio.gather(*waiters)
        return [*seen, view.waiting]

    async def hold(view, patient):
        async with view.held(patient=patient):
            pass

    assert asyncio.run(main()) == [1, 0]


def test_a_cancelled_wait_leaves_nothing_behind():
    async def main():
        view = View()
        async with view.held():
            waiter = asyncio.create_task(hold(view))
            await asyncio.sleep(0.01)
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)
            assert view.waiting == 0
        async with asyncio.timeout(5), view.held():
            return True

    async def hold(view):
        async with view.held():
            pass

    assert asyncio.run(main())
