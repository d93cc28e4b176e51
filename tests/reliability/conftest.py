"""Where the scenarios find their parts; the process that starts services for them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lanes"), str(HERE.parent / "store")]

from nursery import Nursery  # noqa: E402


@pytest.fixture(scope="session")
def nursery(tmp_path_factory) -> Iterator[Nursery]:
    made = Nursery(tmp_path_factory.mktemp("services"))
    yield made
    made.close()
