"""Watching: slow watchers, many watchers, silent ones."""

import asyncio

import pytest
from store_cases import Driver, checkpoint, experiment, observation

from paretune.errors import InvalidArgument, Unavailable
from paretune.v1 import store_pb2 as pb
from paretune_store import watch as watch_module
from paretune_store.sqlite import SqliteStore


@pytest.fixture
def driver(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


async def sequences(
    store, request: pb.WatchRequest, until: int, go_on: asyncio.Event | None = None
) -> list[int]:
    """Sequence numbers of the events up to `until`; a slow one goes on after a message when it may."""
    seen: list[int] = []
    stream = store.watch(request)
    async for message in stream:
        seen += [event.sequence for event in message.events]
        if seen and seen[-1] >= until:
            break
        if go_on:
            await go_on.wait()
    await stream.aclose()
    return seen


def test_slow_watchers_miss_nothing_when_memory_forgets(driver, monkeypatch):
    monkeypatch.setattr(watch_module, "KEPT", 4)
    monkeypatch.setattr(watch_module, "CHUNK", 3)
    made = driver.create()
    reads: list[int] = []
    read_file = driver.store._hub._read

    async def counting(key, after, skip, limit):
        reads.append(after)
        return await read_file(key, after, skip, limit)

    driver.store._hub._read = counting

    async def both() -> tuple[list[int], list[int]]:
        request, written = pb.WatchRequest(experiment_id=made.id), asyncio.Event()
        watchers = [
            asyncio.ensure_future(sequences(driver.store, request, 61)),
            asyncio.ensure_future(sequences(driver.store, request, 61, written)),
        ]
        for _ in range(60):
            await driver.store.write(pb.ObserveRequest(observation=observation(made.id)))
        written.set()
        return await asyncio.wait_for(asyncio.gather(*watchers), 30)

    quick, slow = driver.run(both())
    assert quick == slow == [*range(1, 62)]
    assert len(reads) > 3  # the slow one did go to the file


def test_watchers_that_are_up_to_date_do_not_read_the_file(driver):
    made = driver.create()
    hub = driver.store._hub

    async def fifty() -> int:
        reads = 0
        read_file = hub._read

        async def counting(*arguments):
            nonlocal reads
            reads += 1
            return await read_file(*arguments)

        hub._read = counting
        request = pb.WatchRequest(experiment_id=made.id)
        watchers = [asyncio.ensure_future(sequences(driver.store, request, 21)) for _ in range(50)]
        while reads < 50:  # each catches up once
            await asyncio.sleep(0.01)
        for _ in range(20):
            await driver.store.write(pb.ObserveRequest(observation=observation(made.id)))
        assert await asyncio.wait_for(asyncio.gather(*watchers), 30) == [[*range(1, 22)]] * 50
        assert not hub._feeds
        return reads

    assert driver.run(fifty()) == 50


def test_silence_is_broken_by_signs_of_life(driver):
    made = driver.create()
    leased = driver.lease(made.id)
    driver.store._hub._sign_of_life = 0.05

    async def listen() -> list[pb.WatchResponse]:
        stream = driver.store.watch(pb.WatchRequest(experiment_id=made.id, skip_checkpoints=True))
        messages = [await anext(stream) for _ in range(2)]
        beat = pb.RecordCheckpointsRequest(suggestion_id=leased.id, fence=leased.lease.fence)

        async def chatter() -> None:  # what is skipped does not count as a message
            for step in range(1000):
                beat.checkpoints[:] = [checkpoint(step)]
                await driver.store.write(beat)

        noise = asyncio.ensure_future(chatter())
        messages += [await asyncio.wait_for(anext(stream), 10) for _ in range(2)]
        noise.cancel()
        await stream.aclose()
        return messages

    first, *silent = driver.run(listen())
    assert first.events
    assert first.caught_up
    for message in silent:
        assert not message.events
        assert message.resume_token


def test_a_token_from_the_future_is_refused(driver, tmp_path):
    made = driver.create(id="digits")
    for _ in range(3):
        driver.observe(made.id)
    token = driver.watched(pb.WatchRequest(experiment_id="digits"), caught_up=True)[-1].resume_token
    older = Driver(lambda clock: SqliteStore.open(tmp_path / "older.db", clock))
    older.do(pb.CreateExperimentRequest(experiment=experiment(id="digits")))
    with pytest.raises(InvalidArgument) as caught:
        older.watched(pb.WatchRequest(experiment_id="digits", resume_token=token), caught_up=True)
    assert caught.value.reason == "INVALID_TOKEN"
    older.close()


def test_stopping_ends_every_watch(driver):
    made = driver.create()

    async def watch_then_stop() -> None:
        stream = driver.store.watch(pb.WatchRequest(experiment_id=made.id))
        assert (await anext(stream)).caught_up
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await driver.store.end_watches()
        await asyncio.wait_for(waiting, 5)

    with pytest.raises(Unavailable):
        driver.run(watch_then_stop())
    with pytest.raises(Unavailable):
        driver.watched(pb.WatchRequest(experiment_id=made.id), caught_up=True)
