"""Searches on the surrogates of recorded trainings, and the file that remembers which were done."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.comparison.methods import METHODS
from benchmarks.recording.record import ROOT
from benchmarks.recording.surrogate import CASES, problem, surrogate
from benchmarks.recording.table import DATA, Array

from paretune.study.figures import commit_of

LOG = DATA / "versus_random.jsonl"


@dataclass(frozen=True)
class Run:
    """One model-based search.

    Attributes:
        case: name of the use case.
        budget: trainings.
        table: digest of the recorded trainings and of the surrogate's code.
        X: configurations (budget x d), in their order.
        measured: what the search was told (budget x 2), six digits; None where the training failed.
        cpu: CPU seconds of all suggestions.
        made: commit, date, Python.
    """

    case: str
    seed: int
    budget: int
    table: str
    X: list[list[float]]
    measured: list[list[float] | None]
    cpu: float
    made: dict[str, str]


def digest(name: str) -> str:
    """What a run depends on besides the engine: recorded trainings and surrogate."""
    files = [DATA / f"{name}_quick.csv.gz", DATA / f"{name}_quick_repeats.csv.gz"]
    files.append(Path(__file__).with_name("surrogate.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def search(name: str, seed: int, budget: int) -> Run:
    """Search with this project's engine, one training at a time."""
    space, oracle = problem(name), surrogate(name)
    searcher, noise = METHODS["paretune"](space, seed, budget), np.random.default_rng([seed, 2])
    rows: list[list[float]] = []
    measured: list[list[float] | None] = []
    begun = time.process_time()
    asked = 0.0
    for _ in range(budget):
        start = time.process_time()
        assignments = searcher.ask()
        asked += time.process_time() - start
        # As they are written down, so that the file gives the same values again.
        rows.append([float(f"{float(assignments[p.name]):.6g}") for p in space.parameters])
        values = oracle.measured(np.array([rows[-1]]), noise.standard_normal((1, 2)))[0]
        failed = not np.all(np.isfinite(values))
        measured.append(None if failed else [float(f"{value:.6g}") for value in values])
        searcher.tell(assignments, None if failed else values)
    print(f"{name} seed {seed}, {budget} trainings: {time.process_time() - begun:.0f} s CPU", flush=True)
    made = {
        "commit": commit_of(ROOT / "src" / "paretune") or "unknown",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "scikit-learn": importlib.metadata.version("scikit-learn"),
    }
    return Run(name, seed, budget, digest(name), rows, measured, round(asked, 2), made)


def random_search(name: str, seed: int, count: int) -> tuple[Array, Array]:
    """Configurations (count x d) of a random search, and what it measured (count x 2)."""
    space, rng = problem(name), np.random.default_rng([seed, 1])
    rows = space.sample(count, rng)
    return rows, surrogate(name).measured(rows, rng.standard_normal((count, 2)))


class Log:
    """The file of runs; a line that a kill cut short is ignored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.runs: list[Run] = []
        self._whole = True
        current = {name: digest(name) for name in CASES}
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        for line in lines:
            self._whole = line.endswith("\n")
            try:
                run = Run(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue
            if current[run.case] == run.table:
                self.runs.append(run)
        if len(self.runs) < len(lines):
            print(f"{path}: {len(lines) - len(self.runs)} runs on other tables, or torn, are left out")

    def has(self, case: str, seed: int, budget: int) -> bool:
        """Whether such a run was done."""
        return any((run.case, run.seed, run.budget) == (case, seed, budget) for run in self.runs)

    def append(self, run: Run) -> None:
        """Add a run."""
        with self._path.open("a") as file:
            file.write("\n" * (not self._whole) + json.dumps(asdict(run)) + "\n")
        self._whole = True
        self.runs.append(run)
