"""Run searches that were not run yet, measure latency, and write RESULTS.md.

    python -m benchmarks.comparison [--problems a,b] [--methods a,b] [--seeds 5] [--budget 100] [--minutes 20]

From the root of the repository, in .venv/bench; `make bench` does that. See benchmarks/README.md.
"""

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import time
import warnings
from pathlib import Path

from benchmarks.comparison import claims, latency, report
from benchmarks.comparison.methods import applies
from benchmarks.comparison.problems import PROBLEMS, named
from benchmarks.comparison.runs import Log, draw, search

HERE = Path(__file__).parent
LIBRARIES = ("numpy", "scipy", "moocore", "optuna", "botorch", "gpytorch", "ax-platform", "torch")
# What random search is given, to see what ten or fifty times as many trainings buy.
RANDOM_BUDGET = {"diatom1": 4800}
# Everything behind RESULTS.md but the slow peers, most wanted first: problems, methods, seeds, evaluations.
VARIANTS = "zdt1,dtlz2,dtlz2m3,wfg4,re21,re36,diatom1,tomatoes"
SUITE = (
    (",".join(p for p in PROBLEMS if p != "tomatoes"), "paretune,random,tpe,nsga2", 10, 100),
    ("tomatoes", "paretune,random,tpe,nsga2,tpe_penalized,nsga2_penalized", 10, 200),
    (VARIANTS, "paretune_reference", 3, 100),
    ("zdt1,dtlz2,diatom1", "paretune_8", 3, 100),
)
SUITE_CLAIMS = (("front of 10,000", 0), ("questions", 0), *(("merged front", seed) for seed in range(3)))
SUITE_LATENCY = ("paretune", "tpe", "nsga2", "gpsampler", "botorch", "ax")


def environment() -> dict[str, str]:
    """Return what a reader needs to judge a figure."""
    versions = []
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=HERE
    )
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "revision": git.stdout.strip() or "unknown",
        "python": platform.python_version(),
        "versions": ", ".join(versions),
        "threads": os.environ.get("OMP_NUM_THREADS", "not limited"),
        "cores": str(os.cpu_count()),
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--methods", default="random,paretune,tpe,nsga2,tpe_penalized,nsga2_penalized")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run after so many")
    parser.add_argument("--log", type=Path, default=HERE.parents[1] / "results" / "bench" / "runs.jsonl")
    parser.add_argument("--into", type=Path, default=HERE.parent, help="folder of RESULTS.md and plots/")
    parser.add_argument(
        "--latency", default="", help="methods whose suggestions are timed, e.g. paretune,tpe"
    )
    parser.add_argument("--suite", action="store_true", help="all that RESULTS.md tells, but slow peers")
    parser.add_argument("--report", action="store_true", help="only write RESULTS.md and the plots")
    args = parser.parse_args()
    args.log.parent.mkdir(parents=True, exist_ok=True)
    timings = args.log.with_name("latency.jsonl")
    log, here, end = Log(args.log), environment(), time.monotonic() + 60.0 * args.minutes
    warnings.filterwarnings("ignore")  # peers warn about experimental features and hard fits
    asked = [(args.problems, args.methods, args.seeds, args.budget)]
    figures = args.log.with_name("claims.jsonl")
    wanted = () if args.report else SUITE if args.suite else asked
    # Seeds outermost: wherever it is stopped, methods and problems have equally many.
    for k in range(max((seeds for *_, seeds, _ in wanted), default=0)):
        for problems, methods, seeds, budget in wanted:
            for name in problems.split(",") if k < seeds else ():
                for method in methods.split(","):
                    _one(log, name, method, args.first_seed + k, budget, here, end)
    if args.suite:
        latency.measure(timings, list(SUITE_LATENCY), here)
        claims.measure(figures, SUITE_CLAIMS, here)
    elif not args.report:
        latency.measure(timings, [m for m in args.latency.split(",") if m], here)
    report.write(log.runs, timings, figures, args.into)


def _one(log: Log, name: str, method: str, seed: int, budget: int, here: dict[str, str], end: float) -> None:
    problem = named(name)
    if method == "random":
        budget = RANDOM_BUDGET.get(name, 10 * budget)
    if time.monotonic() > end or not applies(method, problem) or log.has(name, method, seed, budget):
        return
    start = time.monotonic()
    run = (
        draw(problem, seed, budget, here)
        if method == "random"
        else search(problem, method, seed, budget, here)
    )
    log.append(run)
    print(
        f"{name:9s} {method:18s} seed {seed}: hypervolume {run.hypervolume[min(budget, 100) - 1]:.5g},"
        f" {time.monotonic() - start:.0f} s ({sum(run.cpu):.0f} s CPU)",
        flush=True,
    )


if __name__ == "__main__":
    main()
