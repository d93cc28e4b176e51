"""Which lane runs, and what a scenario found: docs/reliability.md explains both."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import record

LANE = os.environ.get("PARETUNE_LANE", "ci")
"""ci (inside `make test`), reliability or soak."""
SCALE = float(os.environ.get("PARETUNE_SCALE", "1"))
"""Share of the rounds of a long lane to run, for busy machines; the table says how many they were."""
STRICT = LANE != "ci" and SCALE == 1
"""Whether limits in milliseconds and in shares are held: they mean something in a whole run only."""


def rounds(ci: int, reliability: int, soak: int = 0) -> int:
    """How often, in the lane that runs."""
    if LANE == "ci":
        return ci
    return max(ci, round((soak or reliability if LANE == "soak" else reliability) * SCALE))


@dataclass
class Finding:
    """What a scenario found.

    Attributes:
        rounds: how often the invariant was put to the test.
        violations: what was wrong, in words.
        note: figures worth telling.
    """

    rounds: int = 0
    violations: list[str] = field(default_factory=list)
    note: str = ""


def judge(invariant: str, scenario: Callable[[], Finding], least: int = 1) -> Finding:
    """Run a scenario, note the finding, and fail when anything was wrong or too little was tried."""
    begin = time.monotonic()
    try:
        finding = scenario()
    except Exception as error:
        record.found(invariant, 0, 1, seconds=time.monotonic() - begin, first=[str(error)[:300]])
        raise
    record.found(
        invariant,
        finding.rounds,
        len(finding.violations),
        seconds=time.monotonic() - begin,
        note=finding.note,
        first=finding.violations[:3],
    )
    assert not finding.violations, finding.violations[:10]
    assert finding.rounds >= least, f"only {finding.rounds} rounds"
    return finding
