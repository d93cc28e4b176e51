"""What the long lanes found: lines of JSON while they run, a table in a document afterwards.

A line is about one test: that it began, that it passed, or what it found about an invariant. Of a test that
began several times the last time counts. Why so: docs/decisions/0047-lanes.md.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PATH = os.environ.get("PARETUNE_TABLE", "")
"""File of the lane that runs; empty: nothing is written down."""
HEAD = ["| Invariant | Rounds | Violations | Seconds | Run | |", "| --- | ---: | ---: | ---: | --- | --- |"]

Row = dict[str, Any]
"""invariant, rounds, violations (a number, or why it was not checked), seconds, run, note."""


def write(**line: Any) -> None:
    """Add a line about the test that runs."""
    if PATH:
        test = line.pop("test", "") or os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
        with Path(PATH).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"test": test} | line) + "\n")


def found(
    invariant: str, rounds: int, violations: int | str, *, seconds: float = 0.0, note: str = "", **more: Any
) -> None:
    """Write down a finding of the test that runs."""
    run = (
        f"{time.strftime('%Y-%m-%d')} {os.environ.get('PARETUNE_COMMIT', '')}, load {os.getloadavg()[0]:.0f}"
    )
    write(
        invariant=invariant,
        rounds=rounds,
        violations=violations,
        seconds=seconds,
        run=run,
        note=note.replace("|", "/").replace("\n", " "),
        **more,
    )


def passed(path: Path) -> set[str]:
    """Tests that passed when they ran last."""
    done: set[str] = set()
    for line in _lines(path):
        if "begin" in line:
            done.discard(line["test"])
        elif "passed" in line:
            done.add(line["test"])
    return done


def rows(path: Path) -> list[Row]:
    """One row for each invariant, summed over the tests that say something about it."""
    tests: dict[str, list[Row]] = {}
    for line in _lines(path):
        if "begin" in line:
            tests[line["test"]] = []
        elif "invariant" in line:
            tests.setdefault(line["test"], []).append(line)
    summed: dict[str, Row] = {}
    for line in (line for lines in tests.values() for line in lines):
        row = summed.get(line["invariant"])
        if row is None:
            summed[line["invariant"]] = dict(line)
        else:
            row |= {key: row[key] + line[key] for key in ("rounds", "violations", "seconds")}
            row |= {key: line[key] or row[key] for key in ("run", "note")}
    return list(summed.values())


def _lines(path: Path) -> Iterable[Row]:
    """Whole lines; the last one may have been cut short."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def table(found: Iterable[Row]) -> str:
    """Findings as a table of Markdown."""
    return "\n".join([*HEAD, *map(_text, found)])


def _text(row: Row) -> str:
    seconds = round(row["seconds"]) if row["seconds"] else ""
    cells = (row["invariant"], row["rounds"], row["violations"], seconds, row["run"], row["note"])
    return f"| {' | '.join(map(str, cells))} |"


def write_into(document: Path, mark: str, found: list[Row], *, whole: bool) -> None:
    """Replace the rows of a document's table that were run, between the comments ``MARK: begin`` and ``end``.

    Args:
        document: a page in Markdown.
        mark: which of its tables.
        found: the rows that were run.
        whole: everything was run; rows that were not are gone from the lane, and from the table.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, _, rest = document.read_text(encoding="utf-8").partition(begin)
    old, found_end, after = rest.partition(end)
    if not found_end:
        raise SystemExit(f"{document} lacks {begin} or {end}")
    known = [line for line in old.splitlines() if line.startswith("| ") and line not in HEAD]
    texts = {} if whole else {line.split(" | ")[0].removeprefix("| "): line for line in known}
    texts |= {row["invariant"]: _text(row) for row in found}
    new = "\n".join([*HEAD, *texts.values()])
    document.write_text(f"{before}{begin}\n\n{new}\n\n{end}{after}", encoding="utf-8")
