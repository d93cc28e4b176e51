"""The log is taken into the file now and then, and SQLite keeps its locks."""

import subprocess
import sys

import pytest
from store_cases import Driver

from paretune_store import log as log_module
from paretune_store.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(log_module.Log.__init__, "__defaults__", (100,))
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


def test_the_log_stays_short(store, tmp_path):
    made = store.create()
    sizes = []
    for _ in range(8):
        for _ in range(20):
            store.observe(made.id)
        sizes.append((tmp_path / "store.db-wal").stat().st_size)
    assert sizes[-1] < 2 * sizes[1]
    assert (tmp_path / "store.db").stat().st_size > 100_000  # and what it held is in the file


def test_another_program_that_reads_and_leaves_takes_nothing_away(store, tmp_path):
    made = store.create()
    read = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(db.execute(sys.argv[2]).fetchone()[0])"
    )
    for count in range(1, 31):
        store.observe(made.id)
        if count % 10 == 0:
            words = [
                sys.executable,
                "-c",
                read,
                str(tmp_path / "store.db"),
                "SELECT count(*) FROM observations",
            ]
            found = subprocess.run(words, capture_output=True, text=True, check=True)
            assert found.stdout == f"{count}\n"
            assert (tmp_path / "store.db-wal").exists(), "the other one believed that it was the last"
    assert store.get(made.id).progress.observations == 30
