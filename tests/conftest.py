"""For every test: an interrupt interrupts.

A shell that starts a job in the background lets it ignore SIGINT, and so does every process below it: tests
of Ctrl-C would then wait for nothing. And assertions in shared modules explain themselves, whichever folder's
tests import them first.
"""

import os
import signal
from pathlib import Path

import pytest

from paretune_trainer.workloads.data import ADIAC, REVIEWS

signal.signal(signal.SIGINT, signal.default_int_handler)

CONTRACTS = ("experiments_contract", "leases_contract", "observations_contract", "watch_contract")
pytest.register_assert_rewrite("store_contract", *CONTRACTS, "store_cases")

NO_DATA = "let PARETUNE_DATA name a folder that has them"


def pytest_terminal_summary(terminalreporter) -> None:
    """Say loudly that tests on real data did not run."""
    if skipped := [r for r in terminalreporter.stats.get("skipped", []) if NO_DATA in str(r.longrepr)]:
        text = f"WARNING: {len(skipped)} tests on real data did not run; {NO_DATA}."
        terminalreporter.write_line(text, yellow=True, bold=True)


@pytest.fixture(scope="session")
def data_sets(pytestconfig) -> Path:
    """The folder of the public data sets: PARETUNE_DATA, or shared/data beside the repository.

    Where neither is there the test is skipped, and pytest says so in its summary. A folder that is there, or
    was named, and lacks a file is a mistake that must not pass as a skip.
    """
    named, beside = os.environ.get("PARETUNE_DATA"), pytestconfig.rootpath.parent / "shared" / "data"
    folder = Path(named) if named else beside
    missing = [
        file.name for data in (ADIAC, REVIEWS) for file in data.files if not (folder / file.name).is_file()
    ]
    if not missing:
        return folder
    text = f"{folder} lacks {', '.join(missing)}: {NO_DATA}"
    if named or (beside.is_dir() and os.environ.get("PARETUNE_REQUIRE_ALL", "") not in ("", "0")):
        pytest.fail(text)
    pytest.skip(text)
