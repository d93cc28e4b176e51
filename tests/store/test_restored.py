"""A restored Store: who knew it before must begin anew, and is told so."""

from pathlib import Path

import pytest
from store_cases import Driver, checkpoint

from paretune.errors import InvalidArgument
from paretune.v1 import store_pb2 as pb
from paretune_store import watch
from paretune_store.backup import restore
from paretune_store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


def backup(driver: Driver, path: Path) -> None:
    async def collect() -> bytes:
        return b"".join([message.data async for message in driver.store.backup()])

    path.write_bytes(driver.run(collect()))


def put_back(driver: Driver, backup: Path, database: Path) -> None:
    """Restore under a Store that is stopped meanwhile, a second later."""
    driver.clock.advance(1)
    driver.run(driver.store.close())
    restore(backup, database, replace=True)
    driver.store = driver.run(driver._opened())


def read(driver: Driver, **where: str | int) -> tuple[list[int], str, int]:
    """Ordinals of the observations told; the token and the last number to go on with."""
    messages = driver.watched(pb.WatchRequest(experiment_id="digits", **where), caught_up=True)
    events = [event for message in messages for event in message.events]
    ordinals = [event.observation.ordinal for event in events if event.HasField("observation")]
    return ordinals, messages[-1].resume_token, events[-1].sequence if events else 0


def must_begin_anew(driver: Driver, **where: str | int) -> None:
    with pytest.raises(InvalidArgument, match="watch from the beginning") as caught:
        read(driver, **where)
    assert caught.value.reason == "INVALID_TOKEN"


def test_what_was_told_before_a_restore_is_not_gone_on_with(store, tmp_path):
    database, copy = tmp_path / "store.db", tmp_path / "copy.db"
    store.create(id="digits")
    store.observe("digits")
    at_the_backup = read(store)
    backup(store, copy)
    for _ in range(3):
        store.observe("digits")
    pasts = [at_the_backup, read(store)]
    for _ in range(2):  # the same backup twice: what was told between them is past, too
        put_back(store, copy, database)
        for _ in range(5):  # more than were lost: nothing is ahead of this Store
            store.observe("digits")
        for _, token, number in pasts:
            must_begin_anew(store, resume_token=token)
            must_begin_anew(store, after_sequence=number)
        pasts.append(read(store))
    ordinals, token, number = pasts[-1]
    assert ordinals == [1, 2, 3, 4, 5, 6]
    store.observe("digits")
    store.restart()
    assert read(store, resume_token=token)[0] == read(store, after_sequence=number)[0] == [7]


def test_every_experiment_moves_at_a_restore_so_that_views_of_it_are_behind(store, tmp_path):
    for name in ("digits", "idle"):
        store.create(id=name)
    backup(store, tmp_path / "copy.db")
    for _ in range(3):
        store.observe("idle")
    seen = store.events("idle")[-1].sequence
    put_back(store, tmp_path / "copy.db", tmp_path / "store.db")
    now = store.do(pb.GetExperimentRequest(experiment_id="idle"))
    assert now.event_sequence > seen
    assert store.events("idle")[-1].experiment == now.experiment
    store.restart()  # and only once
    assert store.do(pb.GetExperimentRequest(experiment_id="idle")).event_sequence == now.event_sequence


def test_reading_the_past_of_a_restored_store_can_be_gone_on_with(store, tmp_path, monkeypatch):
    store.create(id="digits")
    trained = store.lease("digits")
    for step in range(20):
        store.checkpoints(trained, checkpoint(step))
    backup(store, tmp_path / "copy.db")
    put_back(store, tmp_path / "copy.db", tmp_path / "store.db")
    monkeypatch.setattr(watch, "CHUNK", 5)
    everything = store.events("digits")
    first, *_ = store.watched(pb.WatchRequest(experiment_id="digits"), caught_up=True)
    rest = store.watched(
        pb.WatchRequest(experiment_id="digits", resume_token=first.resume_token), caught_up=True
    )
    assert [*first.events, *(event for message in rest for event in message.events)] == everything


def test_an_empty_store_comes_back(store, tmp_path):
    backup(store, tmp_path / "copy.db")
    store.create(id="digits")
    store.observe("digits")
    _, token, _ = read(store)
    put_back(store, tmp_path / "copy.db", tmp_path / "store.db")
    store.create(id="digits")
    for _ in range(3):
        store.observe("digits")
    must_begin_anew(store, resume_token=token)
