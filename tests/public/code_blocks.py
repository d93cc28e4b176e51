"""Code blocks of documents, and how a page is run: from top to bottom, in one folder.

A block of `sh` runs with ``set -e`` and `paretune` of this environment; blocks of `python` go on with the
names of those before; a block after a line that ends with a file name in backticks and a colon is that file.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_CODE = ("", "text")
"""Languages of drawings and of what programs print."""
SECONDS = 280


@dataclass(frozen=True)
class Block:
    """One block of code; `file` is the name under which it is saved, empty when it is run."""

    language: str
    code: str
    file: str

    def begins_with(self, beginnings: Iterable[str]) -> bool:
        """Whether its text begins with one of these."""
        return self.code.startswith(tuple(beginnings))


def blocks_of(path: Path) -> Iterator[Block]:
    """The blocks of a document that are code."""
    text = path.read_text()
    for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        named = re.search(r"`([\w-]+\.(?:py|yaml|json|toml|sh))`:\s*$", text[: found.start()])
        if found[1] not in NO_CODE:
            yield Block(found[1], found[2], named[1] if named else "")


def run_page(path: Path, folder: Path, skip: Iterable[str] = ()) -> str:
    """Run the blocks of a page, but those that begin as `skip` says; what they printed."""
    (folder / "examples").symlink_to(ROOT / "examples")
    commands = folder / ".bin"
    commands.mkdir()
    for name, program in (("paretune", f"{sys.executable} -m paretune"), ("python", sys.executable)):
        (commands / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (commands / name).chmod(0o755)
    steps: list[tuple[str, str]] = []
    for block in blocks_of(path):
        if block.begins_with(skip):
            continue
        if block.file:
            (folder / block.file).write_text(block.code)
        elif block.language == "python" and steps and steps[-1][0] == "python":
            steps[-1] = ("python", steps[-1][1] + "\n" + block.code)
        else:
            steps.append((block.language, block.code))
    printed = ""
    for language, code in steps:
        command = ["sh", "-euc", code] if language == "sh" else [sys.executable, "-c", code]
        assert language in ("sh", "python"), f"{path}: a block of {language} is neither run nor a file"
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS,
            env=os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, f"{path}:\n{code}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
        printed += done.stdout
    return printed
