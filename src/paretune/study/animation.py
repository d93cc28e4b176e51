"""Both searches over time, side by side."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from paretune.experiment import Metric
from paretune.plot import style
from paretune.plot.geometry import staircase, value_of
from paretune.study.axes import COLOURS, marker_area, prepare, usual_view
from paretune.study.comparison import Search, Study, is_feasible, sign_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES, SECONDS_PER_FRAME, LAST_SECONDS = 40, 0.2, 3.0
ANIMATION_DPI, PALETTE = 80, 96


def animation(study: Study, frames: int = FRAMES) -> bytes | None:
    """Both searches over time, side by side, as an animated GIF; None with other than two metrics.

    Every frame shows the same share of both budgets.
    """
    import matplotlib as mpl
    from PIL import Image

    if len(study.metrics) != 2 or not any(one.front for one in study.searches):
        return None
    steps = min(frames, max(len(one.observations) for one in study.searches))
    with mpl.rc_context(style.STYLE):
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
        prepare(ax, study, usual_view(study))
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
        size = marker_area(len(points))
        drawn.append(ax.scatter(x, y, s=size, c=colour, edgecolors=style.INK, linewidths=0.7, zorder=4))
        corners = staircase(first, second, points, ax.get_xlim(), ax.get_ylim())
        drawn += ax.plot(*zip(*corners, strict=True), color=colour, linewidth=1.6, zorder=3)
    ax.set_title(f"{search.label}: {count:,} of {total:,} trainings", fontsize=11)
    return drawn


def efficient(metrics: Sequence[Metric], values: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The distinct vectors of two metrics that no other one dominates, best in the first metric first."""
    first, second = (sign_of(metric) for metric in metrics)
    found: list[tuple[float, float]] = []
    for vector in sorted(set(values), key=lambda v: (-first * v[0], -second * v[1])):
        # Worse in the first metric than all found before: only a better second one makes it efficient.
        if not found or second * vector[1] > second * found[-1][1]:
            found.append(vector)
    return found
