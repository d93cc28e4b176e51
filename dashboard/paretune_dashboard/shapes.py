"""Replies of the Optimizer in the shape that charts take."""

from typing import Any

from paretune.v1 import types_pb2


def front_columns(found: Any) -> dict[str, Any]:
    """A front without the observations in it; a probability is None where none was asked for."""
    computed = found.probability_source != types_pb2.PROBABILITY_SOURCE_NONE
    return {
        "ids": [point.observation.id for point in found.points],
        "ordinals": [point.observation.ordinal for point in found.points],
        "probabilities": [
            round(point.probability_efficient, 4) if computed else None for point in found.points
        ],
        "contributions": [point.hypervolume_contribution for point in found.points],
        "values": [[[v.metric, v.value] for v in point.observation.values] for point in found.points],
        "hypervolume": found.hypervolume,
        "reference_point": [[value.metric, value.value] for value in found.reference_point],
        "observation_count": found.observation_count,
    }


def curve(reply: Any, points: int) -> dict[str, Any]:
    """A hypervolume history as columns, thinned to so many points."""
    volumes = reply.hypervolumes
    step = max(1, -(-len(volumes) // points))
    at = sorted({*range(step - 1, len(volumes), step), *([0, len(volumes) - 1] if volumes else [])})
    return {
        "observations": [index + 1 for index in at],
        "hypervolumes": [volumes[index] for index in at],
        "reference_point": [[value.metric, value.value] for value in reply.reference_point],
    }
