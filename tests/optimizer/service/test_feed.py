"""Whose turn it is to make suggestions. That views follow the Store is tested end to end."""

import asyncio

import grpc
import pytest

from paretune.errors import DeadlineExceeded
from paretune_optimizer.service.feed import Feed


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
