"""Which lane runs, and what a scenario found: docs/reliability.md explains both."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LANE = os.environ.get("PARETUNE_LANE", "ci")
"""ci (inside `make test`), reliability or soak."""
SCALE = float(os.environ.get("PARETUNE_SCALE", "1"))
"""Share of the rounds of a long lane to run, for busy machines; the table says how many they were."""
TABLE = os.environ.get("PARETUNE_TABLE", "")
"""File to which findings are added as lines of JSON; none when empty. What is clean there is not repeated."""
FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


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
    known = findings(Path(TABLE)) if TABLE else []
    if any(row["invariant"] == invariant and not row["violations"] for row in known):
        return Finding(least)
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


def findings(path: Path) -> list[dict[str, Any]]:
    """The rows in a file of findings; of several about one invariant the last."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as rows:
        return list({row["invariant"]: row for row in map(json.loads, rows)}.values())


def table(rows: list[dict[str, Any]]) -> str:
    """The findings as a table of Markdown."""
    lines = ["| Invariant | Rounds | Violations | Seconds | |", "| --- | ---: | ---: | ---: | --- |"]
    for row in rows:
        cells = (row["invariant"], row["rounds"], row["violations"], round(row["seconds"]), row["note"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main(lane: str, arguments: list[str]) -> int:
    """Run what is missing of a lane, print its table and write it into the document; pytest's exit code.

    A run that was cut short goes on where it was, as long as no commit touched the code since.
    """
    code_of = ["git", "log", "-1", "--format=%h", "--", "src", "services", "tests/reliability"]
    commit = subprocess.run(code_of, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    path = ROOT / "build" / f"{lane}-{commit}.jsonl"
    path.parent.mkdir(exist_ok=True)
    environment = os.environ | {"PARETUNE_LANE": lane, "PARETUNE_TABLE": str(path)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--tb=short", str(FOLDER), *arguments]
    code = subprocess.run(command, env=environment, check=False).returncode
    busy = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}"
    text = f"{time.strftime('%Y-%m-%d')}, commit {commit}, {busy}.\n\n{table(findings(path))}"
    print(f"\n{text}")
    if lane == "reliability":
        write_into(ROOT / "docs" / "reliability.md", text)
    return code


def write_into(document: Path, text: str) -> None:
    """Replace what stands between the two marks of a document."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
