"""Do the networks keep what the surrogate promised? Train the fronts of model-based searches for real.

    python -m benchmarks.recording.retrain --cases diatoms --seeds 1 --data DIR

Trains the efficient configurations of searches in `--log` as the recorded ones were trained, and sets what
they really gave beside all recorded random trainings: share of the merged frontier, and hypervolume. Every
figure that this prints is of real trainings; `versus_random --report` puts it on the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.recording.outcomes import merged_share
from benchmarks.recording.record import RecordedTrial, train
from benchmarks.recording.searches import LOG, Log, Run
from benchmarks.recording.surrogate import CASES, efficient_rows, problem
from benchmarks.recording.table import DATA, Array, load

from paretune_trainer.workload import builtin_workloads

RETRAINED = DATA / "retrained.jsonl"


def front(run: Run) -> list[list[float]]:
    """The configurations that the search measured as efficient."""
    measured = np.array([values or [np.nan] * 2 for values in run.measured])
    return [run.X[row] for row in efficient_rows(measured * problem(run.case).signs)]


def retrain(run: Run, data: str, path: Path) -> None:
    """Train what of a run's front is not in the file yet; a line for each training."""
    space, workload = problem(run.case), builtin_workloads()[CASES[run.case].workload]
    settings = dict(load(f"{run.case}_quick").making["settings"]) | ({"data": data} if data else {})
    done = [row["parameters"] for row in _rows(run, path)]
    for number, row in enumerate(front(run)):
        parameters = space.assignments(np.array(row))
        if parameters not in done:
            # Seeds of their own, so that no training repeats the luck of a recorded one.
            trained = train(workload, parameters, RecordedTrial(settings, 10_000 * (1 + run.seed) + number))
            kept = {key: trained[key] for key in ("parameters", "outcome", "reason", "metrics", "seconds")}
            with path.open("a") as file:
                file.write(json.dumps(_key(run) | kept) + "\n")


def values_of(run: Run, path: Path) -> Array:
    """What the retrained front of a run really gave (n x 2); NaN where a training failed."""
    names = CASES[run.case].metrics
    rows = [
        [row["metrics"][name][0] if row["metrics"] else np.nan for name in names] for row in _rows(run, path)
    ]
    return np.array(rows).reshape(-1, 2)


def _rows(run: Run, path: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in rows if _key(run).items() <= row.items()]


def _key(run: Run) -> dict[str, Any]:
    return {"case": run.case, "seed": run.seed, "budget": run.budget, "table": run.table}


def lines(runs: Sequence[Run], path: Path = RETRAINED) -> list[str]:
    """What retrained fronts show, in Markdown; nothing when none was."""
    found = []
    for run in runs:
        ours = values_of(run, path)
        if not len(ours):
            continue
        recorded, space = load(f"{run.case}_quick"), problem(run.case)
        theirs = np.column_stack([recorded.values[name] for name in CASES[run.case].metrics])
        share, points = merged_share(space, ours, theirs)
        good = int(np.isfinite(ours[:, 0]).sum())
        volume = space.hypervolume(ours) / space.hypervolume(theirs)
        found.append(
            f"- {run.case}, seed {run.seed}: of {len(front(run))} efficient configurations of {run.budget}, "
            f"{len(ours)} were trained, {good} of them successfully. Beside all {len(theirs):,} recorded "
            f"random trainings they make up {100 * share:.0f} % of the {points} points of the merged "
            f"frontier; the ratio of hypervolumes is {volume:.3f}."
        )
    return found


def main() -> None:
    """Train what is missing, and print what came out."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recording.retrain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=int, default=480, help="of the searches")
    parser.add_argument("--data", default="", help="folder with the data sets; else $PARETUNE_DATA")
    parser.add_argument("--log", type=Path, default=LOG, help="of benchmarks.recording.versus_random")
    parser.add_argument("--out", type=Path, default=RETRAINED)
    options = parser.parse_args()
    for run in Log(options.log).runs:
        if run.case in options.cases.split(",") and run.seed < options.seeds and run.budget == options.budget:
            retrain(run, options.data, options.out)
            print("\n".join(lines([run], options.out)), flush=True)


if __name__ == "__main__":
    main()
