"""Train uniformly random configurations of a built-in workload and write down what each gave.

Configuration i of a seed is a pure function of both, so a recording that was stopped goes on
where it was, and two machines could share one. One line of JSON per training:

| field | meaning |
|---|---|
| index | i, the configuration's number; the training's own seed, too |
| parameters | its values, uniform over the ranges of the workload |
| outcome, reason | OK, or INFEASIBLE and why |
| metrics | metric -> value, or (value, standard error) |
| curve | (step, metrics, CPU seconds since the start) of each checkpoint |
| seconds | CPU seconds of the whole training, measurements included; on a GPU, of the core driving it |

Beside it, `NAME.made.json` says how it was made: one entry per start of the recording.
"""

from __future__ import annotations

import datetime
import importlib
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from benchmarks.recording.turns import Turns

from paretune.study.figures import commit_of
from paretune_trainer.facts import runtime_facts
from paretune_trainer.workload import Infeasible, ParameterSpec, Value, Workload, builtin_workloads

ROOT = Path(__file__).parents[2]
IDENTITY = ("workload", "parameters", "settings", "seed", "repeats")
"""What all trainings of one recording have in common."""


@dataclass
class RecordedTrial:
    """The handle of a training that no trainer runs: it keeps the checkpoints."""

    settings: Mapping[str, str]
    seed: int
    turns: Turns | None = None
    directive: str = "continue"
    started: float = field(default_factory=time.process_time)
    curve: list[tuple[int, dict[str, float], float]] = field(default_factory=list)

    def should_stop(self) -> bool:
        """Never: a recording is of whole trainings. Called between epochs, when a GPU may change hands."""
        if self.turns:
            self.turns.offer()
        return False

    def checkpoint(self, step: int, **metrics: float) -> None:
        """Keep an intermediate vector with the CPU time it took to get there."""
        self.curve.append((step, metrics, round(time.process_time() - self.started, 4)))

    def log(self, text: str) -> None:
        """Say nothing: thousands of trainings would."""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Have a GPU alone; on a CPU, the time of a thread has nothing of others' turns on its core in it."""
        if self.turns is None:
            yield
            return
        with self.turns.alone():
            yield


@dataclass(frozen=True)
class Recording:
    """What is recorded.

    Attributes:
        workload: name of a built-in workload.
        searched: names of the parameters that vary; the others keep their defaults.
        settings: of the workload.
        seed: of the configurations.
        repeats: trainings of each configuration, with seeds of their own: training `index` has
            configuration `index // repeats`.
    """

    workload: str
    searched: tuple[str, ...]
    settings: Mapping[str, str]
    seed: int = 0
    repeats: int = 1

    @property
    def specs(self) -> tuple[ParameterSpec, ...]:
        """The parameters that vary."""
        return tuple(
            spec for spec in builtin_workloads()[self.workload].parameters if spec.name in self.searched
        )

    def row(self, index: int) -> dict[str, Any]:
        """Train number `index`."""
        parameters = configuration(self.specs, self.seed, index // self.repeats)
        workload = builtin_workloads()[self.workload]
        turns = _turns if self.on_gpu else None
        with turns.shared() if turns else nullcontext():
            return {"index": index, **train(workload, parameters, RecordedTrial(self.settings, index, turns))}

    @property
    def on_gpu(self) -> bool:
        """Whether trainings share a GPU."""
        return self.settings.get("device", "cpu") != "cpu"


def configuration(parameters: tuple[ParameterSpec, ...], seed: int, index: int) -> dict[str, Value]:
    """Configuration `index` of a seed: uniform over the ranges, on the scale they are declared in."""
    rng = np.random.Generator(np.random.Philox(key=seed, counter=index << 64))
    return {spec.name: _draw(spec, rng) for spec in parameters}


def _draw(spec: ParameterSpec, rng: np.random.Generator) -> Value:
    if spec.type == "categorical":
        return spec.choices[int(rng.integers(len(spec.choices)))]
    assert spec.min is not None
    assert spec.max is not None
    if spec.type == "int":
        return int(rng.integers(int(spec.min), int(spec.max) + 1))
    return float(rng.uniform(spec.min, spec.max))


def train(workload: Workload, parameters: Mapping[str, Value], trial: RecordedTrial) -> dict[str, Any]:
    """Run one training; what the configuration is to blame for becomes INFEASIBLE."""
    outcome, reason, metrics = "OK", "", {}
    try:
        metrics = dict(workload.load()(parameters, trial))
    except Infeasible as error:
        outcome, reason = "INFEASIBLE", error.reason
    return {
        "parameters": dict(parameters),
        "outcome": outcome,
        "reason": reason,
        "metrics": metrics,
        "curve": trial.curve,
        "seconds": round(time.process_time() - trial.started, 4),
    }


_turns: Turns | None = None
"""This process's place at the turnstile, where trainings share a GPU."""


def _begin(folder: str) -> None:
    global _turns
    _turns = Turns(Path(folder))


def record(recording: Recording, path: Path, *, count: int, workers: int = 2, command: str = "") -> int:
    """Append to `path` every training up to `count` that it lacks; how many were trained.

    On a CPU each runs in a process of its own, forked after the framework was imported, so that none
    is timed on memory that another has left behind. On a GPU a process trains many, since starting CUDA takes
    longer than a training, and whoever times its network has the device alone meanwhile.
    """
    done = finished(path)
    missing = [index for index in range(count) if index not in done]
    if not missing:
        return 0
    # Imported once, here: it starts no thread, and each training would pay a second for it.
    importlib.import_module("torch")
    note_making(path, recording, command)
    context = multiprocessing.get_context("fork")
    start = time.monotonic()
    each_alone = None if recording.on_gpu else 1
    with (
        tempfile.TemporaryDirectory() as folder,
        path.open("a") as file,
        context.Pool(workers, _begin, (folder,), maxtasksperchild=each_alone) as pool,
    ):
        for trained, row in enumerate(pool.imap_unordered(recording.row, missing), 1):
            _append(file, row)
            if trained % 20 == 0:
                each = (time.monotonic() - start) / trained
                left = (len(missing) - trained) * each / 60
                print(
                    f"{len(done) + trained} of {count}, {each:.2f} s each, {left:.0f} min to go", flush=True
                )
    return len(missing)


def finished(path: Path) -> set[int]:
    """Numbers of the trainings in a recording; a last line that a kill cut short is taken off."""
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return {json.loads(line)["index"] for line in whole.splitlines()}


def note_making(path: Path, recording: Recording, command: str) -> None:
    """Write down beside a recording what it is and how it is made, unless that was said before.

    Raises:
        ValueError: what is there was another recording.
    """
    beside = path.with_suffix(".made.json")
    notes = json.loads(beside.read_text()) if beside.exists() else []
    note = {
        "workload": recording.workload,
        "parameters": [spec.name for spec in recording.specs],
        "settings": {key: value for key, value in recording.settings.items() if key != "data"},
        "seed": recording.seed,
        "repeats": recording.repeats,
        "command": command,
        "commit": commit_of(ROOT / "src" / "paretune") or "unknown",
        "cores": os.cpu_count(),
        **runtime_facts(),
    }
    if differing := [key for key in IDENTITY if notes and notes[0][key] != note[key]]:
        raise ValueError(f"{path} was recorded with other {', '.join(differing)}: choose another file")
    if not any({**old, "begun": ""} == {**note, "begun": ""} for old in notes):
        notes.append({**note, "begun": datetime.datetime.now(datetime.UTC).date().isoformat()})
    beside.write_text(json.dumps(notes, indent=1) + "\n")


def _append(file: TextIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()
