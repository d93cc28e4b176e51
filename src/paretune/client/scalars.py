"""Python scalars from what numpy, torch and their kin compute."""

from collections.abc import Mapping
from typing import Any

from paretune.errors import InvalidArgument, Violation


def plain(value: Any) -> Any:
    """The Python number in a numpy or torch scalar; anything else as it is."""
    if isinstance(value, str | int | float) and type(value).__module__ == "builtins":
        return value
    return value.item() if hasattr(value, "item") else value


def check_mapping(values: object, path: str, wanted: str) -> None:
    """Refuse what is not like a dict, as a row of a DataFrame is; `wanted` says what to give instead."""
    if not hasattr(values, "items"):
        raise InvalidArgument.of(path, f"is {values!r}; give {wanted}")


def plain_assignments(assignments: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with Python scalars only.

    Raises:
        InvalidArgument: a value that is neither number nor text, or no mapping at all.
    """
    check_mapping(assignments, "assignments", "a dict from parameter to value")
    settled = {name: plain(value) for name, value in assignments.items()}
    wrong = [
        Violation(f"assignments[{name!r}]", f"{value!r} is not a number or a text")
        for name, value in settled.items()
        if not isinstance(value, str | int | float) or isinstance(value, bool)
    ]
    if wrong:
        raise InvalidArgument(violations=wrong)
    return settled
