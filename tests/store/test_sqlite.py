"""The SQLite engine against the contract, and what is its own."""

import pytest
from store_cases import Driver
from store_contract import StoreContract

from paretune_store.sqlite import SqliteStore


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def driver(self, tmp_path):
        driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
        yield driver
        driver.close()
