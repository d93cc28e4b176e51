"""A model-based search whose trainings are real, beside ten times as many recorded random trainings.

    python -m benchmarks.recording.real --cases diatoms --budget 200 --data DIR

No surrogate is in it: what the engine suggests is trained as the recorded configurations were, in a process
of its own with one thread, timed in CPU time, with seeds that no recorded training has. Each training is a
line of `--out`; the same command goes on where it was stopped. `versus_random --report` puts the comparison
on the page.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.comparison.methods import METHODS
from benchmarks.recording.outcomes import RATIO, merged_share
from benchmarks.recording.record import ROOT, RecordedTrial, train
from benchmarks.recording.surrogate import CASES, problem
from benchmarks.recording.table import DATA, Array, load

from paretune.study.figures import commit_of
from paretune_trainer.workload import Value, builtin_workloads

REAL = DATA / "real.jsonl"
BUDGETS = (48, 100, 200)
"""Trainings after which a search is compared, as far as it got and as random trainings are recorded."""

Row = dict[str, Any]


def search(case: str, seed: int, budget: int, path: Path, data: str = "") -> None:
    """Train what a search suggests, from where the file ends.

    Raises:
        ValueError: the trainings in the file were suggested by an engine that suggests others today.
    """
    space, settings = problem(case), dict(load(f"{case}_quick").making["settings"])
    settings |= {"data": data} if data else {}
    # Told the same budget wherever it is stopped: the first trainings depend on it.
    searcher, done = METHODS["paretune"](space, seed, max(BUDGETS)), rows_of(case, seed, path)
    commit = commit_of(ROOT / "src" / "paretune") or "unknown"
    for number in range(budget):
        parameters = searcher.ask()
        if number < len(done):
            row = done[number]
            if row["parameters"] != parameters:
                raise ValueError(
                    f"{path}: training {number} was suggested by another engine; use another --out"
                )
        else:
            # Seeds of their own, so that no training repeats the luck of a recorded one.
            trained = alone(CASES[case].workload, parameters, settings, 10_000 * (1 + seed) + number)
            kept = {key: trained[key] for key in ("parameters", "outcome", "reason", "metrics", "seconds")}
            row = {"case": case, "seed": seed, "commit": commit, **kept}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        values = values_of(case, [row])[0]
        searcher.tell(parameters, None if np.isnan(values).any() else values)


def alone(workload: str, parameters: dict[str, Value], settings: dict[str, str], seed: int) -> Row:
    """Train one configuration in a process of its own, forked after the framework was imported."""
    importlib.import_module("torch")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_train, (workload, parameters, settings, seed))


def _train(workload: str, parameters: dict[str, Value], settings: dict[str, str], seed: int) -> Row:
    return train(builtin_workloads()[workload], parameters, RecordedTrial(settings, seed))


def rows_of(case: str, seed: int, path: Path = REAL) -> list[Row]:
    """The trainings of a search, in their order."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in rows if (row["case"], row["seed"]) == (case, seed)]


def values_of(case: str, rows: list[Row]) -> Array:
    """Metric values (n x 2) of trainings; NaN where one failed."""
    return np.array(
        [
            [
                np.atleast_1d(row["metrics"][name])[0] if row["metrics"] else np.nan
                for name in CASES[case].metrics
            ]
            for row in rows
        ]
    ).reshape(-1, 2)


def table(path: Path = REAL) -> list[str]:
    """Every search in the file beside disjoint groups of recorded random trainings, in Markdown.

    Groups are of consecutive trainings; figures are means over them. Empty when there is no search.
    """
    lines = []
    for case, seed in _searches(path):
        recorded = load(f"{case}_quick")
        theirs = np.column_stack([recorded.values[name] for name in CASES[case].metrics])
        theirs[~recorded.ok] = np.nan
        ours = values_of(case, rows_of(case, seed, path))
        for budget in BUDGETS:
            groups = len(theirs) // (RATIO * budget)
            if budget <= len(ours) and groups:
                many = np.split(theirs[: groups * RATIO * budget], groups)
                cells = [
                    case,
                    seed,
                    f"{budget} : {RATIO * budget:,}",
                    groups,
                    *_compared(case, ours[:budget], many),
                ]
                lines.append(f"| {' | '.join(map(str, cells))} |")
    head = [
        "| use case | seed | trainings | groups | share of merged frontier | its points | hypervolume ratio "
        "| feasible |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return head + lines if lines else []


def _searches(path: Path) -> list[tuple[str, int]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted({(row["case"], row["seed"]) for row in map(json.loads, lines)})


def _compared(case: str, ours: Array, groups: list[Array]) -> list[str]:
    space = problem(case)
    shares = [merged_share(space, ours, group) for group in groups]
    share, points = np.mean(shares, axis=0)
    ratio = np.mean([space.hypervolume(ours) / space.hypervolume(group) for group in groups])
    feasible = [100 * np.isfinite(values[:, 0]).mean() for values in (ours, np.concatenate(groups))]
    return [
        f"{100 * share:.0f} %",
        f"{points:.0f}",
        f"{ratio:.3f}",
        f"{feasible[0]:.0f} % : {feasible[1]:.0f} %",
    ]


def main() -> None:
    """Train what is missing, and print what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recording.real",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=int, default=100, help="trainings of each search")
    parser.add_argument("--data", default="", help="folder with the data sets; else $PARETUNE_DATA")
    parser.add_argument("--out", type=Path, default=REAL)
    options = parser.parse_args()
    for seed in range(options.seeds):
        for case in options.cases.split(","):
            search(case, seed, options.budget, options.out, options.data)
    print("\n".join(table(options.out)))


if __name__ == "__main__":
    main()
