"""Model-based search against random search with ten times its trainings, on surrogates.

    python -m benchmarks.recording.versus_random            # 10 seeds, 48 and 480 trainings, both use cases
    python -m benchmarks.recording.versus_random --report   # only the tables and pictures

From the root of the repository. Each finished search is a line of `--log`, and the same command goes on where
it was stopped; lines made with other recorded trainings are left out. Both methods are judged by the same
oracle, the surrogate of the recorded trainings, and see measurements with the same scatter:
docs/decisions/0013.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.comparison.problems import Problem
from benchmarks.recording.record import ROOT
from benchmarks.recording.searches import Log, Run, random_search, search
from benchmarks.recording.surrogate import CASES, efficient_rows, problem, surrogate
from benchmarks.recording.table import DATA, Array
from benchmarks.recording.versus_random_plot import draw

BUDGETS = (48, 480)
RATIO = 10
LOG = DATA / "versus_random.jsonl"


@dataclass(frozen=True)
class Outcome:
    """What one seed shows; see `figures`.

    Attributes:
        share: of the merged frontier that is model-based.
        volume: hypervolume of the model-based front over that of random search.
        true_share, true_volume: the same of the values without scatter.
        feasible, random_feasible: share of trainings that did not fail.
        points: of the merged frontier.
    """

    share: float
    volume: float
    true_share: float
    true_volume: float
    feasible: float
    random_feasible: float
    points: int


def outcome(run: Run) -> Outcome:
    """Compare a run with random search of ten times its trainings."""
    oracle, space = surrogate(run.case), problem(run.case)
    rows, theirs = random_search(run.case, run.seed, RATIO * run.budget)
    ours = np.array([values or [np.nan] * 2 for values in run.measured])
    true_ours, true_theirs = oracle.expected(np.array(run.X)), oracle.expected(rows)
    # What was measured as failed was not found, whatever the truth.
    true_ours[np.isnan(ours[:, 0])] = np.nan
    true_theirs[np.isnan(theirs[:, 0])] = np.nan
    share, points = merged_share(space, ours, theirs)
    true_share, _ = merged_share(space, true_ours, true_theirs)
    return Outcome(
        share,
        space.hypervolume(ours) / space.hypervolume(theirs),
        true_share,
        space.hypervolume(true_ours) / space.hypervolume(true_theirs),
        float(np.isfinite(ours[:, 0]).mean()),
        float(np.isfinite(theirs[:, 0]).mean()),
        points,
    )


def merged_share(space: Problem, ours: Array, theirs: Array) -> tuple[float, int]:
    """Share of the merged frontier that only the first set of values has, and the frontier's points.

    Points are distinct vectors, as in `paretune.study`: what both have counts for neither.
    """
    both = np.vstack([ours, theirs]) * space.signs
    efficient = efficient_rows(both)
    mine = {tuple(both[row]) for row in efficient if row < len(ours)}
    other = {tuple(both[row]) for row in efficient if row >= len(ours)}
    points = len(mine | other)
    return (len(mine - other) / points if points else 0.0), points


def outcomes(runs: Iterable[Run]) -> dict[tuple[str, int], list[Outcome]]:
    """Outcomes by use case and budget, in the order of seeds."""
    found: dict[tuple[str, int], list[Outcome]] = {}
    for run in sorted(runs, key=lambda run: (list(CASES).index(run.case), run.budget, run.seed)):
        found.setdefault((run.case, run.budget), []).append(outcome(run))
    return found


def table_of(found: Mapping[tuple[str, int], list[Outcome]]) -> list[str]:
    """The outcomes as a table in Markdown: mean, and least and most of all seeds."""
    lines = [
        "| use case | trainings | seeds | share of merged frontier | hypervolume ratio | feasible "
        "| share, no scatter | ratio, no scatter |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (case, budget), several in found.items():
        shares, true_shares = (
            _spread([100 * getattr(one, field) for one in several], "{:.1f}", " %")
            for field in ("share", "true_share")
        )
        ratios, true_ratios = (
            _spread([getattr(one, field) for one in several], "{:.3f}") for field in ("volume", "true_volume")
        )
        feasible = " : ".join(
            f"{100 * np.mean([getattr(one, field) for one in several]):.0f} %"
            for field in ("feasible", "random_feasible")
        )
        trainings = f"{budget} : {RATIO * budget:,}"
        cells = [case, trainings, str(len(several)), shares, ratios, feasible, true_shares, true_ratios]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _spread(values: list[float], form: str, unit: str = "") -> str:
    mean, low, high = (form.format(value) for value in (np.mean(values), min(values), max(values)))
    return f"{mean}{unit} ({low} to {high})"


def main() -> None:
    """Run what is missing, then print the table and draw the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recording.versus_random",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no search after so many")
    parser.add_argument("--report", action="store_true", help="only the tables and pictures")
    options = parser.parse_args()
    log, end = Log(options.log), time.monotonic() + 60 * options.minutes
    cases, budgets = options.cases.split(","), [int(word) for word in options.budgets.split(",")]
    # Seeds outermost: wherever it is stopped, the use cases have equally many.
    for seed in range(options.first_seed, options.first_seed + (0 if options.report else options.seeds)):
        for case in cases:
            for budget in budgets:
                if time.monotonic() < end and not log.has(case, seed, budget):
                    log.append(search(case, seed, budget))
    runs = [run for run in log.runs if run.case in cases and run.budget in budgets]
    print("\n".join(table_of(outcomes(runs))))
    for case in cases:
        draw([run for run in runs if run.case == case], RATIO, options.images / f"versus_random_{case}.png")


if __name__ == "__main__":
    main()
