"""Pictures of fronts and their course, for ``experiment.plot``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

from paretune.experiment import Experiment, Goal, Metric, Strategy
from paretune.observation import Observation, OutcomeKind, ParetoFront
from paretune.plot.geometry import stairs, value_of, view
from paretune.plot.style import FAINT, INFEASIBLE, SERIES, SHAPES, STYLE, dress, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Series:
    """The results of one experiment, as a picture needs them."""

    label: str
    observations: Sequence[Observation]
    front: ParetoFront

    def measured(self, metrics: Sequence[Metric]) -> list[Observation]:
        """Observations with a value of each of these metrics."""
        return [o for o in self.observations if all(o.value(m.name) is not None for m in metrics)]


def pareto(experiment: Experiment, series: Sequence[Series]) -> "Figure":
    """The picture of the front; the first series is the experiment itself."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    metrics = experiment.optimized_metrics
    with mpl.rc_context(STYLE):
        if len(metrics) == 1:
            figure = Figure(figsize=(7.4, 4.6), layout="constrained")
            _course(figure.subplots(), metrics[0], series)
        elif len(metrics) == 2:
            figure = Figure(figsize=(7.4, 5.0), layout="constrained")
            _pair(figure.subplots(), experiment, metrics[0], metrics[1], series, staircase=True)
        else:
            figure = _panels(experiment, metrics, series)
        _legend(figure, len(series))
        titled(figure, experiment.name)
    return figure


def _panels(experiment: Experiment, metrics: Sequence[Metric], series: Sequence[Series]) -> "Figure":
    from matplotlib.figure import Figure

    pairs = list(combinations(metrics[:5], 2))
    across = min(3, len(pairs))
    down = -(-len(pairs) // across)
    figure = Figure(figsize=(4.0 * across, 3.7 * down + 0.5), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False).flat
    for ax, (first, second) in zip(axes, pairs, strict=False):
        _pair(ax, experiment, first, second, series, staircase=False)
    for ax in list(axes)[len(pairs) :]:
        ax.set_visible(False)
    return figure


def _legend(figure: "Figure", columns: int) -> None:
    """What is what, below the axes, where it hides no point."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=columns if columns > 1 else 3)


def _pair(
    ax: "Axes",
    experiment: Experiment,
    first: Metric,
    second: Metric,
    series: Sequence[Series],
    *,
    staircase: bool,
) -> None:
    for index, one in enumerate(series):
        colour, shape = SERIES[index % len(SERIES)], SHAPES[index % len(SHAPES)]
        name = f"{shorten(one.label, 32, placeholder=' ...')}: " if len(series) > 1 else ""
        known = one.measured((first, second))
        efficient = {point.observation.id for point in one.front}
        good = [o for o in known if o.id not in efficient and not _infeasible(experiment, o)]
        bad = [o for o in known if o.id not in efficient and _infeasible(experiment, o)]
        ids = {o.id for o in known}
        best = [point.observation for point in one.front if point.observation.id in ids]
        faded, failed = (FAINT, INFEASIBLE) if len(series) == 1 else (colour, colour)
        _points(ax, good, first, second, color=faded, marker=shape, alpha=0.55, size=24,
                label=f"{name}dominated ({len(good)})")  # fmt: skip
        _points(ax, bad, first, second, color=failed, marker="x", alpha=0.8, size=30,
                label=f"{name}infeasible ({len(bad)})")  # fmt: skip
        volume = f", hypervolume {one.front.hypervolume:.4g}" if staircase else ""
        _points(ax, best, first, second, color=colour, marker=shape, alpha=1.0, size=58,
                label=f"{name}front ({len(best)}{volume})")  # fmt: skip
    everything = [o for one in series for o in one.measured((first, second))]
    axes: tuple[tuple[Metric, Literal["x", "y"]], ...] = ((first, "x"), (second, "y"))
    outside: set[str] = set()
    for metric, axis in axes:
        values = [value_of(o, metric) for o in everything]
        window = view(metric, values, [one.front for one in series])
        seen = [v for v in values if window is None or window[0] <= v <= window[1]]
        dress(ax, metric, axis, seen)
        if window is not None:
            getattr(ax, f"set_{axis}lim")(window)
            outside |= {o.id for o in everything if not window[0] <= value_of(o, metric) <= window[1]}
    if outside:
        ax.set_title(
            f"{len(outside)} of {len(everything)} lie outside",
            loc="right",
            fontsize=8.5,
            fontweight="normal",
            color=FAINT,
        )
    if staircase:
        for index, one in enumerate(series):
            _stairs(ax, first, second, one.front, SERIES[index % len(SERIES)], dashed=index > 0)
    if not everything:
        ax.text(0.5, 0.5, "no observations yet", transform=ax.transAxes, ha="center", color=FAINT)


def _points(
    ax: "Axes",
    observations: Sequence[Observation],
    first: Metric,
    second: Metric,
    *,
    color: str,
    marker: str,
    alpha: float,
    size: float,
    label: str,
) -> None:
    if not observations:
        return
    x, y = [value_of(o, first) for o in observations], [value_of(o, second) for o in observations]
    ax.errorbar(
        x,
        y,
        xerr=[_stddev(o, first) for o in observations],
        yerr=[_stddev(o, second) for o in observations],
        fmt="none",
        ecolor=color,
        elinewidth=1.0,
        alpha=alpha * 0.7,
        zorder=2,
    )
    edges: dict[str, Any] = {} if marker == "x" else {"edgecolors": "white", "linewidths": 0.7}
    ax.scatter(x, y, s=size, c=color, marker=marker, alpha=alpha, label=label, zorder=3, **edges)


def _stairs(
    ax: "Axes", first: Metric, second: Metric, front: ParetoFront, colour: str, *, dashed: bool
) -> None:
    """The border of what the front dominates, from one edge of the picture to the other."""
    corners = stairs(first, second, front, ax.get_xlim(), ax.get_ylim())
    if not corners:
        return
    limits = ax.get_xlim(), ax.get_ylim()
    x, y = zip(*corners, strict=True)
    ax.plot(x, y, color=colour, linewidth=1.6, linestyle="--" if dashed else "-", alpha=0.9, zorder=2.5)
    worst = limits[0][0 if first.goal is Goal.MAXIMIZE else 1]
    ax.fill([*x, worst], [*y, corners[0][1]], color=colour, alpha=0.06, linewidth=0, zorder=0)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def _course(ax: "Axes", metric: Metric, series: Sequence[Series]) -> None:
    better = max if metric.goal is Goal.MAXIMIZE else min
    for index, one in enumerate(series):
        known = one.measured((metric,))
        if not known:
            continue
        colour = SERIES[index % len(SERIES)]
        best: list[float] = []
        for o in known:
            value = value_of(o, metric)
            usable = o.outcome.kind in (OutcomeKind.OK, OutcomeKind.STOPPED_EARLY)
            best.append(better(best[-1], value) if best and usable else best[-1] if best else value)
        x = [o.ordinal for o in known]
        ax.scatter(x, [value_of(o, metric) for o in known], s=24, c=colour, alpha=0.5, label=one.label)
        ax.step(x, best, where="post", color=colour, linewidth=1.8, label=f"{one.label}: best so far")
    dress(ax, metric, "y", [value_of(o, metric) for one in series for o in one.measured((metric,))])
    ax.set_xlabel("observation")


def history(experiment: Experiment, curves: Mapping[str, Sequence[float]]) -> "Figure":
    """The picture of hypervolume against observations; one curve per label."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 4.2), layout="constrained")
        ax = figure.subplots()
        for index, (label, volumes) in enumerate(curves.items()):
            final = f" ({volumes[-1]:.4g})" if volumes else ""
            ax.step(
                range(1, len(volumes) + 1),
                volumes,
                where="post",
                color=SERIES[index % len(SERIES)],
                linewidth=2.0,
                linestyle="--" if index else "-",
                label=f"{label}{final}",
            )
        names = " x ".join(metric.name for metric in experiment.optimized_metrics)
        ax.set_xlabel("observations")
        ax.set_ylabel(f"hypervolume of {names}")
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(loc="lower right")
        titled(figure, experiment.name)
    return figure


def _infeasible(experiment: Experiment, observation: Observation) -> bool:
    """Whether it failed, or misses the threshold of a metric."""
    if observation.outcome.kind in (OutcomeKind.INFEASIBLE, OutcomeKind.CRASHED):
        return True
    for metric in experiment.metrics:
        value = observation.value(metric.name)
        if metric.strategy is not Strategy.CONSTRAIN or value is None:
            continue
        if isinstance(metric.threshold, float):
            sign = 1 if metric.goal is Goal.MAXIMIZE else -1
            if sign * value < sign * metric.threshold:
                return True
    return False


def _stddev(observation: Observation, metric: Metric) -> float:
    return next((v.stddev or 0.0 for v in observation.values if v.metric == metric.name), 0.0)
