"""What `--json` prints: the values of the vocabulary as plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from paretune.observation import ParetoFront, ParetoPoint
from paretune.parameters import Categorical, Double, Int

_KINDS = {Double: "double", Int: "int", Categorical: "categorical"}


def document(value: Any) -> Any:
    """A value of the vocabulary as dicts, lists and scalars; enums in lower case, times in ISO 8601."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, ParetoFront):
        return front_document(value)
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"type": _KINDS[type(value)]} if type(value) in _KINDS else {}
        return kind | {field.name: document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): document(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [document(item) for item in value]
    return value


def front_document(front: ParetoFront) -> dict[str, Any]:
    """The front: hypervolume, reference point, and one entry per efficient observation."""
    return {
        "hypervolume": front.hypervolume,
        "reference_point": dict(front.reference_point),
        "observation_count": front.observation_count,
        "points": [_point_document(point) for point in front],
    }


def _point_document(point: ParetoPoint) -> dict[str, Any]:
    return {
        "observation_id": point.observation.id,
        "ordinal": point.observation.ordinal,
        "assignments": dict(point.assignments),
        "values": point.values,
        "stddevs": {v.metric: v.stddev for v in point.observation.values if v.stddev is not None},
        "probability_efficient": point.probability_efficient,
        "hypervolume_contribution": point.hypervolume_contribution,
    }
