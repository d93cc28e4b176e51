"""Pictures of the runs."""

from pathlib import Path

import matplotlib
import numpy as np
from benchmarks.comparison.best_known import load
from benchmarks.comparison.problems import PROBLEMS, Array
from benchmarks.comparison.runs import Run
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

matplotlib.use("Agg")


def draw_hypervolume(runs: list[Run], names: dict[str, str], folder: Path) -> None:
    """Draw one curve per method into one picture, one frame per problem."""
    folder.mkdir(exist_ok=True)
    best = load(runs)
    ran = {run.problem for run in runs}
    problems = [name for name in PROBLEMS if name in ran] + sorted(ran - set(PROBLEMS))
    figure, axes = plt.subplots(-(-len(problems) // 3), 3, figsize=(13, 3.6 * -(-len(problems) // 3)))
    kinds = [method for method in names if "_" not in method]
    looks = {
        method: (f"C{kinds.index(kind)}", "--" if variant else "-")
        for method in names
        for kind, variant in [(method.partition("_")[0], "_" in method)]
    }
    for name, axis in zip(problems, np.ravel(axes), strict=False):
        for method in names:
            curves = [
                np.array(run.hypervolume[:100]) / best[name]
                for run in runs
                if (run.problem, run.method) == (name, method)
            ]
            if curves:
                _band(axis, curves, names[method], *looks[method])
        axis.set_title(name, loc="left")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in np.ravel(axes)[len(problems) :]:
        axis.set_visible(False)
    figure.supxlabel("evaluations")
    figure.supylabel("share of the best-known hypervolume, mean and range")
    handles = {
        label: handle
        for axis in np.ravel(axes)
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0.02, 0, 1, 0.94))
    figure.savefig(folder / "hypervolume.png", dpi=80)
    plt.close(figure)


def _band(axis: Axes, curves: list[Array], label: str, color: str, style: str) -> None:
    """Draw the mean of runs as far as all of them go, and their range."""
    length = min(len(curve) for curve in curves)
    stacked = np.array([curve[:length] for curve in curves])
    at = np.arange(1, length + 1)
    axis.plot(at, stacked.mean(axis=0), label=label, color=color, ls=style)
    axis.fill_between(at, stacked.min(axis=0), stacked.max(axis=0), color=color, alpha=0.12, lw=0)
