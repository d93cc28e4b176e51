"""The suite that all tests of the doors call: three services in one process, over real channels."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lanes")]

import doors  # noqa: E402
import record  # noqa: E402


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Store, Optimizer and Trainer that ask for tokens."""
    with doors.Doors(tmp_path_factory.mktemp("doors")) as opened:
        yield opened


@pytest.fixture(scope="module")
def open_suite(tmp_path_factory):
    """The same without tokens."""
    with doors.Doors(tmp_path_factory.mktemp("open"), closed=False) as opened:
        yield opened


@pytest.fixture
def report():
    """Writes down (invariant, rounds, violations) for the table of `make test-security`."""
    return record.found
