"""Run a long lane, print its table and write it into its document: `python tests/lanes/run.py LANE [...]`.

The rest of the command line goes to pytest, such as ``-k overload``; then only the rows of what ran are
replaced. A run that was cut short goes on where it was, as long as no commit touched the code since.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import record

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NO_TESTS = 5
"""Exit code of pytest when nothing is left to run."""


@dataclass(frozen=True)
class Lane:
    """What runs, and where its table stands.

    Attributes:
        folder: its tests.
        document: the page with its table.
        mark: which table of the page.
        after: what runs besides, after the tests.
    """

    folder: str
    document: str
    mark: str
    after: Callable[[], int] = lambda: 0


def supply_chain() -> int:
    """Check what we ship; its exit code."""
    results = ROOT / "build" / "supply_chain.json"
    command = [sys.executable, "tools/supply_chain.py", "--sbom", "build/sbom", "--json", str(results)]
    code = _run([*command, *(["--offline"] if os.environ.get("OFFLINE") else [])], {})
    for result in json.loads(results.read_text()):
        # Each is a test of its own: what was found before is forgotten.
        record.write(test=result["invariant"], begin=True)
        record.found(test=result["invariant"], **result)
    return code


LANES = {
    "reliability": Lane("tests/reliability", "docs/reliability.md", "table"),
    "soak": Lane("tests/reliability", "docs/reliability.md", "soak"),
    "security": Lane("tests/security", "docs/security.md", "table", supply_chain),
}


def _run(command: list[str], environment: dict[str, str]) -> int:
    """The exit code of a program that is interrupted when we are."""
    with subprocess.Popen(command, env=os.environ | environment, cwd=ROOT) as process:
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _commit(*folders: str) -> str:
    """The last commit that touched what is tested, or its tests."""
    command = ["git", "log", "-1", "--format=%h", "--", "src", "services", "tests/lanes", *folders]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def main(name: str, arguments: list[str]) -> int:
    """Run what is missing of a lane; the first exit code that is not 0."""
    lane, commit = LANES[name], _commit(LANES[name].folder)
    scale = os.environ.get("PARETUNE_SCALE", "1")
    path = ROOT / "build" / f"{name}-{commit}-{scale}.jsonl"
    path.parent.mkdir(exist_ok=True)
    record.PATH = str(path)
    os.environ |= {"PARETUNE_LANE": name, "PARETUNE_TABLE": str(path), "PARETUNE_COMMIT": commit}
    pytest = [sys.executable, "-m", "pytest", "-q", "--tb=short", "--show-capture=no", "-p", "again"]
    inside = {"PYTHONPATH": str(HERE)}
    # Two at once, one test at a time to each; then what measures times, with the machine to itself.
    shared = ["-n", "2", "--dist", "load", "--maxschedchunk", "1", "-m", "not alone"]
    alone = ["-p", "no:xdist", "-m", "alone"]
    steps = [
        lambda: _run([*pytest, *shared, lane.folder, *arguments], inside),
        lambda: _run([*pytest, *alone, lane.folder, *arguments], inside | {"PARETUNE_ALONE": "1"}),
        *([lane.after] if not arguments else []),
    ]
    codes = []
    for step in steps:
        codes.append(step())
        if codes[-1] not in (0, 1, NO_TESTS):
            break  # interrupted
    rows = record.rows(path)
    print(f"\nCommit {commit}, {os.cpu_count()} cores.\n\n{record.table(rows)}")
    for row in rows:
        if isinstance(row["violations"], str):
            print(f"\nNOT CHECKED: {row['invariant']}: {row['note']}")
        for violation in row.get("first", ()):
            print(f"\nVIOLATED: {row['invariant']}: {violation}")
    codes = [code for code in codes if code != NO_TESTS]
    if scale != "1":
        print(f"\nOnly {scale} of the rounds: {lane.document} was not changed.")
    else:
        whole = not arguments and all(code in (0, 1) for code in codes)
        record.write_into(ROOT / lane.document, lane.mark, rows, whole=whole)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
