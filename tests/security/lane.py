"""How much of each test runs: a subset in `make test`, all of it in `make test-security`."""

import os

FULL = os.environ.get("PARETUNE_LANE") == "security"
SEED = os.environ.get("PARETUNE_SEED", "1")
"""Another one gives other random cases; the seed of a failure is part of its report."""


SCALE = float(os.environ.get("PARETUNE_SCALE", "1"))
"""Share of the rounds of the full lane to run, for busy machines; the table says how many they were."""


def rounds(subset: int, full: int) -> int:
    return max(subset, round(full * SCALE)) if FULL else subset
