"""One search from start to end, and the file that remembers which were done.

A run is one line of JSON. Lines are appended as runs end, so a stopped benchmark goes on where it was; a line
cut short by a crash is ignored and its run done again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmarks.comparison.methods import METHODS, timed
from benchmarks.comparison.problems import Problem

LONG = (100, 200, 500, 1000, 2000, 4800)


@dataclass(frozen=True)
class Run:
    """What a search achieved.

    Attributes:
        budget: evaluations done.
        at: numbers of evaluations at which the hypervolume was taken.
        hypervolume: noise-free hypervolume after so many evaluations.
        feasible: evaluations that did not fail.
        cpu: CPU seconds of each suggestion, telling included.
        environment: date, revision, versions and threads.
    """

    problem: str
    method: str
    seed: int
    budget: int
    at: list[int]
    hypervolume: list[float]
    feasible: int
    cpu: list[float]
    environment: dict[str, str]


def search(problem: Problem, method: str, seed: int, budget: int, environment: dict[str, str]) -> Run:
    """Search once. The n-th evaluation has the same relative noise whatever the method."""
    searcher = METHODS[method](problem, seed, budget)
    noise = np.random.default_rng([seed, 2])
    truth = np.full((budget, len(problem.reference)), np.nan)
    cpu = []
    for n in range(budget):
        assignments, spent = timed(searcher.ask)
        truth[n] = problem.values(assignments)
        seen = truth[n] * (1.0 + problem.noise * noise.standard_normal(truth.shape[1]))
        searcher.tell(assignments, seen if np.all(np.isfinite(seen)) else None)
        cpu.append(round(spent, 3))
    return _run(problem, method, seed, truth, cpu, environment)


def draw(problem: Problem, seed: int, budget: int, environment: dict[str, str]) -> Run:
    """Search at random, all at once: for thousands of evaluations."""
    rows = problem.sample(budget, np.random.default_rng([seed, 1]))
    return _run(problem, "random", seed, problem.evaluate(rows), [], environment)


def _run(
    problem: Problem, method: str, seed: int, truth: np.ndarray, cpu: list[float], environment: dict[str, str]
) -> Run:
    budget = len(truth)
    at = [n for n in (*range(1, 101), *LONG[1:]) if n <= budget]
    return Run(
        problem=problem.name,
        method=method,
        seed=seed,
        budget=budget,
        at=at,
        hypervolume=[float(f"{problem.hypervolume(truth[:n]):.5g}") for n in at],
        feasible=int(np.sum(np.isfinite(truth[:, 0]))),
        cpu=cpu,
        environment=environment,
    )


class Log:
    """The file of runs."""

    def __init__(self, path: Path) -> None:
        """Read what is there."""
        self._path = path
        self.runs: list[Run] = []
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    self.runs.append(Run(**json.loads(line)))
                except (json.JSONDecodeError, TypeError):
                    print(f"{path}: a line that is no run is ignored")

    def has(self, problem: str, method: str, seed: int, budget: int) -> bool:
        """Tell whether such a run, or a longer one, was done."""
        return any(
            (r.problem, r.method, r.seed) == (problem, method, seed) and r.budget >= budget for r in self.runs
        )

    def append(self, run: Run) -> None:
        """Add a run. Behind a line that a crash cut short a new one is begun."""
        torn = self._path.exists() and self._path.read_bytes()[-1:] not in (b"", b"\n")
        with self._path.open("a") as file:
            file.write("\n" * torn + json.dumps(asdict(run)) + "\n")
        self.runs.append(run)
