"""The pictures of a study: both searches in metric space, how sure random search is, and both over time."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune import plot
from paretune.experiment import Goal, Metric
from paretune.geometry import staircase, value_of
from paretune.insight import Attainment
from paretune.study import BANDS, MODEL_BASED, RANDOM, Search, Study, is_feasible, sign_of, vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {MODEL_BASED: plot.SERIES[0], RANDOM: plot.SERIES[1]}
SHAPES = {MODEL_BASED: plot.SHAPES[0], RANDOM: plot.SHAPES[1]}
BORDER = "#7f3b08"
LINES = dict(zip(BANDS, (":", "-", "--"), strict=True))
"""Style of the border of each region that has one."""

FRAMES, SECONDS_PER_FRAME, LAST_SECONDS = 40, 0.2, 3.0
ANIMATION_DPI, PALETTE = 80, 96
Range = tuple[float, float]


def scatter(study: Study) -> "Figure":
    """Every training of both searches in metric space, with the points of the merged frontier ringed.

    With other than two metrics: both searches in a panel for each pair of metrics, without rings.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if len(study.metrics) != 2:
        series = [plot.Series(one.label, one.observations, one.front) for one in study.searches]
        return plot.pareto(_titled(study, "every training"), series)
    with mpl.rc_context(plot.STYLE):
        figure = Figure(figsize=(7.4, 5.4), layout="constrained")
        ax = figure.subplots()
        _prepare(ax, study, _view(study))
        # Random search first: there is more of it, and it would hide the other.
        for search in reversed(study.searches):
            _cloud(ax, study, search)
        merged = study.merged
        rings = [*merged.model_based, *merged.random, *merged.both]
        label = f"frontier of both together ({len(rings)})"
        if rings:
            x, y = zip(*rings, strict=True)
            size = 2.2 * _size(len(rings))
            ax.scatter(
                x, y, s=size, facecolors="none", edgecolors=plot.INK, linewidths=0.9, label=label, zorder=5
            )
        outside = _outside(ax, study)
        if outside:
            ax.set_title(
                f"{outside} worse {'one lies' if outside == 1 else 'ones lie'} outside",
                loc="right",
                fontsize=9,
                color=plot.FAINT,
            )
        _finish(figure, ax, f"{study.name}: every training")
    return figure


def _cloud(ax: "Axes", study: Study, search: Search) -> None:
    """All trainings of a search that were measured, and its front."""
    first, second = study.metrics
    known = [o for o in search.observations if all(o.value(m.name) is not None for m in study.metrics)]
    good = [o for o in known if is_feasible(search.experiment, o)]
    kept = {id(o) for o in good}
    bad = [o for o in known if id(o) not in kept]
    small = 0.4 * _size(len(search.observations))
    for group, mark, what in ((good, SHAPES[search.label], "feasible"), (bad, "x", "infeasible")):
        if group:
            ax.scatter(
                [value_of(o, first) for o in group],
                [value_of(o, second) for o in group],
                s=small,
                c=COLOURS[search.label],
                marker=mark,
                alpha=0.4,
                linewidths=0.0 if mark != "x" else 0.8,
                label=f"{search.label}: {what} ({len(group)})",
                zorder=2,
            )
    _front(ax, study, search)


def _outside(ax: "Axes", study: Study) -> int:
    """Measured trainings that the axes leave out."""
    (left, right), (low, high) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    first, second = study.metrics
    values = [(o.value(first.name), o.value(second.name)) for s in study.searches for o in s.observations]
    return sum(
        not (left <= x <= right and low <= y <= high) for x, y in values if x is not None and y is not None
    )


def _size(count: int) -> float:
    """Area of a marker when there are so many, in points squared."""
    return float(min(46.0, max(10.0, 400.0 / max(count, 1) ** 0.5)))


def _prepare(ax: "Axes", study: Study, ranges: tuple[Range, Range]) -> None:
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
    return metric.goal is Goal.MINIMIZE and low > 0 and high / low > plot.LOG_RATIO


def _with_room(metric: Metric, values: Sequence[float]) -> Range:
    """A range that holds the values, with some room at both ends."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if _logarithmic(metric, low, high):
        return low / 1.3, high * 1.3
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _finish(figure: "Figure", ax: "Axes", title: str) -> None:
    """What is what, below the axes, where it hides nothing; and a title."""
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(title, x=0.015, ha="left", fontsize=13, fontweight="bold", color=plot.INK)


def volumes(study: Study) -> "Figure":
    """Hypervolume of both searches over trainings, on a logarithmic axis of trainings."""
    curves = {one.label: one.volumes for one in study.searches}
    figure = plot.history(_titled(study, "hypervolume over trainings"), curves)
    ax = figure.axes[0]
    if not any(curves.values()):
        return figure
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("trainings (logarithmic)")
    ax.axhline(
        study.model_based.front.hypervolume,
        color=COLOURS[MODEL_BASED],
        linewidth=0.9,
        linestyle=":",
        alpha=0.8,
    )
    return figure


def attainment(study: Study) -> "Figure | None":
    """Where random search gets with as many trainings as the model-based one, whose front is drawn over it.

    None without confidence regions, or with other than two metrics.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if study.attainment is None or len(study.metrics) != 2:
        return None
    with mpl.rc_context(plot.STYLE):
        figure = Figure(figsize=(7.4, 5.6), layout="constrained")
        ax = figure.subplots()
        _prepare(ax, study, _ranges(study, study.attainment))
        _regions(figure, ax, study, study.attainment)
        for search in reversed(study.searches):
            _front(ax, study, search)
        count = study.attainment_size
        _finish(figure, ax, f"{study.name}: where random search with {count} trainings gets")
    return figure


def _ranges(study: Study, regions: Attainment) -> tuple[Range, Range]:
    """What holds both fronts and the likelier half of the regions, with some room."""
    found = []
    for index, metric in enumerate(study.metrics):
        values = [v[index] for one in study.searches for v in vectors(study.metrics, one.front)]
        values += [
            point[metric.name]
            for surface in regions.surfaces
            if surface.level <= 0.5
            for point in surface.points
        ]
        values += [study.reference_point[metric.name]] if metric.name in study.reference_point else []
        found.append(_with_room(metric, values))
    return found[0], found[1]


def _regions(figure: "Figure", ax: "Axes", study: Study, regions: Attainment) -> None:
    """The surfaces over each other, the likelier the darker, with three of them as lines."""
    import matplotlib as mpl
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    first, second = study.metrics
    surfaces = sorted(regions.surfaces, key=lambda one: one.level)
    bounds = [0.0, *(surface.level for surface in surfaces), 1.0]
    shades = ["white", *(mpl.colormaps["Oranges"](0.75 * surface.level) for surface in surfaces)]
    corner = (
        ax.get_xlim()[0 if sign_of(first) > 0 else 1],
        ax.get_ylim()[0 if sign_of(second) > 0 else 1],
    )
    for surface, shade in zip(surfaces, shades[1:], strict=True):
        points = [(point[first.name], point[second.name]) for point in surface.points]
        corners = staircase(first, second, points, ax.get_xlim(), ax.get_ylim())
        if not corners:
            continue
        x, y = zip(*corners, strict=True)
        ax.fill([*x, corner[0]], [*y, corner[1]], color=shade, linewidth=0, zorder=1)
        style = LINES.get(round(surface.level, 2))
        if style:
            label = f"random: border of what {surface.level:.0%} of {regions.samples} draws attain"
            ax.plot(x, y, color=BORDER, linewidth=1.3, linestyle=style, label=label, zorder=2)
    scale = ScalarMappable(BoundaryNorm(bounds, len(shades)), ListedColormap(shades))
    bar = figure.colorbar(scale, ax=ax, ticks=[0, 0.25, 0.5, 0.75, 1], spacing="proportional")
    bar.set_label("share of draws of random search that attain it")
    bar.ax.set_yticklabels(["0 %", "25 %", "50 %", "75 %", "100 %"])
    bar.outline.set_visible(False)


def _front(ax: "Axes", study: Study, search: Search) -> None:
    """The front of a search with its staircase."""
    points = [(v[0], v[1]) for v in vectors(study.metrics, search.front)]
    if not points:
        return
    first, second = study.metrics
    colour, top = COLOURS[search.label], search.label == MODEL_BASED
    x, y = zip(*points, strict=True)
    ax.scatter(
        x,
        y,
        s=_size(len(points)),
        c=colour,
        marker=SHAPES[search.label],
        edgecolors="white",
        linewidths=0.6,
        label=f"{search.label}: front of {len(search.observations):,} trainings ({len(points)})",
        zorder=4.5 if top else 4,
    )
    corners = staircase(first, second, points, ax.get_xlim(), ax.get_ylim())
    ax.plot(*zip(*corners, strict=True), color=colour, linewidth=1.4, zorder=3.5 if top else 3)


def animation(study: Study, frames: int = FRAMES) -> bytes | None:
    """Both searches over time, side by side, as an animated GIF; None with other than two metrics.

    Every frame shows the same share of both budgets.
    """
    import matplotlib as mpl
    from PIL import Image

    if len(study.metrics) != 2 or not any(one.front for one in study.searches):
        return None
    steps = min(frames, max(len(one.observations) for one in study.searches))
    with mpl.rc_context(plot.STYLE):
        pictures = [
            Image.fromarray(pixels).convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
            for pixels in _frames(study, steps)
        ]
    buffer = io.BytesIO()
    durations = [round(1000 * SECONDS_PER_FRAME)] * (len(pictures) - 1) + [round(1000 * LAST_SECONDS)]
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
    )
    return buffer.getvalue()


def _frames(study: Study, steps: int) -> Iterator[Any]:
    """The pictures of the animation, as arrays of pixels."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first, second = study.metrics
    figure = Figure(figsize=(10.4, 4.4), dpi=ANIMATION_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = []
    for ax, search in zip(figure.subplots(1, 2, sharex=True, sharey=True), study.searches, strict=True):
        _prepare(ax, study, _view(study))
        ax.label_outer()
        course = [
            (place, value_of(o, first), value_of(o, second))
            for place, o in enumerate(search.observations, 1)
            if is_feasible(search.experiment, o)
        ]
        panels.append((ax, search, course))
    for step in range(1, steps + 1):
        drawn = []
        for ax, search, course in panels:
            total = len(search.observations)
            drawn += _so_far(ax, study, search, course, round(total * step / steps))
        canvas.draw()
        # The layout of the first frame holds for all: nothing may jump, and laying out takes long.
        figure.set_layout_engine("none")
        yield np.asarray(canvas.buffer_rgba()).copy()
        for artist in drawn:
            artist.remove()


def _so_far(
    ax: "Axes", study: Study, search: Search, course: Sequence[tuple[int, float, float]], count: int
) -> list[Any]:
    """Draw what a search had found after so many trainings, the newest darkest; gives what was drawn."""
    first, second = study.metrics
    total, colour = len(search.observations), COLOURS[search.label]
    since = count - max(1, total // 10)
    drawn: list[Any] = []
    for new, alpha in ((False, 0.35), (True, 0.9)):
        group = [(x, y) for place, x, y in course if place <= count and (place > since) is new]
        if group:
            x, y = zip(*group, strict=True)
            drawn.append(ax.scatter(x, y, s=16, c=colour, alpha=alpha, linewidths=0, zorder=2))
    points = efficient(study.metrics, [(x, y) for place, x, y in course if place <= count])
    if points:
        x, y = zip(*points, strict=True)
        size = _size(len(points))
        drawn.append(ax.scatter(x, y, s=size, c=colour, edgecolors=plot.INK, linewidths=0.7, zorder=4))
        corners = staircase(first, second, points, ax.get_xlim(), ax.get_ylim())
        drawn += ax.plot(*zip(*corners, strict=True), color=colour, linewidth=1.6, zorder=3)
    ax.set_title(f"{search.label}: {count:,} of {total:,} trainings", fontsize=11)
    return drawn


def _view(study: Study) -> tuple[Range, Range]:
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
        found.append(_with_room(metric, [*kept, *fronts]))
    return found[0], found[1]


def efficient(metrics: Sequence[Metric], values: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The distinct vectors of two metrics that no other one dominates, best in the first metric first."""
    first, second = (sign_of(metric) for metric in metrics)
    found: list[tuple[float, float]] = []
    for vector in sorted(set(values), key=lambda v: (-first * v[0], -second * v[1])):
        # Worse in the first metric than all found before: only a better second one makes it efficient.
        if not found or second * vector[1] > second * found[-1][1]:
            found.append(vector)
    return found


def _titled(study: Study, what: str) -> Any:
    return replace(study.model_based.experiment, name=f"{study.name}: {what}")
