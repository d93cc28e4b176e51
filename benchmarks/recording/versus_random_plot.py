"""Pictures of a comparison on a surrogate: a pair of searches in metric space, and all of them over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from benchmarks.recording.searches import Run, random_search
from benchmarks.recording.surrogate import efficient_rows, problem, surrogate
from benchmarks.recording.table import Array

from paretune.plot import style
from paretune.study.axes import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(runs: Sequence[Run], ratio: int, path: Path) -> None:
    """Draw the runs of a use case that have its largest budget, and random search with `ratio` times that."""
    if not runs:
        return
    from matplotlib.figure import Figure

    largest = max(run.budget for run in runs)
    runs = [run for run in runs if run.budget == largest]
    with mpl.rc_context(style.STYLE):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _scatter(left, runs[0], ratio)
        _course(right, runs, ratio)
        figure.suptitle(
            f"{runs[0].case}: surrogate of {len(surrogate(runs[0].case).table)} recorded trainings at quick",
            fontsize=11,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)


def _sets(run: Run, ratio: int) -> dict[str, Array]:
    _, theirs = random_search(run.case, run.seed, ratio * run.budget)
    return {"random": theirs, "model-based": np.array([row or [np.nan] * 2 for row in run.measured])}


def _scatter(ax: Axes, run: Run, ratio: int) -> None:
    space, case = problem(run.case), surrogate(run.case).case
    for label, values in _sets(run, ratio).items():
        front = values[efficient_rows(values * space.signs)]
        front = front[np.argsort(front[:, 1])]
        text = f"{label}, {len(values):,} trainings"
        ax.scatter(values[:, 1], values[:, 0], s=5, color=COLOURS[label], alpha=0.35, linewidths=0)
        ax.step(
            front[:, 1], front[:, 0], where="post", color=COLOURS[label], label=text, marker="o", markersize=4
        )
    ax.set_xlabel(f"{case.metrics[1].replace('_', ' ')} (s), measured on the surrogate")
    ax.set_ylabel(f"{case.metrics[0]} (%)" if case.limits else case.metrics[0])
    ax.set_title(f"seed {run.seed}", fontsize=10)
    ax.legend(loc="lower right", fontsize=9, frameon=True)


def _course(ax: Axes, runs: Sequence[Run], ratio: int) -> None:
    space = problem(runs[0].case)
    for label in ("random", "model-based"):
        volumes = []
        for run in runs:
            values = _sets(run, ratio)[label]
            at = np.unique(np.geomspace(4, len(values), 40).astype(int))
            volumes.append([space.hypervolume(values[:count]) for count in at])
        several = np.array(volumes)
        ax.plot(at, several.mean(axis=0), color=COLOURS[label], label=label)
        ax.fill_between(
            at, several.min(axis=0), several.max(axis=0), color=COLOURS[label], alpha=0.2, linewidth=0
        )
    ax.set_xscale("log")
    ax.set_xlabel("trainings")
    ax.set_ylabel("hypervolume of what was measured")
    ax.set_title(f"mean and range over {len(runs)} seed{'s' * (len(runs) > 1)}", fontsize=10)
    ax.legend(loc="upper left", fontsize=9)
