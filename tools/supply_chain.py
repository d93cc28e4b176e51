"""What we ship and what it is made of: hash-locked, without known holes and secrets, with bills of materials.

    python tools/supply_chain.py [--offline] [--sbom FOLDER] [--json FILE]

Prints a table. The exit code is 1 when something is violated, and also when advisories cannot be reached:
a check that did not take place did not pass. With `--offline` nobody asks for them, and the table says so.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SOURCES = ("src", "services", "dashboard", "tools")
DIGESTS = ("benchmarks/data/", "src/paretune/v1/", ".secrets.baseline")
"""Full of digests: compared with what generates them, and the list of what is known itself."""
BINARY = (".lock", ".png", ".gz", ".npz", ".js")
ONLY_LINES_MOVED = 3
"""Exit code of detect-secrets-hook when what is known stands at other lines now."""
LOCKS = sorted((ROOT / "docker").glob("*.lock"))


@dataclass
class Result:
    """One row: how much was looked at, what is wrong, and whether it could be looked at."""

    rounds: int
    violations: list[str]
    checked: bool = True


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an installed tool in the root of the tree."""
    program = BIN / tool
    if not program.exists():
        raise SystemExit(
            f"{tool} is not installed: pip install -e '.[security]' (make test-security does it)."
        )
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True)


def locks() -> Result:
    """Every requirement of the images is pinned, with hashes."""
    pins, wrong = 0, []
    for lock in LOCKS:
        text = re.sub(r"\\\n", " ", lock.read_text())
        for line in (line.strip() for line in text.splitlines()):
            if not line or line.startswith(("#", "--")):
                continue
            pins += 1
            if "==" not in line.split()[0] or not re.search(r"--hash=sha256:[0-9a-f]{64}", line):
                wrong.append(f"{lock.name}: {line.split()[0]}")
    return Result(pins, wrong if LOCKS else ["docker/ holds no *.lock"])


def code() -> Result:
    """Bandit finds nothing of high severity."""
    done = run("bandit", "-q", "-r", *SOURCES, "-x", "src/paretune/v1", "-f", "json")
    report = json.loads(done.stdout)
    high = [
        f"{r['filename']}:{r['line_number']} {r['issue_text']}"
        for r in report["results"]
        if r["issue_severity"] == "HIGH"
    ]
    return Result(report["metrics"]["_totals"]["loc"], high + [str(error) for error in report["errors"]])


def secrets() -> Result:
    """detect-secrets finds nothing that .secrets.baseline does not know."""
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    files = [name for name in files if name and not name.startswith(DIGESTS) and not name.endswith(BINARY)]
    with tempfile.TemporaryDirectory() as folder:
        # A copy, because lines that moved are written into it.
        baseline = Path(shutil.copy(ROOT / ".secrets.baseline", folder))
        done = run("detect-secrets-hook", "--baseline", str(baseline), *files)
    found = re.findall(r"^Location:\s+(.*)$", done.stdout, re.MULTILINE)
    if done.returncode not in (0, ONLY_LINES_MOVED) and not found:
        found = [(done.stderr or done.stdout).strip().splitlines()[-1]]
    return Result(len(files), found)


def advisories() -> Result:
    """pip-audit knows of no hole in what the images install."""
    rounds, wrong = 0, []
    for lock in LOCKS:
        done = run(
            "pip-audit",
            "--disable-pip",
            "--require-hashes",
            "-r",
            str(lock),
            "-f",
            "json",
            "--progress-spinner",
            "off",
        )
        try:
            entries = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            return Result(rounds, [(done.stderr.strip().splitlines() or ["no answer"])[-1]], checked=False)
        unknown = [entry["name"] for entry in entries if "skip_reason" in entry]
        if unknown or not entries:
            # It then ends with code 0, which must not be taken for a clean bill.
            return Result(rounds, [f"{lock.name}: no advisories for {', '.join(unknown[:5])}"], checked=False)
        rounds += len(entries)
        wrong += [
            f"{e['name']} {e['version']}: {v['id']}, fixed in {v['fix_versions']}"
            for e in entries
            for v in e["vulns"]
            if v["fix_versions"]
        ]
    return Result(rounds, wrong)


def skipped() -> Result:
    """What stands where the advisories would be."""
    return Result(0, ["SKIPPED: --offline, so nobody asked for advisories"], checked=False)


def bill(folder: Path) -> Result:
    """A CycloneDX bill of materials for each image, which names all that its lock does."""
    rounds, wrong = 0, []
    for lock in LOCKS:
        target = folder / f"{lock.stem}.cdx.json"
        done = run(
            "cyclonedx-py",
            "requirements",
            str(lock),
            "--output-reproducible",
            "--of",
            "JSON",
            "-o",
            str(target),
        )
        if done.returncode:
            wrong.append(f"{lock.name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        named = {part["name"].lower() for part in json.loads(target.read_text())["components"]}
        pinned = {name.lower() for name in re.findall(r"^([\w.-]+)==", lock.read_text(), re.MULTILINE)}
        rounds += len(pinned)
        wrong += [f"{lock.name}: {name} is missing" for name in sorted(pinned - named)]
    return Result(rounds, wrong)


def main() -> int:
    """Print the table; 1 when something is wrong or could not be looked at."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--offline", action="store_true", help="leave out what needs advisories")
    parser.add_argument("--sbom", type=Path, help="folder for the bills of materials")
    parser.add_argument("--json", type=Path, help="file for the table's rows, for programs")
    options = parser.parse_args()
    folder = options.sbom or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    checks: dict[str, Callable[[], Result]] = {
        "images: every requirement is pinned with hashes": locks,
        "bandit: nothing of high severity (lines)": code,
        "detect-secrets: nothing new (files)": secrets,
        "pip-audit: no known hole with a fix (packages)": skipped if options.offline else advisories,
        "bill of materials names every package (packages)": lambda: bill(folder),
    }
    print("| invariant | rounds | violations |\n|---|---|---|")
    failed = False
    details = []
    rows = []
    for name, check in checks.items():
        begin = time.monotonic()
        result = check()
        violations = len(result.violations) if result.checked else "not checked"
        print(f"| {name} | {result.rounds:,} | {violations} |", flush=True)
        note = result.violations[0] if result.violations else ""
        seconds = time.monotonic() - begin
        rows.append(
            {
                "invariant": name,
                "rounds": result.rounds,
                "violations": violations,
                "seconds": seconds,
                "note": note[:200],
            }
        )
        details += [f"{name}: {what}" for what in result.violations]
        failed |= bool(result.violations) and (result.checked or not options.offline)
    print("\n".join(details[:40]))
    if options.json:
        options.json.write_text(json.dumps(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
