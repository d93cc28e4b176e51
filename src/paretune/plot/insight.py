"""Pictures of what a model says, for ``experiment.plot``: attainment, importance, slices."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, Goal, Metric, Strategy
from paretune.insight import Attainment, Importance, TargetImportance
from paretune.observation import ParetoFront, Prediction
from paretune.parameters import Assignments, Categorical, Int, Parameter, Scalar
from paretune.plot.geometry import staircase
from paretune.plot.style import FAINT, INK, SERIES, STYLE, dress, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = 31
"""Values of a number along which a slice is predicted."""
BARS = 15
NINETY_FIVE = 1.96
SHADES = ("#d6e6f2", "#9cc3e0", "#5a9bc9")


def attainment(experiment: Experiment, found: Attainment, front: ParetoFront) -> "Figure":
    """Surfaces that the front attains with given probability, with the front as it was measured.

    Raises:
        InvalidArgument: the experiment has other than two optimized metrics.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if len(experiment.optimized_metrics) != 2:
        raise InvalidArgument("Attainment is drawn for two optimized metrics; see `attainment()` for more.")
    first, second = experiment.optimized_metrics
    surfaces = sorted(found.surfaces, key=lambda one: one.level)
    corners = [point for surface in surfaces for point in surface.points]
    measured = [(point.values[first.name], point.values[second.name]) for point in front]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 5.0), layout="constrained")
        ax = figure.subplots()
        dress(ax, first, "x", [p[first.name] for p in corners] + [x for x, _ in measured])
        dress(ax, second, "y", [p[second.name] for p in corners] + [y for _, y in measured])
        label = f"front as measured ({len(measured)})"
        ax.scatter([x for x, _ in measured], [y for _, y in measured], color=INK, s=30, zorder=4, label=label)
        ax.update_datalim([(point[first.name], point[second.name]) for point in corners])
        ax.autoscale_view()
        limits = ax.get_xlim(), ax.get_ylim()
        worst = [limits[k][0 if m.goal is Goal.MAXIMIZE else 1] for k, m in enumerate((first, second))]
        for index, surface in enumerate(surfaces):
            points = [(p[first.name], p[second.name]) for p in surface.points]
            stairs = staircase(first, second, points, *limits)
            if not stairs:
                continue
            x, y = zip(*stairs, strict=True)
            shade = SHADES[round(index * (len(SHADES) - 1) / max(1, len(surfaces) - 1))]
            label = f"attained with probability {surface.level:.0%}"
            ax.fill([*x, worst[0]], [*y, worst[1]], color=shade, linewidth=0, zorder=1, label=label)
        ax.set_xlim(limits[0])
        ax.set_ylim(limits[1])
        figure.legend(loc="outside lower center", ncols=2)
        titled(figure, f"{experiment.name}: how certain the front is")
    return figure


def importance(experiment: Experiment, found: Importance) -> "Figure":
    """How much each parameter matters, a panel for each metric and one for reaching the front."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = [one.parameter for one in found.front.parameters][:BARS][::-1]
    with mpl.rc_context(STYLE):
        width, height = 2.0 + 2.3 * len(found.targets), 1.4 + 0.32 * len(names)
        figure = Figure(figsize=(width, max(2.6, height)), layout="constrained")
        axes = figure.subplots(1, len(found.targets), sharey=True, squeeze=False)[0]
        for index, (ax, target) in enumerate(zip(axes, found.targets, strict=True)):
            _bars(ax, target, names, SERIES[index % len(SERIES)])
        figure.supxlabel("share of what matters, interactions included", fontsize=10)
        titled(figure, f"{experiment.name}: which parameters matter")
    return figure


def _bars(ax: "Axes", target: TargetImportance, names: Sequence[str], color: str) -> None:
    shares = [target.shares.get(name, 0.0) for name in names]
    bars = ax.barh(names, shares, color=color, height=0.7)
    ax.bar_label(
        bars, [f"{share:.0%}" if share >= 0.005 else "" for share in shares], padding=2, fontsize=8.5
    )
    ax.set_xlim(0, max(0.05, 1.2 * max(shares)))
    ax.set_xticks([])
    ax.grid(visible=False)
    trust = f"explains {max(0.0, target.explained):.0%}"
    ax.set_title(f"{target.metric or 'reaching the front'}\n", fontsize=10.5)
    ax.text(0, 1.02, trust, transform=ax.transAxes, fontsize=8.5, color=FAINT)


def slice_values(parameter: Parameter, count: int = STEPS) -> list[Scalar]:
    """At most `count` values of a parameter from one end of its range to the other; all choices."""
    if isinstance(parameter, Categorical):
        return list(parameter.choices)
    if parameter.grid:
        return list(parameter.grid)
    import numpy as np

    spread = np.geomspace if parameter.log else np.linspace
    values = np.clip(spread(parameter.min, parameter.max, count), parameter.min, parameter.max)
    if isinstance(parameter, Int):
        return [int(value) for value in np.unique(np.round(values))]
    return [float(value) for value in values]


def slices(experiment: Experiment, at: Assignments, names: Sequence[str]) -> dict[str, list[Assignments]]:
    """For each named parameter, configurations that differ from `at` in it alone; none outside the space.

    A conditional parameter that becomes active takes its default, or the middle of its range.
    """
    space = experiment.space
    found: dict[str, list[Assignments]] = {}
    for name in names:
        found[name] = []
        for value in slice_values(space[name]):
            wanted: Assignments = {**at, name: value}
            for parameter in space.active(wanted):
                usual = _middle(parameter) if parameter.default is None else parameter.default
                wanted.setdefault(parameter.name, usual)
            active = {parameter.name for parameter in space.active(wanted)}
            with suppress(InvalidArgument):  # a linear constraint
                found[name].append(space.validate({k: v for k, v in wanted.items() if k in active}))
    return found


def _middle(parameter: Parameter) -> Scalar:
    values = slice_values(parameter, 3)
    return values[len(values) // 2]


def draw_slices(
    experiment: Experiment,
    at: Assignments,
    here: Prediction,
    told: Mapping[str, Sequence[tuple[Scalar, Prediction]]],
) -> "Figure":
    """What each metric would be if one parameter changed: a row for each metric, a column for each parameter.

    Args:
        experiment: what is drawn.
        at: the configuration that all others differ from, which is marked.
        here: its prediction.
        told: predictions by parameter and value.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    metrics = [metric for metric in experiment.metrics if metric.strategy is not Strategy.STORE]
    with mpl.rc_context(STYLE | {"axes.titlesize": 10.5}):
        size = (1.2 + 2.3 * len(told), 1.0 + 1.9 * len(metrics))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(metrics), len(told), sharey="row", sharex="col", squeeze=False)
        for row, metric in enumerate(metrics):
            axes[row][0].set_ylabel(f"{metric.name}\n[{metric.unit}]" if metric.unit else metric.name)
            middle = next(one.mean for one in here.metrics if one.metric == metric.name)
            for ax, (name, predictions) in zip(axes[row], told.items(), strict=True):
                _slice(ax, metric, experiment.space[name], predictions, SERIES[row % len(SERIES)])
                ax.scatter([at[name]], [middle], color=INK, s=26, zorder=5)
        for ax, name in zip(axes[-1], told, strict=True):
            ax.set_xlabel(name)
        titled(figure, f"{experiment.name}: what the model expects around one configuration")
    return figure


def _slice(
    ax: "Axes",
    metric: Metric,
    parameter: Parameter,
    predictions: Sequence[tuple[Scalar, Prediction]],
    color: str,
) -> None:
    """Mean and 95 % interval of the noise-free value."""
    x: list[Any] = [value for value, _ in predictions]
    mine = [one for _, told in predictions for one in told.metrics if one.metric == metric.name]
    mean, reach = [one.mean for one in mine], [NINETY_FIVE * one.stddev for one in mine]
    if isinstance(parameter, Categorical):
        ax.errorbar(x, mean, yerr=reach, fmt="o", color=color, capsize=3)
        ax.margins(x=0.2)
        return
    ax.plot(x, mean, color=color)
    low = [a - b for a, b in zip(mean, reach, strict=True)]
    high = [a + b for a, b in zip(mean, reach, strict=True)]
    ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
    if parameter.log:
        ax.set_xscale("log")
    else:
        ax.locator_params(axis="x", nbins=4)
