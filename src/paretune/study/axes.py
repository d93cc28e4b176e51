"""The axes that the pictures of a study share: metric space, with its scales, ranges and colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretune.experiment import Goal, Metric
from paretune.plot import style
from paretune.plot.geometry import value_of
from paretune.study.comparison import MODEL_BASED, RANDOM, Study, is_feasible, sign_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {MODEL_BASED: style.SERIES[0], RANDOM: style.SERIES[1]}
SHAPES = {MODEL_BASED: style.SHAPES[0], RANDOM: style.SHAPES[1]}
Range = tuple[float, float]


def marker_area(count: int) -> float:
    """Area of a marker when there are so many, in points squared."""
    return float(min(46.0, max(10.0, 400.0 / max(count, 1) ** 0.5)))


def prepare(ax: "Axes", study: Study, ranges: tuple[Range, Range]) -> None:
    """Label and scale the axes, and fix what they show."""
    for metric, name, (low, high) in zip(study.metrics, ("x", "y"), ranges, strict=True):
        unit = f" [{metric.unit}]" if metric.unit else ""
        better = "higher" if sign_of(metric) > 0 else "lower"
        getattr(ax, f"set_{name}label")(f"{metric.name}{unit}, {better} is better")
        if _logarithmic(metric, low, high):
            getattr(ax, f"set_{name}scale")("log")
        else:
            getattr(ax, f"{name}axis").get_major_locator().set_params(nbins=6)
        getattr(ax, f"set_{name}lim")(low, high)
    ax.set_autoscale_on(False)


def _logarithmic(metric: Metric, low: float, high: float) -> bool:
    # What is maximized, such as accuracy, is of interest at its upper end, which logarithms squeeze.
    return metric.goal is Goal.MINIMIZE and low > 0 and high / low > style.LOG_RATIO


def with_room(metric: Metric, values: Sequence[float]) -> Range:
    """A range that holds the values, with some room at both ends."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if _logarithmic(metric, low, high):
        return low / 1.3, high * 1.3
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def finish(figure: "Figure", ax: "Axes", title: str) -> None:
    """What is what, below the axes, where it hides nothing; and a title."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    style.titled(figure, title)


def usual_view(study: Study) -> tuple[Range, Range]:
    """The part of metric space in which most of what is feasible lies."""
    found = []
    for metric in study.metrics:
        values = sorted(
            value_of(o, metric)
            for one in study.searches
            for o in one.observations
            if is_feasible(one.experiment, o)
        )
        fronts = [value_of(point.observation, metric) for one in study.searches for point in one.front]
        # The worst twentieth is cut off, or a few slow trainings squeeze all others into a corner.
        cut = len(values) // 20
        kept = values[cut:] if sign_of(metric) > 0 else values[: len(values) - cut]
        found.append(with_room(metric, [*kept, *fronts]))
    return found[0], found[1]
