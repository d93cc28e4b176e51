"""Whose turn it is to make suggestions, and what becomes of views when the Store has trouble.

That views follow the Store is tested end to end.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import optimizer_cases as cases
import pytest
from scripted_store import ScriptedStore, channel_to, message, until

from paretune.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from paretune.observation import Event, Suggestion, SuggestionState
from paretune_optimizer.service import watching
from paretune_optimizer.service.ahead import Ahead
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.view import Prepared


def with_feed(work) -> None:
    async def main():
        async with grpc.aio.insecure_channel("127.0.0.1:1") as nowhere:
            feed = Feed(nowhere)
            try:
                await work(feed)
            finally:
                await feed.close()

    asyncio.run(main())


def test_one_at_a_time_in_order_of_arrival():
    async def work(feed):
        inside, order = 0, []

        async def take(name):
            nonlocal inside
            async with feed.turn("e", 10):
                inside += 1
                assert inside == 1
                await asyncio.sleep(0.005)
                order.append(name)
                inside -= 1

        await asyncio.gather(*(take(k) for k in range(6)))
        assert order == list(range(6))

    with_feed(work)


def test_experiments_do_not_wait_for_each_other():
    async def work(feed):
        async with feed.turn("a", 10), asyncio.timeout(5), feed.turn("b", 10):
            pass

    with_feed(work)


def test_a_turn_that_does_not_come_in_time():
    async def work(feed):
        async with feed.turn("e", 10):
            with pytest.raises(DeadlineExceeded, match="Others wait"):
                async with feed.turn("e", 0.02):
                    pass
        async with asyncio.timeout(5), feed.turn("e", 10):
            pass

    with_feed(work)


def test_an_error_ends_the_turn():
    async def work(feed):
        with pytest.raises(KeyError):
            async with feed.turn("e", 10):
                raise KeyError
        async with asyncio.timeout(5), feed.turn("e", 10):
            pass

    with_feed(work)


def followed(work, *answers) -> ScriptedStore:
    """Work with a feed whose Store answers so."""
    store = ScriptedStore(*answers)

    async def main():
        async with channel_to(store) as channel:
            with ThreadPoolExecutor(1) as executor:
                feed = Feed(channel, ahead=Ahead(executor))
                try:
                    await work(feed)
                finally:
                    await feed.close()

    asyncio.run(main())
    return store


AT = {"x0": 0.1, "x1": 0.2, "x2": 0.3}
CREATED = Event(1, cases.experiment())
LEASED = [Event(1 + n, Suggestion(f"s{n}", "case", n, AT, state=SuggestionState.LEASED)) for n in (1, 2)]


@pytest.fixture
def _short_pauses(monkeypatch):
    monkeypatch.setattr(watching, "PAUSE", 0.001)


@pytest.mark.usefixtures("_short_pauses")
@pytest.mark.parametrize("error", [ResourceExhausted("x", retry_after=0.01), InternalError("x")], ids=repr)
def test_a_view_survives_whatever_breaks_its_stream(error):
    async def work(feed):
        async with feed.view("case", 1, 10) as (first, _):
            pass
        async with feed.view("case", 2, 10) as (second, _):
            assert second is first

    store = followed(work, [message("one", CREATED), error], [error], [message("two", LEASED[0])])
    assert store.tokens == ["", "one", "one"]


@pytest.mark.usefixtures("_short_pauses")
def test_the_view_of_a_restored_store_keeps_nothing_of_what_was_lost():
    async def work(feed):
        async with feed.view("case", 3, 10) as (view, history):
            view.leased, view.prepared = 2, Prepared(3, 3, [], 0.0)
            assert (view.ordinal, len(history.pending)) == (2, 2)
        await until(lambda: view.sequence == 2)
        async with feed.view("case", 2, 10) as (same, history):
            assert same is view
            assert (view.ordinal, len(history.pending), view.prepared) == (1, 1, None)

    restored = InvalidArgument("ahead of this Store", reason="INVALID_TOKEN")
    before = message("one", CREATED, *LEASED)
    store = followed(
        work, [before, Unavailable("restarts")], [restored], [message("two", CREATED, LEASED[0])]
    )
    assert store.tokens == ["", "one", ""]


def test_what_replaces_a_failed_view_leaves_no_task_behind():
    async def work(feed):
        replaced = []
        for _ in range(3):
            with pytest.raises(NotFound):
                async with feed.view("case", 1, 10):
                    pass
            replaced.append(feed._views["case"].tasks)
        await until(lambda: all(task.done() for tasks in replaced[:-1] for task in tasks))

    followed(work, [NotFound("gone")])
