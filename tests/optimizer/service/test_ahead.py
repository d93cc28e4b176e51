"""Suggestions made ahead: the same ones, only while they are right, and never in anybody's way."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import optimizer_cases as cases
import pytest

from paretune.experiment import ExperimentState, Policy
from paretune.observation import Event
from paretune.parameters import Categorical
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest
from paretune_optimizer.service import ahead as module
from paretune_optimizer.service.ahead import Ahead, finished, wanted
from paretune_optimizer.service.view import View


def evaluate(a):
    return a["x0"] + a["x2"], 1.0 - a["x0"] + a["x1"]


def view_of(experiment, count: int) -> View:
    view = View()
    view.history = cases.scattered(experiment, evaluate, count)
    view.sequence = view.ordinal = count
    return view


async def until(condition, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def with_follower(view: View, work) -> None:
    with ThreadPoolExecutor(1) as executor:
        ahead = Ahead(executor)
        follower = asyncio.create_task(ahead.follow(view))
        try:
            await work(ahead)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)


async def tell(view: View) -> None:
    async with view.moved:
        view.moved.notify_all()


def observed(view: View, n: int) -> Event:
    at = {"x0": 0.1, "x1": 0.2, "x2": n / 100}
    return Event(n, cases.result(view.history, at, evaluate(at), n))


def test_what_is_made_ahead_is_what_would_be_made_on_demand():
    view = view_of(cases.experiment(seed=3), 20)
    expected = suggest(cases.scattered(cases.experiment(seed=3), evaluate, 20), 1, 21)

    async def work(ahead):
        async with view.held():
            assert ahead.take(view, 1) is None, "nobody asked before"
        await tell(view)
        await until(lambda: view.prepared is not None)
        async with view.held(patient=True):
            (made,) = ahead.take(view, 1)
            assert ahead.take(view, 2) is None, "only one was made"
        assert made.assignments == expected[0].assignments
        assert made.provenance.predictions == expected[0].provenance.predictions
        assert made.provenance.model_age > 0.0

    asyncio.run(with_follower(view, work))


def test_an_event_makes_it_void_and_the_next_one_is_made():
    view = view_of(cases.experiment(), 20)

    async def work(ahead):
        ahead.take(view, 1)
        await tell(view)
        await until(lambda: view.prepared is not None)
        async with view.held():
            view.apply(observed(view, 21))
            assert ahead.take(view, 1) is None
        await tell(view)
        await until(lambda: view.prepared.sequence == 21)
        async with view.held():
            (made,) = ahead.take(view, 1)
            assert made.provenance.observation_count == 21

    asyncio.run(with_follower(view, work))


def test_nothing_is_made_until_somebody_asks():
    view = view_of(cases.experiment(), 20)

    async def work(ahead):
        await tell(view)
        await asyncio.sleep(0.1)
        assert view.prepared is None

    asyncio.run(with_follower(view, work))


def test_work_makes_way_for_who_cannot_wait_and_is_begun_anew(monkeypatch):
    view = view_of(cases.experiment(), 20)
    begun, cut = threading.Event(), []

    def slow(history, count, first, budget, clock):
        """A search that ends only when its time is up, the first time."""
        start = clock()
        begun.set()
        while not cut and clock() - start < budget:
            pass
        cut.append(clock() - start >= budget)
        return suggest(history, count, first)

    monkeypatch.setattr(module, "suggest", slow)

    async def work(ahead):
        ahead.take(view, 1)
        await tell(view)
        await until(begun.is_set)
        async with view.held():
            assert cut == [True]
            assert view.prepared is None, "what was cut short is thrown away"
        await until(lambda: view.prepared is not None)
        assert cut[1:] == [False]

    asyncio.run(with_follower(view, work))


def test_who_wants_it_waits_for_it(monkeypatch):
    view = view_of(cases.experiment(), 20)
    begun, go = threading.Event(), threading.Event()

    def slow(*arguments):
        begun.set()
        assert go.wait(20)
        return suggest(*arguments)

    monkeypatch.setattr(module, "suggest", slow)

    async def work(ahead):
        ahead.take(view, 1)
        await tell(view)
        await until(begun.is_set)
        asyncio.get_running_loop().call_later(0.05, go.set)
        async with view.held(patient=True):
            assert ahead.take(view, 1) is not None

    asyncio.run(with_follower(view, work))


def test_work_in_vain_is_begun_ever_more_rarely(monkeypatch):
    view = view_of(cases.experiment(), 20)
    begun = []

    def quick(history, count, first, budget, clock):
        begun.append(clock())
        return []

    monkeypatch.setattr(module, "suggest", quick)

    async def work(ahead):
        ahead.take(view, 1)
        for _ in range(100):
            async with view.held():
                view.sequence += 1
            await tell(view)
            await asyncio.sleep(0.01)
        assert 2 < len(begun) < 20

    asyncio.run(with_follower(view, work))


def test_no_work_while_somebody_has_the_turn():
    view = view_of(cases.experiment(), 20)

    async def work(ahead):
        ahead.take(view, 1)
        async with view.turn:
            await tell(view)
            await asyncio.sleep(0.1)
            assert view.prepared is None
        await tell(view)
        await until(lambda: view.prepared is not None)

    asyncio.run(with_follower(view, work))


def test_an_exhausted_space_is_not_asked_again_and_again():
    experiment = cases.experiment([Categorical("c", ["a", "b"])], policy=Policy.GP)
    view = View()
    view.history = History(experiment)
    for n, choice in enumerate("ab", start=1):
        view.history.add_observation(cases.result(view.history, {"c": choice}, (1.0, 2.0), n))
    view.sequence = view.ordinal = 2

    async def work(ahead):
        ahead.take(view, 1)
        await tell(view)
        await until(lambda: view.prepared is not None)
        assert view.prepared.proposals == []
        assert ahead.take(view, 1) is None

    asyncio.run(with_follower(view, work))


@pytest.mark.parametrize(
    ("settings", "count", "answer"),
    [
        ({}, 20, True),
        ({}, 3, False),
        ({"policy": Policy.GP}, 3, True),
        ({"policy": Policy.GP}, 0, False),
        ({"policy": Policy.SOBOL}, 20, False),
        ({"observation_budget": 20}, 20, False),
        ({"observation_budget": 21}, 20, True),
        ({"state": ExperimentState.PAUSED}, 20, False),
    ],
)
def test_when_it_is_worth_while(settings, count, answer):
    assert wanted(cases.scattered(cases.experiment(**settings), evaluate, count)) is answer


def test_trials_in_progress_count_towards_the_budget():
    history = cases.scattered(cases.experiment(observation_budget=21), evaluate, 20)
    history.add_pending("s", 21, {"x0": 0.5, "x1": 0.5, "x2": 0.5})
    assert not wanted(history)


def test_a_cancelled_call_waits_for_its_thread():
    """Whoever holds a view's lock must not give it back while a thread still reads the history."""
    go, done = threading.Event(), threading.Event()

    def work():
        assert go.wait(20)
        done.set()

    async def main():
        with ThreadPoolExecutor(1) as executor:
            call = asyncio.create_task(finished(asyncio.get_running_loop().run_in_executor(executor, work)))
            await asyncio.sleep(0.01)
            call.cancel()
            asyncio.get_running_loop().call_later(0.05, go.set)
            with pytest.raises(asyncio.CancelledError):
                await call
            assert done.is_set()

    asyncio.run(main())


def test_an_empty_history_is_no_reason_to_work():
    assert not wanted(History(cases.experiment(policy=Policy.GP)))
