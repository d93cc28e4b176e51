"""Where the command line writes: results on standard output, progress and remarks on standard error."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 200
"""Columns when nobody looks: wide enough that tables in files and pipes are not cut."""


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def out() -> Console:
    """The console for results."""
    return _console(stderr=False)


def err() -> Console:
    """The console for progress and remarks."""
    return _console(stderr=True)


def remark(text: str) -> None:
    """Say something beside the results, on standard error."""
    _print_text(err(), text)


class Remarks(logging.Handler):
    """Says what the library logs, but not the same thing again within some seconds."""

    def __init__(self, pause: float = 10.0) -> None:
        super().__init__(logging.WARNING)
        self._pause = pause
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record."""
        key = str(record.msg)
        if record.created - self._said.get(key, -self._pause) >= self._pause:
            self._said[key] = record.created
            remark(record.getMessage())


def say(text: str) -> None:
    """Say a result in words, on standard output."""
    _print_text(out(), text)


def _print_text(console: Console, text: str) -> None:
    # Lines are broken for people between words, and for programs not at all.
    console.print(Text(clean(text)), soft_wrap=not console.is_terminal)


def print_table(table: Table) -> None:
    """A table on standard output; in files and pipes without the spaces that fill its lines."""
    console = out()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    lines = (line.rstrip() for line in capture.get().splitlines())
    sys.stdout.write("\n".join(line for line in lines if line) + "\n")
    sys.stdout.flush()


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_json_line(document: Any, file: IO[str] | None = None) -> None:
    """One JSON document on one line of a file or of standard output, at once."""
    file = file or sys.stdout
    file.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
    file.flush()


def print_lines(lines: Iterable[str]) -> None:
    """Plain lines on standard output, at once."""
    for line in lines:
        sys.stdout.write(clean(line) + "\n")
    sys.stdout.flush()


def clean(text: str) -> str:
    """The text without control characters: names and reasons come from elsewhere."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "?", text)


def number(value: float) -> str:
    """A measured number, short: four significant digits."""
    return f"{value:.4g}"


def file_stem(name: str) -> str:
    """The name of an experiment, fit for a file name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "experiment"


def relative(path: Path) -> str:
    """The path as a person in the working folder would write it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
