"""Which lane runs, and what a scenario found: docs/reliability.md explains both."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LANE = os.environ.get("PARETUNE_LANE", "ci")
"""ci (inside `make test`), reliability or soak."""
SCALE = float(os.environ.get("PARETUNE_SCALE", "1"))
"""Share of the rounds of a long lane to run, for busy machines; the table says how many they were."""
TABLE = os.environ.get("PARETUNE_TABLE", "")
"""File to which every finding is added as a line of JSON; none when empty."""


FOLDER = Path(__file__).parent


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
    finding = scenario()
    if TABLE:
        row = {
            "invariant": invariant,
            "rounds": finding.rounds,
            "violations": len(finding.violations),
            "seconds": round(time.monotonic() - begin, 1),
            "note": finding.note,
            "first": finding.violations[:3],
        }
        with Path(TABLE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    assert not finding.violations, finding.violations[:10]
    assert finding.rounds >= least, f"only {finding.rounds} rounds"
    return finding


def table(path: Path) -> str:
    """The findings as a table of Markdown."""
    lines = ["| Invariant | Rounds | Violations | Seconds | |", "| --- | ---: | ---: | ---: | --- |"]
    with path.open(encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            cells = (row["invariant"], row["rounds"], row["violations"], round(row["seconds"]), row["note"])
            lines += [f"| {' | '.join(map(str, cells))} |"]
    return "\n".join(lines)


def main(lane: str, arguments: list[str]) -> int:
    """Run a whole lane and print its table; the exit code of the tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.jsonl"
        path.touch()
        environment = os.environ | {"PARETUNE_LANE": lane, "PARETUNE_TABLE": str(path)}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:xdist",
            "--tb=short",
            str(FOLDER),
            *arguments,
        ]
        code = subprocess.run(command, env=environment, check=False).returncode
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        ).stdout.strip()
        load = os.getloadavg()[0]
        print(f"\n{time.strftime('%Y-%m-%d')}, commit {commit}, {os.cpu_count()} cores, load {load:.0f}\n")
        print(table(path))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
