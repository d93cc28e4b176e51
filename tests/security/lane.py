"""How much of each test runs: a subset in `make test`, all of it in `make test-security`."""

import os

FULL = os.environ.get("PARETUNE_LANE") == "full"
SEED = os.environ.get("PARETUNE_SEED", "1")
"""Another one gives other random cases; the seed of a failure is part of its report."""


def rounds(subset: int, full: int) -> int:
    return full if FULL else subset
