"""Model-based search against random search with ten times its trainings, on surrogates.

    python -m benchmarks.recording.versus_random            # 10 seeds, 48 and 480 trainings, both use cases
    python -m benchmarks.recording.versus_random --report   # only the tables and pictures

From the root of the repository. Each finished search is a line of `--log`, and the same command goes on where
it was stopped; lines made with other recorded trainings are left out. Both methods are judged by the same
oracle, the surrogate of the recorded trainings, and see measurements with the same scatter:
docs/decisions/0012. Afterwards it rewrites its part of docs/use-cases.md and draws the pictures there.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.recording import real, retrain, section
from benchmarks.recording.outcomes import RATIO, outcomes, table_of
from benchmarks.recording.record import ROOT
from benchmarks.recording.searches import LOG, Log, search
from benchmarks.recording.surrogate import CASES
from benchmarks.recording.versus_random_plot import draw

BUDGETS = (48, 480)


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
    parser.add_argument(
        "--page", type=Path, default=section.PAGE, help="its part between the marks is rewritten"
    )
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
    comparison = table_of(outcomes(runs))
    print("\n".join(comparison))
    for case in cases:
        draw([run for run in runs if run.case == case], RATIO, options.images / f"versus_random_{case}.png")
    if options.page.name:
        text = section.page_text(comparison, runs, retrain.lines(runs), real.table())
        section.put(text, options.page)


if __name__ == "__main__":
    main()
