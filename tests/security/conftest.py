"""The suite that all tests of the doors call: three services in one process, over real channels."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import doors  # noqa: E402


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
    """Adds (invariant, rounds, violations) to the table that is printed at the end."""
    return TABLE.add


class Table:
    """What was shown, for how many rounds, and how often it was not so."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}

    def add(self, invariant: str, rounds: int, violations: int) -> None:
        row = self._rows.setdefault(invariant, [0, 0])
        row[0] += rounds
        row[1] += violations

    def lines(self) -> list[str]:
        lines = [f"| {name} | {rounds:,} | {wrong} |" for name, (rounds, wrong) in self._rows.items()]
        return ["| invariant | rounds | violations |", "|---|---|---|", *lines] if lines else []


TABLE = Table()


def pytest_terminal_summary(terminalreporter):
    for line in TABLE.lines():
        terminalreporter.write_line(line)
