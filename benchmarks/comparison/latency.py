"""CPU time of one suggestion at a given number of observations, same history for every method."""

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.comparison.methods import METHODS, Array, timed
from benchmarks.comparison.problems import PROBLEMS, Problem

COUNTS = (50, 100, 480, 10_000)
REPEATS = {"paretune": 7, "tpe": 5, "nsga2": 5}
_SLOW_REPEATS = 2
MOST = 480
"""Observations up to which the slow peers are timed."""


def history(problem: Problem, count: int, seed: int = 0) -> Array:
    """Return configurations as a search leaves them: 40 % uniform, 60 % near the best of those."""
    rng = np.random.default_rng([seed, 3])
    first = problem.sample(max(1, round(0.4 * count)), rng)
    values = problem.evaluate(first) * problem.signs
    best = first[np.argsort(np.sum(values / np.std(values, axis=0), axis=1))[:10]]
    spread = np.std(problem.sample(1000, rng), axis=0)
    rows = best[rng.integers(len(best), size=count - len(first))]
    low = np.array([p.min for p in problem.parameters], dtype=float)
    high = np.array([p.max for p in problem.parameters], dtype=float)
    near = np.clip(rows + 0.3 * spread * rng.standard_normal(rows.shape), low, high)
    return np.vstack([first, near])


def measure(path: Path, methods: list[str], environment: dict[str, str]) -> None:
    """Time methods on the diatom shape and append to a file of JSON lines; done pairs are skipped."""
    problem = PROBLEMS["diatom1"]
    done = {(r["method"], r["n"]) for r in read(path)}
    for n in COUNTS:
        for method in methods:
            if (method, n) in done or (n > MOST and method not in REPEATS):
                continue
            times = once(problem, method, n, REPEATS.get(method, _SLOW_REPEATS))
            line = {"method": method, "n": n, "cpu": times, "environment": environment}
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"latency {method} n = {n}: median {1e3 * statistics.median(times):.0f} ms", flush=True)


def once(problem: Problem, method: str, n: int, repeats: int) -> list[float]:
    """Return CPU seconds of `repeats` suggestions after a first one that is not counted.

    The first one imports what a peer needs, and fits from scratch what is refined afterwards.
    """
    rng = np.random.default_rng([n, 4])
    searcher = METHODS[method](problem, 0, n + repeats + 1)

    def seen(values: Array) -> Array:
        return values * (1.0 + problem.noise * rng.standard_normal(values.shape))

    for row in history(problem, n):
        named = problem.assignments(row)
        searcher.tell(named, seen(problem.values(named)))
    times = []
    for _ in range(repeats + 1):
        assignments, spent = timed(searcher.ask)
        searcher.tell(assignments, seen(problem.values(assignments)))
        times.append(round(spent, 5))
    return times[1:]


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines measured so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
