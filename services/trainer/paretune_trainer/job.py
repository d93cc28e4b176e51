"""One training as the node describes it to the process that runs it: a JSON file, read by `child`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from paretune_trainer.workload import Value

FILE_NAME: Final = "trial.json"
"""Name of the file, in the scratch folder of the trial."""


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes:
        entry_point: "module:function" of the workload.
        parameters: the active parameters, with their types.
        settings: the experiment's settings of the workload.
        seed: the trial's source of randomness; see `seed_of`.
        lock: file that is locked during measurements; empty for none.
        pauses: whether the node stops other trials during measurements, when it is told of them.
        environment: further variables of the trial's process.
        python_path: folders put before Python's own search path.
        memory_bytes: limit on private memory, interpreter and framework included; 0 for none.
        load_only: import the entry point, and do not call it.
        command: program and arguments that run instead of a function; empty: none.
    """

    entry_point: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    lock: str = ""
    pauses: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    python_path: tuple[str, ...] = ()
    memory_bytes: int = 0
    load_only: bool = False
    command: tuple[str, ...] = ()

    @property
    def code_folder(self) -> Path | None:
        """Where a command runs: the first folder of the user's code."""
        return Path(self.python_path[0]) if self.python_path else None

    def write(self, folder: Path) -> None:
        """Leave it in the scratch folder."""
        (folder / FILE_NAME).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Job:
        """The job left in the scratch folder."""
        content = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        for name in ("python_path", "command"):
            content[name] = tuple(content[name])
        return cls(**content)


def seed_of(experiment_seed: int, ordinal: int) -> int:
    """The seed of one suggestion's training: the same for every attempt, unrelated to its neighbours'.

    31 bits, because some frameworks take no more.
    """
    digest = hashlib.sha256(f"paretune trial {experiment_seed} {ordinal}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
