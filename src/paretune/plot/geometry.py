"""What a picture of a front needs to compute before it draws: which range, which corners."""

from collections.abc import Iterable, Sequence

from paretune.experiment import Goal, Metric
from paretune.observation import Observation, ParetoFront

ZOOM_RATIO = 1.5
"""An axis shows only where the fronts differ when all values span more than this many times as much."""


def value_of(observation: Observation, metric: Metric) -> float:
    """The value of a metric; NaN when it was not measured."""
    value = observation.value(metric.name)
    return float("nan") if value is None else value


def view(
    metric: Metric, values: Sequence[float], fronts: Sequence[ParetoFront]
) -> tuple[float, float] | None:
    """The range of an axis in which the fronts differ; None when everything fits a range hardly larger.

    It holds all front values and reference points, with some room, more of it on the worse side.
    """
    matter = [value_of(point.observation, metric) for front in fronts for point in front]
    matter += [front.reference_point[metric.name] for front in fronts if len(front)]
    if not matter or max(matter) <= min(matter):
        return None
    low, high = min(matter), max(matter)
    room = (0.25 * (high - low), 0.08 * (high - low))
    low, high = (
        (low - room[0], high + room[1]) if metric.goal is Goal.MAXIMIZE else (low - room[1], high + room[0])
    )
    if max(values) - min(values) < ZOOM_RATIO * (high - low):
        return None
    return low, high


def stairs(
    first: Metric,
    second: Metric,
    front: ParetoFront,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> list[tuple[float, float]]:
    """Corners of the staircase through the front, begun and ended at the worse end of the ranges."""
    points = [(value_of(p.observation, first), value_of(p.observation, second)) for p in front]
    return staircase(first, second, points, x_range, y_range)


def staircase(
    first: Metric,
    second: Metric,
    points: Iterable[tuple[float, float]],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> list[tuple[float, float]]:
    """Corners of the staircase through points of which none dominates another, as `stairs`."""
    toward = 1 if first.goal is Goal.MAXIMIZE else -1
    points = sorted(points, key=lambda point: -toward * point[0])
    if not points:
        return []
    corners = [(points[0][0], y_range[0] if second.goal is Goal.MAXIMIZE else y_range[1])]
    for x, y in points:
        corners += [(x, corners[-1][1]), (x, y)] if x != corners[-1][0] else [(x, y)]
    corners.append((x_range[0] if first.goal is Goal.MAXIMIZE else x_range[1], corners[-1][1]))
    return corners
