"""Single figures that are promised: the merged front, fronts of 10,000 observations, suggestions made ahead.

Each is a line of JSON, by what and seed; what was done is not done again.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import moocore
import numpy as np
from benchmarks.comparison.methods import METHODS, timed
from benchmarks.comparison.problems import PROBLEMS, Array

import paretune as pt
from paretune_optimizer.hypervolume import hypervolume
from paretune_optimizer.pareto import non_dominated

MODEL_BASED, AT_RANDOM = 480, 4800


def merged_front(seed: int) -> dict[str, Any]:
    """Say whose the merged front of 480 model-based and 4,800 random trainings is, on the diatom shape.

    `measured`: of the noisy values, as anybody would look at them; `true`: of the values without noise.
    """
    problem = PROBLEMS["diatom1"]
    searcher, noise = METHODS["paretune"](problem, seed, MODEL_BASED), np.random.default_rng([seed, 2])
    true, seen, cpu = [], [], 0.0
    for _ in range(MODEL_BASED):
        assignments, spent = timed(searcher.ask)
        true.append(problem.values(assignments))
        seen.append(true[-1] * (1.0 + problem.noise * noise.standard_normal(2)))
        searcher.tell(assignments, seen[-1])
        cpu += spent
    rows = problem.evaluate(problem.sample(AT_RANDOM, np.random.default_rng([seed, 1])))
    noisy = rows * (1.0 + problem.noise * noise.standard_normal(rows.shape))
    return {
        "true": _share(np.array(true), rows, problem.signs),
        "measured": _share(np.array(seen), noisy, problem.signs),
        "volume_ratio": problem.hypervolume(np.array(true)) / problem.hypervolume(rows),
        "cpu": round(cpu, 1),
    }


def _share(ours: Array, theirs: Array, signs: Array) -> float:
    efficient = moocore.is_nondominated(np.vstack([ours, theirs]) * signs)
    return round(float(efficient[: len(ours)].sum() / efficient.sum()), 4)


def long_front(_seed: int) -> dict[str, Any]:
    """Time the front and the hypervolume of 10,000 observations of three metrics, milliseconds of CPU."""
    rng = np.random.default_rng(0)
    away = np.abs(rng.standard_normal((10_000, 3)))
    Y = 1.0 - away / np.linalg.norm(away, axis=1, keepdims=True) * rng.uniform(0.8, 1.0, (10_000, 1))
    times = []
    for _ in range(7):
        start = time.process_time()
        efficient = non_dominated(Y)
        hypervolume(Y[efficient], np.full(3, 1.1))
        times.append(1e3 * (time.process_time() - start))
    return {"milliseconds": round(statistics.median(times), 2), "efficient": int(efficient.sum())}


def made_ahead(_seed: int, training: float = 0.6, count: int = 70) -> dict[str, Any]:
    """Time Suggest through gRPC, milliseconds by the clock, when suggestions are made while one trains."""
    problem, waits = PROBLEMS["diatom1"], []
    with (
        tempfile.TemporaryDirectory() as folder,
        pt.local(Path(folder) / "tune.db") as client,
    ):
        experiment = client.create_experiment(
            name="ahead",
            parameters=problem.parameters,
            metrics=[pt.Maximize("accuracy"), pt.Minimize("seconds")],
            observation_budget=count,
        )
        for _ in range(count):
            start = time.perf_counter()
            suggestion = experiment.suggest()
            waits.append(1e3 * (time.perf_counter() - start))
            time.sleep(training)
            accuracy, seconds = problem.values(suggestion.assignments)
            experiment.observe(suggestion, {"accuracy": accuracy, "seconds": seconds})
    late = np.array(waits[count // 3 :])  # those that a model makes
    return {"p50": round(float(np.median(late)), 2), "p99": round(float(np.quantile(late, 0.99)), 2)}


CLAIMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "merged front": merged_front,
    "front of 10,000": long_front,
    "made ahead": made_ahead,
}


def measure(path: Path, wanted: Iterable[tuple[str, int]], environment: dict[str, str]) -> None:
    """Measure claims by name and seed that were not measured yet, and append them to a file."""
    done = {(line["claim"], line["seed"]) for line in read(path)}
    for claim, seed in wanted:
        if (claim, seed) in done:
            continue
        line = {"claim": claim, "seed": seed, **CLAIMS[claim](seed), "environment": environment}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        told = {key: value for key, value in line.items() if key != "environment"}
        print(" ".join(f"{key} {value}" for key, value in told.items()), flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines measured so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
