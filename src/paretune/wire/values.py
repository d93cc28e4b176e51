"""Times, enums and typed values, to and from messages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from paretune.errors import InvalidArgument, Violation
from paretune.parameters import Assignments, Scalar
from paretune.space import SearchSpace
from paretune.v1 import types_pb2

T = TypeVar("T")


def each(read: Callable[[Any], T], messages: Sequence[Any], path: str) -> list[T]:
    """`read` of every message; violations get the path of their element, and all are collected."""
    results: list[T] = []
    wrong: list[Violation] = []
    for index, message in enumerate(messages):
        try:
            results.append(read(message))
        except InvalidArgument as error:
            wrong += error.under(f"{path}[{index}]").violations
    if wrong:
        raise InvalidArgument(violations=wrong)
    return results


# Times and small things


def time_to_proto(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_from_proto(message: Message, field: str) -> datetime | None:
    """The aware UTC time of a timestamp field; None when the field is not set."""
    if not message.HasField(field):
        return None
    try:
        return getattr(message, field).ToDatetime(tzinfo=UTC)  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        raise InvalidArgument.of(field, "is not a time between the years 1 and 9999") from None


def duration_to_proto(seconds: float) -> Duration:
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def duration_from_proto(message: Duration) -> float:
    """Seconds."""
    return float(message.ToNanoseconds() / 1e9)


def value_to_proto(value: Scalar) -> types_pb2.Value:
    if isinstance(value, str):
        return types_pb2.Value(string_value=value)
    if isinstance(value, int):
        return types_pb2.Value(int_value=value)
    return types_pb2.Value(double_value=value)


def value_from_proto(message: types_pb2.Value) -> Scalar:
    kind = message.WhichOneof("kind")
    if kind is None:
        raise InvalidArgument.of("", "has no value: set double_value, int_value or string_value")
    return getattr(message, kind)  # type: ignore[no-any-return]


def assignments_to_proto(assignments: Mapping[str, Scalar]) -> dict[str, types_pb2.Value]:
    """As a map field takes it; in order of names, so that equal assignments give equal bytes."""
    return {name: value_to_proto(assignments[name]) for name in sorted(assignments)}


def assignments_from_proto(
    message: Mapping[str, types_pb2.Value], space: SearchSpace | None = None
) -> Assignments:
    """The configuration; with a `space` also validated against it."""
    assignments: Assignments = {}
    wrong: list[Violation] = []
    for name in sorted(message):
        try:
            assignments[name] = value_from_proto(message[name])
        except InvalidArgument as error:
            wrong += error.under(f"assignments[{name!r}]").violations
    if wrong:
        raise InvalidArgument(violations=wrong)
    return assignments if space is None else space.validate(assignments)


def enum_to_proto(member: Enum | None) -> Any:
    """The number of the member, as an enum field takes it; 0 (unspecified) for None."""
    return member.value if member else 0


def enum_from_proto(kind: type[T], number: int, path: str) -> T:
    """The member with this number; InvalidArgument for numbers that this version does not know."""
    try:
        return kind(number)  # type: ignore[call-arg]
    except ValueError:
        names = ", ".join(member.name for member in kind)  # type: ignore[attr-defined]
        raise InvalidArgument.of(path, f"must be one of {names}") from None
