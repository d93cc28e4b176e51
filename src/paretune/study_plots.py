"""The pictures of a study: both searches in metric space, how sure random search is, and both over time."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune import plot
from paretune.geometry import staircase, value_of
from paretune.insight import Attainment
from paretune.observation import Observation
from paretune.study import BANDS, Search, Study, is_feasible, sign_of, vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL_COLOUR, RANDOM_COLOUR = plot.SERIES[0], plot.SERIES[1]
LINES = dict(zip(BANDS, (":", "-", "--"), strict=True))
BORDER = "#7f3b08"
FRAMES, SECONDS_PER_FRAME, LAST_SECONDS = 40, 0.2, 3.0
ANIMATION_DPI = 80
Range = tuple[float, float]


def scatter(study: Study) -> "Figure":
    """Every training of both searches in metric space, with the points of the merged frontier ringed."""
    series = [plot.Series(one.label, one.observations, one.front) for one in study.searches]
    figure = plot.pareto(_titled(study, "every training"), series)
    if len(study.metrics) == 2:
        merged = study.merged
        points = [*merged.model_based, *merged.random, *merged.both]
        _ring(figure.axes[0], points)
    return figure


def _ring(ax: "Axes", points: Sequence[Sequence[float]]) -> None:
    limits = ax.get_xlim(), ax.get_ylim()
    if points:
        x, y = [point[0] for point in points], [point[1] for point in points]
        ax.scatter(x, y, s=130, facecolors="none", edgecolors=plot.INK, linewidths=1.1, zorder=4)
        ax.set_title("rings: frontier of both together", loc="left", fontsize=9, fontweight="normal")
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


def volumes(study: Study) -> "Figure":
    """Hypervolume of both searches over trainings, on a logarithmic axis of trainings."""
    curves = {one.label: one.volumes for one in study.searches}
    figure = plot.history(_titled(study, "hypervolume over trainings"), curves)
    ax = figure.axes[0]
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("trainings (logarithmic)")
    ax.axhline(
        study.model_based.front.hypervolume, color=MODEL_COLOUR, linewidth=0.9, linestyle=":", alpha=0.8
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
        figure = Figure(figsize=(7.4, 5.4), layout="constrained")
        ax = figure.subplots()
        x_range, y_range = _ranges(study, study.attainment)
        ax.set_xlim(x_range)
        ax.set_ylim(y_range)
        _regions(figure, ax, study, study.attainment)
        _front(ax, study.model_based, study, MODEL_COLOUR, plot.SHAPES[0])
        _front(ax, study.random, study, RANDOM_COLOUR, plot.SHAPES[1])
        _axes(ax, study)
        ax.set_xlim(x_range)
        ax.set_ylim(y_range)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        count = len(study.model_based.observations)
        figure.suptitle(
            f"random search with {count} trainings: how likely it gets where",
            x=0.015,
            ha="left",
            fontsize=13,
            fontweight="bold",
            color=plot.INK,
        )
    return figure


def _ranges(study: Study, regions: Attainment) -> tuple[Range, Range]:
    """What holds both fronts and all regions, with some room."""
    found = []
    for index, metric in enumerate(study.metrics):
        values = [v[index] for one in study.searches for v in vectors(study.metrics, one.front)]
        values += [
            point[metric.name]
            for surface in regions.surfaces
            if round(surface.level, 2) in BANDS[:2]
            for point in surface.points
        ]
        if metric.name in study.reference_point:
            values.append(study.reference_point[metric.name])
        low, high = min(values), max(values)
        room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        found.append((low - room, high + room))
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


def _front(ax: "Axes", search: Search, study: Study, colour: str, shape: str) -> None:
    """The front of a search with its staircase."""
    points = [(v[0], v[1]) for v in vectors(study.metrics, search.front)]
    if not points:
        return
    first, second = study.metrics
    name = f"{search.label}: front of {len(search.observations)} trainings"
    x, y = zip(*points, strict=True)
    ax.scatter(x, y, s=46, c=colour, marker=shape, edgecolors="white", linewidths=0.7, label=name, zorder=4)
    sx, sy = zip(*staircase(first, second, points, ax.get_xlim(), ax.get_ylim()), strict=True)
    ax.plot(sx, sy, color=colour, linewidth=1.5, zorder=3)


def _axes(ax: "Axes", study: Study) -> None:
    for metric, name in zip(study.metrics, "xy", strict=True):
        unit = f" [{metric.unit}]" if metric.unit else ""
        better = "higher" if sign_of(metric) > 0 else "lower"
        getattr(ax, f"set_{name}label")(f"{metric.name}{unit}, {better} is better")
        ax.locator_params(axis="x" if name == "x" else "y", nbins=6)


def animation(study: Study, frames: int = FRAMES) -> bytes | None:
    """Both searches over time, side by side, as an animated GIF; None with other than two metrics.

    Every frame shows the same share of both budgets.
    """
    if len(study.metrics) != 2 or not any(one.front for one in study.searches):
        return None
    from PIL import Image

    pictures = []
    steps = min(frames, max(len(one.observations) for one in study.searches))
    for share in (step / steps for step in range(1, steps + 1)):
        rgba = _frame(study, share)
        pictures.append(Image.fromarray(rgba).convert("RGB").quantize(48, dither=Image.Dither.NONE))
    buffer = io.BytesIO()
    durations = [round(1000 * SECONDS_PER_FRAME)] * (len(pictures) - 1) + [round(1000 * LAST_SECONDS)]
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
    )
    return buffer.getvalue()


def _frame(study: Study, share: float) -> Any:
    """One picture of the animation as an array of pixels."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ranges = _view(study)
    with mpl.rc_context(plot.STYLE):
        figure = Figure(figsize=(10.4, 4.4), dpi=ANIMATION_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        for ax, search, colour in zip(
            figure.subplots(1, 2, sharex=True, sharey=True),
            study.searches,
            (MODEL_COLOUR, RANDOM_COLOUR),
            strict=True,
        ):
            ax.set_xlim(ranges[0])
            ax.set_ylim(ranges[1])
            _so_far(ax, study, search, round(share * len(search.observations)), colour)
            _axes(ax, study)
            ax.label_outer()
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())


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
        # The worst tenth is cut off, or a few slow trainings squeeze all others into a corner.
        cut = len(values) // 10
        kept = values[cut:] if sign_of(metric) > 0 else values[: len(values) - cut]
        low, high = min([*kept, *fronts]), max([*kept, *fronts])
        room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        found.append((low - room, high + room))
    return found[0], found[1]


def _so_far(ax: "Axes", study: Study, search: Search, count: int, colour: str) -> None:
    """What a search had found after so many trainings; the newest are the darkest."""
    first, second = study.metrics
    seen = [o for o in search.observations[:count] if is_feasible(search.experiment, o)]
    recent = max(1, len(search.observations) // 10)
    old = [o for o in seen if o.ordinal <= count - recent]
    new = [o for o in seen if o.ordinal > count - recent]
    for group, alpha in ((old, 0.25), (new, 0.85)):
        ax.scatter(
            [value_of(o, first) for o in group],
            [value_of(o, second) for o in group],
            s=18,
            c=colour,
            alpha=alpha,
            linewidths=0,
        )
    points = efficient(study, seen)
    if points:
        x, y = zip(*points, strict=True)
        ax.scatter(x, y, s=42, c=colour, edgecolors=plot.INK, linewidths=0.8, zorder=3)
        limits = ax.get_xlim(), ax.get_ylim()
        sx, sy = zip(*staircase(first, second, points, *limits), strict=True)
        ax.plot(sx, sy, color=colour, linewidth=1.6, zorder=2)
        ax.set_xlim(limits[0])
        ax.set_ylim(limits[1])
    # Monospaced digits would be better still, but a width that stays is enough to read while it moves.
    ax.set_title(f"{search.label}: {count} of {len(search.observations)} trainings", fontsize=11)


def efficient(study: Study, observations: Iterable[Observation]) -> list[tuple[float, float]]:
    """The distinct metric vectors, of two metrics, that no other one dominates, best in the first first."""
    first, second = study.metrics
    values = {(value_of(o, first), value_of(o, second)) for o in observations}
    found: list[tuple[float, float]] = []
    for vector in sorted(values, key=lambda v: (-sign_of(first) * v[0], -sign_of(second) * v[1])):
        # Worse in the first metric than all found before: only a better second one makes it efficient.
        if not found or sign_of(second) * vector[1] > sign_of(second) * found[-1][1]:
            found.append(vector)
    return found


def _titled(study: Study, what: str) -> Any:
    experiment = study.model_based.experiment
    return replace(experiment, name=f"{experiment.name}: {what}")
