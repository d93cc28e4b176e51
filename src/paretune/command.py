"""Commands as workloads: what `{name}` in an argument stands for."""

import re
from collections.abc import Collection, Mapping, Sequence

from paretune.errors import InvalidArgument
from paretune.parameters import unknown_name

COMMAND = "command"
"""Name of the workload that runs a command."""

RESERVED_METRICS = ("step", "infeasible")
"""Words of a line of metrics that mean something else than a metric."""

MAX_ARGUMENTS = 1000
MAX_BYTES = 64 * 1024

_PLACE = re.compile(r"\{\{|\}\}|\{([\w.-]+)\}")


def placeholders(command: Sequence[str]) -> list[str]:
    """The names that `{name}` stands for in a command, in order, each once."""
    return list(dict.fromkeys(m[1] for word in command for m in _PLACE.finditer(word) if m[1]))


def filled(word: str, values: Mapping[str, str]) -> str:
    """One argument of a command with `{name}` replaced; what has no value in this trial is left empty."""
    return _PLACE.sub(lambda m: values.get(m[1], "") if m[1] else m[0][0], word)


def check_command(command: Sequence[str]) -> None:
    """Refuse what no system can start.

    Raises:
        InvalidArgument: no program, too much text, or a character that arguments cannot have.
    """
    if not command[0].strip():
        raise InvalidArgument.of("command", "must begin with a program")
    if len(command) > MAX_ARGUMENTS:
        raise InvalidArgument.of(
            "command", f"has {len(command)} arguments; at most {MAX_ARGUMENTS} are allowed"
        )
    if sum(len(word.encode(errors="replace")) for word in command) > MAX_BYTES:
        raise InvalidArgument.of("command", f"has more than {MAX_BYTES} bytes")
    if any("\0" in word for word in command):
        raise InvalidArgument.of("command", "has a NUL character")


def check_names(command: Sequence[str], names: Collection[str], metrics: Collection[str]) -> None:
    """Refuse a command that asks for what a trial does not have, or metrics that it could not report.

    Args:
        command: program and arguments.
        names: of parameters and settings.
        metrics: of the experiment.

    Raises:
        InvalidArgument: the message names the closest.
    """
    for name in placeholders(command):
        if name not in names:
            hint = unknown_name("parameter or setting", name, names)
            raise InvalidArgument.of("workload.command", f"{hint} (write {{{{ and }}}} for braces)")
    for name in RESERVED_METRICS:
        if name in metrics:
            raise InvalidArgument.of(
                "metrics", f"{name!r} means something else in what a command reports: rename it"
            )
