"""The pictures of a study: both searches in metric space, over trainings, and how sure random search is."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.insight import Attainment
from paretune.plot import fronts, style
from paretune.plot.geometry import staircase, value_of
from paretune.study.axes import COLOURS, SHAPES, Range, finish, marker_area, prepare, usual_view, with_room
from paretune.study.comparison import BANDS, MODEL_BASED, Search, Study, is_feasible, sign_of, vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BORDER = "#7f3b08"
LINES = dict(zip(BANDS, (":", "-", "--"), strict=True))
"""Style of the border of each region that has one."""


def scatter(study: Study) -> "Figure":
    """Every training of both searches in metric space, with the points of the merged frontier ringed.

    With other than two metrics: both searches in a panel for each pair of metrics, without rings.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if len(study.metrics) != 2:
        series = [fronts.Series(one.label, one.observations, one.front) for one in study.searches]
        return fronts.pareto(_titled(study, "every training"), series)
    with mpl.rc_context(style.STYLE):
        figure = Figure(figsize=(7.4, 5.4), layout="constrained")
        ax = figure.subplots()
        prepare(ax, study, usual_view(study))
        # Random search first: there is more of it, and it would hide the other.
        for search in reversed(study.searches):
            _cloud(ax, study, search)
        merged = study.merged
        rings = [*merged.model_based, *merged.random, *merged.both]
        label = f"frontier of both together ({len(rings)})"
        if rings:
            x, y = zip(*rings, strict=True)
            size = 2.2 * marker_area(len(rings))
            ax.scatter(
                x, y, s=size, facecolors="none", edgecolors=style.INK, linewidths=0.9, label=label, zorder=5
            )
        outside = _outside(ax, study)
        if outside:
            ax.set_title(
                f"{outside} worse {'one lies' if outside == 1 else 'ones lie'} outside",
                loc="right",
                fontsize=9,
                color=style.FAINT,
            )
        finish(figure, ax, f"{study.name}: every training")
    return figure


def _cloud(ax: "Axes", study: Study, search: Search) -> None:
    """All trainings of a search that were measured, and its front."""
    first, second = study.metrics
    known = [o for o in search.observations if all(o.value(m.name) is not None for m in study.metrics)]
    good = [o for o in known if is_feasible(search.experiment, o)]
    kept = {id(o) for o in good}
    bad = [o for o in known if id(o) not in kept]
    small = 0.4 * marker_area(len(search.observations))
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


def volumes(study: Study) -> "Figure":
    """Hypervolume of both searches over trainings, on a logarithmic axis of trainings."""
    curves = {one.label: one.volumes for one in study.searches}
    figure = fronts.history(_titled(study, "hypervolume over trainings"), curves)
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
    with mpl.rc_context(style.STYLE):
        figure = Figure(figsize=(7.4, 5.6), layout="constrained")
        ax = figure.subplots()
        prepare(ax, study, _ranges(study, study.attainment))
        _regions(figure, ax, study, study.attainment)
        for search in reversed(study.searches):
            _front(ax, study, search)
        count = study.attainment_size
        finish(figure, ax, f"{study.name}: where random search with {count} trainings gets")
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
        found.append(with_room(metric, values))
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
        s=marker_area(len(points)),
        c=colour,
        marker=SHAPES[search.label],
        edgecolors="white",
        linewidths=0.6,
        label=f"{search.label}: front of {len(search.observations):,} trainings ({len(points)})",
        zorder=4.5 if top else 4,
    )
    corners = staircase(first, second, points, ax.get_xlim(), ax.get_ylim())
    ax.plot(*zip(*corners, strict=True), color=colour, linewidth=1.4, zorder=3.5 if top else 3)


def _titled(study: Study, what: str) -> Any:
    return replace(study.model_based.experiment, name=f"{study.name}: {what}")
