"""Backups: a copy of one moment, restored into a Store that knows that it lives in the past."""

import asyncio
import hashlib
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from store_cases import Driver, observation

from paretune.errors import FailedPrecondition, ResourceExhausted
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store import sqlite as engine
from paretune_store.backup import Exists, GivenUp, copy_name, make_copy, restore
from paretune_store.database import CannotOpen, Corrupt, InUse, TooNew, open_database
from paretune_store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


def copied(driver: Driver) -> bytes:
    """The bytes of a backup."""

    async def collect():
        data, last = b"", None
        async for message in driver.store.backup():
            data += message.data
            last = message
        return data, last

    data, last = driver.run(collect())
    assert last.total_bytes == len(data)
    assert last.sha256 == hashlib.sha256(data).digest()
    return data


def test_a_backup_holds_everything_and_leaves_nothing_behind(store, tmp_path):
    made = store.create(id="digits")
    for _ in range(50):
        store.observe(made.id)
    (tmp_path / "copy.db").write_bytes(copied(store))
    assert not copy_name(tmp_path / "store.db").exists()
    before = store.state()
    store.observe(made.id)  # is not in the copy
    restore(tmp_path / "copy.db", tmp_path / "again.db")
    again = Driver(lambda clock: SqliteStore.open(tmp_path / "again.db", clock))
    assert again.state()[:-1] == before  # the last event is that of the restore
    again.close()


def test_fences_from_before_a_restore_are_refused(store, tmp_path):
    made = store.create(id="digits", ttl=60)
    held = store.lease(made.id)
    (tmp_path / "copy.db").write_bytes(copied(store))
    restore(tmp_path / "copy.db", tmp_path / "again.db")
    again = Driver(lambda clock: SqliteStore.open(tmp_path / "again.db", clock))
    assert again.suggestion(held.id).state == types.SUGGESTION_STATE_QUEUED
    for report in again.reports(held):
        again.refused(report, FailedPrecondition, "STALE_LEASE")
    anew = again.lease(made.id)
    assert anew.id == held.id
    assert anew.lease.fence > held.lease.fence
    again.observe_suggestion(anew)
    again.restart()  # the mark is gone: a second start forgets no leases
    kept = again.lease(made.id)
    again.restart()
    again.heartbeat(kept)
    again.close()


def test_one_backup_at_a_time(store):
    store.create()

    async def two():
        first = store.store.backup()
        await anext(first)
        with pytest.raises(ResourceExhausted, match="Another backup"):
            await anext(store.store.backup())
        await first.aclose()

    store.run(two())
    assert copied(store)  # one that was given up does not block the next


def test_a_backup_that_is_given_up_holds_up_nobody(store, tmp_path, monkeypatch):
    made = store.create()
    copying, go_on, ends = threading.Event(), threading.Event(), []

    def slow(*arguments):
        copying.set()
        go_on.wait(20)
        try:
            make_copy(*arguments)
        finally:
            ends.append(sys.exc_info()[0])

    monkeypatch.setattr(engine, "make_copy", slow)

    async def given_up():
        first = asyncio.ensure_future(anext(store.store.backup()))
        await asyncio.to_thread(copying.wait, 20)
        first.cancel()
        await store.store.write(pb.ObserveRequest(observation=observation(made.id)))  # while the thread waits
        with pytest.raises(ResourceExhausted, match="Another backup"):
            await anext(store.store.backup())
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await first

    store.run(given_up())
    assert ends == [GivenUp]
    assert not copy_name(tmp_path / "store.db").exists()
    monkeypatch.undo()
    assert copied(store)


def test_restore_refuses_without_touching_anything(store, tmp_path):
    store.create()
    good, live = tmp_path / "copy.db", tmp_path / "store.db"
    good.write_bytes(copied(store))
    with pytest.raises(InUse):
        restore(good, live, replace=True)
    target = tmp_path / "again.db"
    with pytest.raises(CannotOpen, match="no file"):
        restore(tmp_path / "nowhere.db", target)
    bad = tmp_path / "bad.db"
    bad.write_bytes(good.read_bytes()[:8192] + b"\xff" * 4096 + good.read_bytes()[12288:])
    with pytest.raises(Corrupt):
        restore(bad, target)
    bad.write_bytes(live.read_bytes())  # a plain copy of a live file lacks its log
    with pytest.raises(Corrupt):
        restore(bad, target)
    bad.write_bytes(good.read_bytes())
    db = sqlite3.connect(bad)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(TooNew):
        restore(bad, target)
    assert not target.exists()


def test_restore_keeps_what_it_replaces(tmp_path):
    store = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    store.create(id="first")
    (tmp_path / "copy.db").write_bytes(copied(store))
    store.create(id="second")
    store.close()
    live = tmp_path / "store.db"
    before = live.read_bytes()
    with pytest.raises(Exists):
        restore(tmp_path / "copy.db", live)
    (kept,) = restore(tmp_path / "copy.db", live, replace=True)
    assert kept.read_bytes() == before
    again = Driver(lambda clock: SqliteStore.open(live, clock))
    assert [made.id for made in again.state() if isinstance(made, types.Experiment)] == ["first"]
    again.close()


def killed(live: Path, folder: Path) -> Path:
    """What kill -9 would leave of an open database now, in another folder."""
    folder.mkdir()
    for ending in ("", "-wal", ".lock"):
        shutil.copyfile(f"{live}{ending}", folder / f"{live.name}{ending}")
    return folder / live.name


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_after_a_kill_a_restore_gives_the_backup_and_nothing_of_the_log(store, tmp_path, how):
    made = store.create(id="digits")
    store.observe(made.id)
    (tmp_path / "copy.db").write_bytes(copied(store))
    before = store.state()
    for _ in range(30):
        store.observe(made.id)
    live = killed(tmp_path / "store.db", tmp_path / "killed")
    if how == "removed":
        live.unlink()  # and its log stays
    kept = restore(tmp_path / "copy.db", live, replace=how == "replaced")
    assert kept[-1].name.endswith("-wal")
    again = Driver(lambda clock: SqliteStore.open(live, clock))
    assert again.state()[:-1] == before  # the last event is that of the restore
    again.close()


def test_a_backup_that_was_copied_over_a_killed_database_by_hand_is_refused(store, tmp_path):
    made = store.create(id="digits")
    (tmp_path / "copy.db").write_bytes(copied(store))
    store.observe(made.id)
    live = killed(tmp_path / "store.db", tmp_path / "killed")
    shutil.copyfile(tmp_path / "copy.db", live)
    with pytest.raises(Corrupt, match=r"-wal is not the log of"):
        open_database(live)
    assert live.read_bytes() == (tmp_path / "copy.db").read_bytes()
