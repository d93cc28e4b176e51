"""Single figures that are promised: the merged front, fronts of 10,000 observations, answers to Suggest.

Each is a line of JSON, by what and seed; what was done is not done again.
"""

import json
import re
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import moocore
import numpy as np
from benchmarks.comparison.methods import METHODS, timed
from benchmarks.comparison.problems import PROBLEMS, Array

import paretune as pt
from paretune.local import LOOPBACK, LocalClient, Suite, free_ports
from paretune.local.service import Service
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.fronts.pareto import non_dominated

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


def questions(_seed: int) -> dict[str, Any]:
    """Time Suggest through gRPC, milliseconds by the clock, and count what was made before it was asked for.

    `later`: asked half a second after the last report, as while a worker loads data, or for a further worker.
    `at once`: asked right after it, when nothing can be ready that knows of the report. One worker that
    trains for 0.3 s; four that train for two to six seconds each, so that reports of the others come
    between.
    """
    told: dict[str, Any] = {}
    for workers, training, count in ((1, (0.3, 0.3), 72), (4, (2.0, 6.0), 56)):
        for name, pause in (("later", 0.5), ("at once", 0.0)):
            told[f"{name}, {workers} at work"] = _asked(workers, training, pause, count)
    return told


def _asked(workers: int, training: tuple[float, float], pause: float, count: int) -> dict[str, float]:
    problem, waits, numbers = PROBLEMS["diatom1"], list[float](), free_ports()[0]
    rng = np.random.default_rng(0)
    lasts = iter(rng.uniform(*training, count + workers).tolist())
    with tempfile.TemporaryDirectory() as folder, _Watched(Path(folder) / "tune.db", numbers) as client:
        experiment = client.create_experiment(
            name="asked",
            parameters=problem.parameters,
            metrics=[pt.Maximize("accuracy"), pt.Minimize("seconds")],
            observation_budget=count,
        )

        def work(_worker: int) -> None:
            for _ in range(count // workers):
                start = time.perf_counter()
                suggestion = experiment.suggest()
                with lock:
                    waits.append(1e3 * (time.perf_counter() - start))
                    design_ends = len(waits) == count // 3
                if design_ends:
                    before.update(_made(numbers))
                time.sleep(next(lasts))
                accuracy, seconds = problem.values(suggestion.assignments)
                experiment.observe(suggestion, {"accuracy": accuracy, "seconds": seconds})
                time.sleep(pause)

        before, lock = dict[str, float](), threading.Lock()
        with ThreadPoolExecutor(workers) as threads:
            list(threads.map(work, range(workers)))
        made = {name: number - before.get(name, 0.0) for name, number in _made(numbers).items()}
    late = np.array(waits[count // 3 :])  # those that a model makes
    return {
        "p50": round(float(np.median(late)), 2),
        "p99": round(float(np.quantile(late, 0.99)), 2),
        "ready": round(made.get("ahead", 0.0) / sum(made.values()), 3),
    }


def _made(port: int) -> dict[str, float]:
    """Return how many suggestions an Optimizer has made so far, by when: `paretune_suggestions_total`."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=20) as reply:
        text = reply.read().decode()
    found = re.findall(r'^paretune_suggestions_total\{made="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {name: float(number) for name, number in found}


class _Watched(LocalClient):
    """Services on this machine whose Optimizer shows its numbers at a port of loopback."""

    def __init__(self, database: Path, numbers: int) -> None:
        class Shown(Suite):
            def services(self) -> list[Service]:
                store, optimizer = super().services()
                shown = ("--metrics", f"{LOOPBACK}:{numbers}")
                return [store, replace(optimizer, arguments=(*optimizer.arguments, *shown))]

        super().__init__(Shown(database, free_ports()))


CLAIMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "merged front": merged_front,
    "front of 10,000": long_front,
    "questions": questions,
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
