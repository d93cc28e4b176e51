"""Best-known hypervolumes, by which those of the searches are divided.

    python -m benchmarks.comparison.best_known      # a minute; writes best_known.json

Exact where the front has a formula or the space is finite; else a long evolutionary search on the true
functions, from several seeds: a lower bound of the truth.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import moocore
import numpy as np
from benchmarks.comparison.problems import PROBLEMS, Array, Problem
from benchmarks.comparison.runs import Run

from paretune.parameters import Int

PATH = Path(__file__).with_name("best_known.json")


def formulas() -> dict[str, float]:
    """Return volumes of fronts with a formula: the box of the reference, less what is below the front."""
    return {
        "zdt1": 1.1**2 - 1.0 / 3.0,
        "dtlz2": 1.1**2 - math.pi / 4.0,
        "dtlz2m3": 1.1**3 - math.pi / 6.0,
        "wfg4": 3.0 * 5.0 - math.pi / 4.0 * 2.0 * 4.0,
    }


def re21_front(count: int = 200_000) -> Array:
    """Return configurations of RE21's front.

    Both metrics want x3 small. With it fixed volume is linear and displacement convex, so by the conditions
    of Karush, Kuhn and Tucker each other side is the clipped square root of (multiplier x its coefficient in
    the displacement / its coefficient in the volume).
    """
    step = np.geomspace(0.5, 4.0, count)
    root = math.sqrt(2.0)
    return np.column_stack(
        [
            np.clip(step, 1.0, 3.0),
            np.clip(root * step, root, 3.0),
            np.full(count, root),
            np.clip(root * step, 1.0, 3.0),
        ]
    )


def re36_values() -> Array:
    """Return the metrics of every configuration of RE36, but those that only swap two gears of a pair."""
    low, high = np.triu_indices(49)
    pairs = np.column_stack([low, high]) + 12.0
    blocks = []
    for pair in pairs:
        X = np.column_stack([np.broadcast_to(pair, pairs.shape), pairs])
        values = PROBLEMS["re36"].evaluate(X)
        blocks.append(values[moocore.is_nondominated(values)])
    return np.vstack(blocks)


def evolve(problem: Problem, seed: int, generations: int = 1500, children: int = 1000) -> Array:
    """Return true values of an archive grown by mutation and crossover of its members (user's units)."""
    rng = np.random.default_rng([seed, 5])
    low = np.array([p.min for p in problem.parameters], dtype=float)
    high = np.array([p.max for p in problem.parameters], dtype=float)
    whole = np.array([isinstance(p, Int) for p in problem.parameters])
    archive = problem.sample(20 * children, rng)
    values = problem.evaluate(archive)
    archive, values = _front(problem, archive, values)
    for _ in range(generations):
        mother, father = rng.integers(len(archive), size=(2, children))
        cross = rng.random((children, len(low))) < 0.2
        young = np.where(cross, archive[father], archive[mother])
        scale = (high - low) * 10.0 ** rng.uniform(-5.0, -0.5, (children, 1))
        moved = rng.random(young.shape) < rng.choice([0.15, 0.5], size=(children, 1))
        young = young + moved * scale * rng.standard_normal(young.shape)
        step = whole * (rng.random(young.shape) < 0.15) * rng.integers(-2, 3, young.shape)
        young = np.clip(np.where(whole, np.round(young + step), young), low, high)
        archive, values = _front(
            problem, np.vstack([archive, young]), np.vstack([values, problem.evaluate(young)])
        )
    return values


def _front(problem: Problem, rows: Array, values: Array, most: int = 3000) -> tuple[Array, Array]:
    ok = np.all(np.isfinite(values), axis=1)
    rows, values = rows[ok], values[ok]
    kept = np.flatnonzero(moocore.is_nondominated(values * problem.signs))
    if len(kept) > most:  # thin evenly along the first metric; the ends stay
        order = kept[np.argsort(values[kept, 0])]
        kept = order[np.unique(np.linspace(0, len(order) - 1, most).round().astype(int))]
    return rows[kept], values[kept]


def compute() -> dict[str, dict[str, float | str]]:
    """Return hypervolume and origin by problem."""
    found: dict[str, dict[str, float | str]] = {
        name: {"hypervolume": volume, "origin": "formula of the front"} for name, volume in formulas().items()
    }
    truss = PROBLEMS["re21"]
    found["re21"] = {
        "hypervolume": truss.hypervolume(truss.evaluate(re21_front())),
        "origin": "optimality conditions, 200,000 points of the front",
    }
    found["re36"] = {
        "hypervolume": PROBLEMS["re36"].hypervolume(re36_values()),
        "origin": "all configurations",
    }
    for name in ("diatom1", "tomatoes"):
        problem = PROBLEMS[name]
        runs = [problem.hypervolume(evolve(problem, seed)) for seed in range(3)]
        spread = (max(runs) - min(runs)) / max(runs)
        origin = f"best of 3 evolutionary searches of 1.5 million evaluations, which differ by {spread:.1e}"
        found[name] = {"hypervolume": max(runs), "origin": origin}
    found["diatom3"] = dict(found["diatom1"])
    return found


def load(runs: Iterable[Run] = ()) -> dict[str, float]:
    """Return the best-known hypervolumes by problem; of one that is not listed, the best of the runs."""
    listed = {name: float(entry["hypervolume"]) for name, entry in json.loads(PATH.read_text()).items()}
    best = dict(listed)
    for run in runs:
        if run.problem not in listed:
            best[run.problem] = max(best.get(run.problem, 0.0), *run.hypervolume)
    return best


if __name__ == "__main__":
    PATH.write_text(json.dumps(compute(), indent=2) + "\n")
    print(PATH.read_text())
