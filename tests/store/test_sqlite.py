"""The SQLite engine against the contract, and what is its own."""

import resource
import sqlite3

import pytest
from store_cases import Driver, assignments, observation
from store_contract import StoreContract

from paretune.errors import ParetuneError
from paretune.v1 import store_pb2 as pb
from paretune_store.sqlite import SqliteStore, new_id


@pytest.fixture
def driver(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


class TestSqliteStore(StoreContract):
    """Every promise of `paretune_store.store.Store`."""


def test_epochs_grow_also_when_the_clock_was_set_back(driver):
    made = driver.create()
    fences = [driver.lease(made.id).lease.fence]
    for jump in (-86400, 0, 3600, -7200):
        driver.clock.jump(jump)
        driver.restart()
        fences.append(driver.lease(made.id).lease.fence)
    assert fences == sorted(set(fences))


def test_a_store_restored_from_a_backup_repeats_no_fence(tmp_path, driver):
    made = driver.create()
    for _ in range(5):
        driver.queue(made.id)
    driver.run(driver.store.close())
    (tmp_path / "backup.db").write_bytes((tmp_path / "store.db").read_bytes())
    driver.store = driver.run(driver._opened())
    given = []
    for _ in range(3):
        driver.clock.advance(2)
        driver.restart()
        given.append(driver.lease(made.id).lease.fence)
    driver.clock.advance(2)
    restored = Driver(lambda clock: SqliteStore.open(tmp_path / "backup.db", driver.clock))
    assert restored.lease(made.id).lease.fence > max(given)
    restored.close()


def test_ids_sort_by_time_and_do_not_repeat():
    ids = [new_id("o", time) for time in range(1000, 2000)]
    assert ids == sorted(set(ids))
    assert len({new_id("o", 5) for _ in range(1000)}) == 1000


def test_counters_equal_what_counting_would_give(tmp_path, driver):
    driver.one_of_each_mutation()
    for request in driver.one_of_each_mutation():
        driver.do(request)
    db = sqlite3.connect(f"{(tmp_path / 'store.db').as_uri()}?mode=ro", uri=True)
    wrong = db.execute(
        """SELECT id FROM experiments AS e WHERE
        observations != (SELECT count(*) FROM observations WHERE experiment = e.key)
        OR observations != ok + infeasible + crashed + stopped_early
        OR queued != (SELECT count(*) FROM suggestions WHERE experiment = e.key AND state = 1)
        OR leased != (SELECT count(*) FROM suggestions WHERE experiment = e.key AND state = 2)
        OR cancelled != (SELECT count(*) FROM suggestions WHERE experiment = e.key AND state = 4)
        OR last_ordinal != (SELECT count(*) FROM suggestions WHERE experiment = e.key)
        OR last_event != (SELECT max(sequence) FROM events WHERE experiment = e.key AND kind != 6)"""
    ).fetchall()
    assert wrong == []
    db.close()


def test_nothing_scans_as_history_grows(tmp_path, driver):
    """The statements of the everyday calls use an index, so that a call costs the same after any history."""
    made = driver.create()
    seen: list[tuple[str, object]] = []
    leased = driver.lease(made.id)
    driver.store._connections.writer._tracer = lambda sql, arguments: seen.append((sql, arguments))
    queue = pb.QueueSuggestionRequest(experiment_id=made.id, assignments=assignments(), request_id="q")
    driver.do(queue)
    for report in driver.reports(leased)[1:3]:
        driver.do(report)
    driver.observe_suggestion(leased)
    driver.do(pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w"))
    driver.expire()
    driver.store._connections.writer._tracer = None
    statements = {
        sql: arguments for sql, arguments in seen if sql.split()[0] in ("SELECT", "UPDATE", "DELETE")
    }
    assert len(statements) >= 6
    db = sqlite3.connect(tmp_path / "store.db")
    for sql, arguments in statements.items():
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", arguments or ()).fetchall()]
        assert not [step for step in plan if step.startswith(("SCAN", "USE TEMP"))], (sql, plan)
    db.close()


def test_a_full_disk_refuses_writes_keeps_reads_and_heals(tmp_path, driver):
    made = driver.create()
    acknowledged = [driver.observe(made.id).id for _ in range(3)]

    def fill() -> None:
        for _ in range(50):
            seen = driver.observe(made.id, metadata={"log": "x" * 5000})
            acknowledged.append(seen.id)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = (tmp_path / "store.db-wal").stat().st_size + 30_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(ParetuneError) as caught:
            fill()
        assert caught.value.reason == "STORAGE_UNAVAILABLE"
        assert driver.get(made.id).progress.observations == len(acknowledged)
        listed = driver.pages(pb.ListObservationsRequest(experiment_id=made.id), "observations")
        assert [o.id for o in listed] == acknowledged
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    acknowledged.append(driver.observe(made.id).id)
    driver.restart()
    listed = driver.pages(pb.ListObservationsRequest(experiment_id=made.id), "observations")
    assert [o.id for o in listed] == acknowledged


def test_watchers_that_leave_are_forgotten(driver):
    made = driver.create()

    async def come_and_go() -> None:
        for _ in range(3):
            stream = driver.store.watch(pb.WatchRequest(experiment_id=made.id))
            await anext(stream)
            await stream.aclose()

    driver.run(come_and_go())
    assert not driver.store._hub._feeds


def test_trouble_with_watchers_does_not_hide_a_commit(driver, monkeypatch):
    made = driver.create()

    def broken(transactions) -> None:
        raise RuntimeError("a bug")

    driver.store._writer._committed = broken
    request = pb.ObserveRequest(observation=observation(made.id), request_id="kept")
    assert driver.do(request).observation.ordinal == 1
