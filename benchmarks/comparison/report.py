"""RESULTS.md and its plots, from the runs alone."""

import itertools
import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from benchmarks.comparison import claims, latency
from benchmarks.comparison.best_known import load
from benchmarks.comparison.plots import draw_hypervolume
from benchmarks.comparison.problems import PROBLEMS
from benchmarks.comparison.runs import Run

OURS = "paretune"
NAMES = {
    "paretune": "paretune",
    "paretune_reference": "paretune, given the reference point",
    "paretune_8": "paretune, 8 workers",
    "random": "random",
    "tpe": "Optuna TPE",
    "nsga2": "Optuna NSGA-II",
    "gpsampler": "Optuna GPSampler",
    "botorch": "BoTorch qLogNEHVI",
    "botorch_feasibility": "BoTorch qLogNEHVI, model of feasibility",
    "ax": "Ax",
    "ax_penalized": "Ax, failures penalized",
    "tpe_penalized": "Optuna TPE, failures penalized",
    "nsga2_penalized": "Optuna NSGA-II, failures penalized",
    "gpsampler_penalized": "Optuna GPSampler, failures penalized",
}
VARIANTS = ("paretune_reference", "paretune_8")
CHECKPOINTS = (50, 100, 200)
# With fewer seeds no difference is called one.
ENOUGH = 3


def write(runs: list[Run], timings: Path, figures: Path, folder: Path) -> None:
    """Write RESULTS.md, keeping what a person wrote above its first marker, and plots/."""
    path = folder / "RESULTS.md"
    marker = "<!-- Below this line: written by `make bench`. -->"
    above = path.read_text().split(marker)[0] if path.exists() else "# Results of the benchmarks\n\n"
    parts = [
        _environment(runs),
        _summary(runs),
        "![Hypervolume by evaluations](plots/hypervolume.png)",
        _reach(runs),
        _feasible(runs),
        _variants(runs),
        _latency(timings),
        _claims(figures),
        *_quality(runs),
    ]
    path.write_text(above + marker + "\n\n" + "\n\n".join(part for part in parts if part) + "\n")
    drawn = {method: name for method, name in NAMES.items() if method not in VARIANTS}
    draw_hypervolume(runs, drawn, folder / "plots")


def problems_of(runs: list[Run]) -> list[str]:
    """Return the problems in the order of the suite, then those by name that were run besides."""
    return [*PROBLEMS, *sorted({run.problem for run in runs} - set(PROBLEMS))]


def share(run: Run, evaluations: int, best: dict[str, float]) -> float | None:
    """Return the hypervolume after so many evaluations as a share of the best known; None: not run so far."""
    if evaluations not in run.at:
        return None
    return run.hypervolume[run.at.index(evaluations)] / best[run.problem]


def interval(values: Iterable[float], draws: int = 4000) -> tuple[float, float, float]:
    """Return mean and 95 % percentile bootstrap interval of the mean."""
    array = np.array(list(values))
    rng = np.random.default_rng(0)
    means = rng.choice(array, (draws, len(array))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)


def by_seed(runs: list[Run], problem: str, method: str, at: int, best: dict[str, float]) -> dict[int, float]:
    """Return shares of the best known by seed."""
    found = {}
    for run in runs:
        if (run.problem, run.method) == (problem, method) and (value := share(run, at, best)) is not None:
            found[run.seed] = value
    return found


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _environment(runs: list[Run]) -> str:
    told = []
    for key, label in (
        ("date", "dates"),
        ("revision", "revisions of this repository"),
        ("python", "Python"),
        ("versions", "versions"),
        ("cores", "cores of the machine"),
        ("threads", "math threads per process"),
    ):
        told.append(f"* {label}: {'; '.join(sorted({run.environment[key] for run in runs}))}")
    seeds = sorted({run.seed for run in runs})
    told.append(f"* {len(runs)} runs, seeds {seeds[0]} to {seeds[-1]}; the tables say how many each")
    engine = sorted({run.environment["revision"] for run in runs if run.method == OURS})
    told.append(f"* revisions with which paretune was run: {'; '.join(engine)}")
    return "## What was run\n\n" + "\n".join(told)


def _methods(runs: list[Run]) -> list[str]:
    present = {run.method for run in runs}
    return [method for method in NAMES if method in present]


def _summary(runs: list[Run]) -> str:
    """Set ours against the peer with the best mean, among those with at least as many seeds as needed."""
    best, rows = load(runs), []
    for problem in problems_of(runs):
        for at in CHECKPOINTS:
            ours = by_seed(runs, problem, OURS, at, best)
            peers = {
                method: by_seed(runs, problem, method, at, best)
                for method in _methods(runs)
                if method not in (OURS, *VARIANTS, "random")
            }
            peers = {
                method: found for method, found in peers.items() if len(set(found) & set(ours)) >= ENOUGH
            }
            if not peers:
                continue
            peer = max(peers, key=lambda method: statistics.mean(peers[method].values()))
            pure = by_seed(runs, problem, "random", at, best)
            gap, least, most = paired(ours, peers[peer])
            rows.append(
                [
                    problem,
                    str(at),
                    f"{statistics.mean(ours.values()):.3f}",
                    f"{statistics.mean(pure.values()):.3f}" if pure else "",
                    f"{NAMES[peer]} {statistics.mean(peers[peer].values()):.3f}",
                    f"{gap:+.3f} ({least:+.3f} to {most:+.3f})",
                    verdict(least, most, len(ours)),
                    str(len(set(ours) & set(peers[peer]))),
                ]
            )
    header = [
        "problem",
        "evaluations",
        "paretune",
        "random",
        "best peer",
        "difference, paired",
        "paretune is",
        "seeds",
    ]
    return (
        "## Summary: share of the best-known hypervolume\n\n"
        "Problems called `..._surrogate` are models of recorded trainings; their best known is the best of"
        " these runs. "
        f"Peers with {ENOUGH} seeds or more; 95 % bootstrap intervals of the mean paired difference.\n\n"
        + _table(header, rows)
    )


def paired(ours: dict[int, float], theirs: dict[int, float]) -> tuple[float, float, float]:
    """Return mean and interval of ours less theirs over the seeds that both have."""
    return interval([ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))])


def _quality(runs: list[Run]) -> list[str]:
    best, parts = load(runs), []
    for at in CHECKPOINTS:
        rows = []
        for problem in problems_of(runs):
            ours = by_seed(runs, problem, OURS, at, best)
            for method in _methods(runs):
                theirs = by_seed(runs, problem, method, at, best)
                if not theirs:
                    continue
                mean, low, high = interval(theirs.values())
                spread = f"{low:.3f} to {high:.3f}" if len(theirs) > 1 else ""
                row = [problem, NAMES[method], str(len(theirs)), f"{mean:.3f}", spread, "", ""]
                both = len(set(ours) & set(theirs))
                if method != OURS and both:
                    gap, least, most = paired(ours, theirs)
                    spread = f" ({least:+.3f} to {most:+.3f})" if both > 1 else ""
                    row[-2:] = [f"{gap:+.3f}{spread}", verdict(least, most, both)]
                rows.append(row)
        header = [
            "problem",
            "method",
            "seeds",
            "share",
            "95 % interval",
            "paretune less it, paired",
            "paretune is",
        ]
        if rows:
            parts.append(
                f"## All methods after {at} evaluations: share of the best-known hypervolume\n\n"
                + _table(header, rows)
            )
    return parts


def verdict(least: float, most: float, seeds: int) -> str:
    """Say what a paired difference shows."""
    if seeds < ENOUGH:
        return "too few seeds"
    return "ahead" if least > 0 else "behind" if most < 0 else "even"


def _reach(runs: list[Run]) -> str:
    """Say how soon ours has what random search has after many more."""
    rows = []
    for problem in problems_of(runs):
        ours = {run.seed: run for run in runs if (run.problem, run.method) == (problem, OURS)}
        pure = {run.seed: run for run in runs if (run.problem, run.method) == (problem, "random")}
        for after in sorted({n for run in pure.values() for n in run.at if n in (500, 1000, 4800)}):
            needed = []
            for seed in sorted(set(ours) & set(pure)):
                goal = pure[seed].hypervolume[pure[seed].at.index(after)]
                reached = (
                    n
                    for n, v in zip(ours[seed].at, ours[seed].hypervolume, strict=True)
                    if v > 0 and v >= goal
                )
                needed.append(next(reached, None))
            if not needed:
                continue
            known = [n for n in needed if n is not None]
            missed = len(needed) - len(known)
            middle = f"{statistics.median(known):g}, at most {max(known)}" if known else "never"
            note = f"{missed} of {len(needed)} not within 100" if missed else ""
            rows.append([problem, str(after), middle, str(len(needed)), note])
    header = ["problem", "random after", "paretune has as much after (median)", "seeds", "note"]
    return "## Evaluations that random search would have needed\n\n" + _table(header, rows) if rows else ""


def _feasible(runs: list[Run]) -> str:
    rows = []
    for method in _methods(runs):
        mine = [r for r in runs if (r.problem, r.method) == ("tomatoes", method)]
        for budget in sorted({r.budget for r in mine}):
            shares = [r.feasible / r.budget for r in mine if r.budget == budget]
            told = f"{statistics.mean(shares):.2f}"
            rows.append([NAMES[method], str(budget), str(len(shares)), told])
    header = ["method", "evaluations", "seeds", "share"]
    return "## Trainings that did not fail, tomatoes\n\n" + _table(header, rows) if rows else ""


def _variants(runs: list[Run]) -> str:
    """Set ours against itself: with the true reference point, and with eight workers."""
    best, rows = load(runs), []
    for method, problem, at in itertools.product(VARIANTS, problems_of(runs), CHECKPOINTS[:2]):
        ours = by_seed(runs, problem, OURS, at, best)
        theirs = by_seed(runs, problem, method, at, best)
        both = sorted(set(ours) & set(theirs))
        if not both:
            continue
        gap, least, most = paired(ours, theirs)
        means = [f"{statistics.mean(one[seed] for seed in both):.3f}" for one in (ours, theirs)]
        difference = f"{gap:+.3f} ({least:+.3f} to {most:+.3f})"
        rows.append([NAMES[method], problem, str(at), *means, difference, str(len(both))])
    header = ["variant", "problem", "evaluations", "paretune", "variant", "paretune less it, paired", "seeds"]
    return "## Ours against itself: share of the best known\n\n" + _table(header, rows) if rows else ""


def _claims(path: Path) -> str:
    """Tell the single figures."""
    found = claims.read(path)
    told = []
    if merged := [line for line in found if line["claim"] == "merged front"]:
        true, measured, ratio = ([one[key] for one in merged] for key in ("true", "measured", "volume_ratio"))
        told.append(
            f"Merged front of {claims.MODEL_BASED} of ours and {claims.AT_RANDOM} random trainings on the "
            f"diatom shape, seeds: {len(merged)}. By true values {statistics.mean(true):.1%} of it is ours "
            f"(least {min(true):.1%}), by measured ones {statistics.mean(measured):.1%} (least "
            f"{min(measured):.1%}); {statistics.mean(ratio):.2f} times the hypervolume of random search."
        )
    told += [
        f"Front and hypervolume of 10,000 observations of 3 metrics ({one['efficient']} efficient): "
        f"{one['milliseconds']:.1f} ms of CPU."
        for one in found
        if one["claim"] == "front of 10,000"
    ]
    told += [
        f"Suggest through gRPC, 12 parameters, asked {kind}: p50 {one[kind]['p50']:.1f} ms, p99 "
        f"{one[kind]['p99']:.1f} ms by the clock; {one[kind]['ready']:.0%} were ready when asked for."
        for one in found
        if one["claim"] == "questions"
        for kind in one
        if kind.endswith("at work")
    ]
    return "## Single figures\n\n" + "\n".join(f"* {one}" for one in told) if told else ""


def _latency(path: Path) -> str:
    found = {(line["method"], line["n"]): line["cpu"] for line in latency.read(path)}
    rows = []
    for method in NAMES:
        cells = []
        for n in latency.COUNTS:
            times = found.get((method, n))
            cells.append(f"{1e3 * statistics.median(times):.0f} ms ({len(times)})" if times else "")
        if any(cells):
            rows.append([NAMES[method], *cells])
    if not rows:
        return ""
    header = ["method", *(f"n = {n}" for n in latency.COUNTS)]
    return (
        "## CPU time of one suggestion\n\nThe diatom shape (7 integers, 5 doubles, 2 metrics), the same "
        "history for all; median (repeats), after a first one that is not counted.\n\n" + _table(header, rows)
    )
