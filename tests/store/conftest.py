"""Where the shared cases and the contract suite are found; the engine under test."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "store"), str(TESTS / "contract")]
CONTRACTS = ("experiments_contract", "leases_contract", "observations_contract", "watch_contract")
pytest.register_assert_rewrite("store_contract", *CONTRACTS, "store_cases")
