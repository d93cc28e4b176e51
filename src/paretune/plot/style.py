"""How every picture looks: colours, axes, titles.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; outcomes also differ
in shape.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from paretune.experiment import Goal, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, GRID = "#202124", "#8a9099", "#e4e6ea"
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
SHAPES = ("o", "D", "s", "^")
INFEASIBLE = "#D55E00"
DPI = 160
LOG_RATIO = 50
"""An axis is logarithmic when its values are positive and span more than this factor."""

STYLE = {
    "font.size": 11,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.labelpad": 7,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


def saved(figure: "Figure", path: str | Path | None) -> "Figure":
    """The figure, also written to `path` when there is one."""
    if path is not None:
        figure.savefig(path, dpi=DPI)
    return figure


def titled(figure: "Figure", text: str) -> None:
    """Put a title above the figure, at its left."""
    figure.suptitle(text, x=0.015, ha="left", fontsize=13, fontweight="bold", color=INK)


def dress(ax: "Axes", metric: Metric, axis: Literal["x", "y"], values: Sequence[float]) -> None:
    """Label an axis with name, unit and direction; scale it; mark the threshold."""
    if len(values) > 1 and min(values) > 0 and max(values) / min(values) > LOG_RATIO:
        getattr(ax, f"set_{axis}scale")("log")
    else:
        ax.locator_params(axis=axis, nbins=6)
    unit = f" [{metric.unit}]" if metric.unit else ""
    better = "higher" if metric.goal is Goal.MAXIMIZE else "lower"
    getattr(ax, f"set_{axis}label")(f"{metric.name}{unit}, {better} is better")
    if isinstance(metric.threshold, float):
        mark = ax.axvline if axis == "x" else ax.axhline
        mark(metric.threshold, color=FAINT, linewidth=1.2, linestyle=":", zorder=1)
        at, turn = ((metric.threshold, 0.99), 90) if axis == "x" else ((0.995, metric.threshold), 0)
        ax.annotate(
            f"threshold {metric.threshold:g}",
            at,
            xycoords=("data", "axes fraction") if axis == "x" else ("axes fraction", "data"),
            ha="right",
            va="top" if axis == "x" else "bottom",
            rotation=turn,
            fontsize=8.5,
            color=FAINT,
        )
