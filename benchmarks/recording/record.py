"""Train uniformly random configurations of a built-in workload and write down what each gave.

Configuration i of a seed is a pure function of both, so a recording that was stopped goes on
where it was, and two machines could share one. One line of JSON per training:

| field | meaning |
|---|---|
| index | i, the configuration's number |
| parameters | its values, uniform over the ranges of the workload |
| outcome, reason | OK, or INFEASIBLE and why |
| metrics | metric -> value, or (value, standard error) |
| curve | (step, metrics, CPU seconds since the start) of each checkpoint |
| seconds | CPU seconds of the whole training, measurements included |
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from paretune_trainer.workload import Infeasible, ParameterSpec, Value, Workload, builtin_workloads


@dataclass
class RecordedTrial:
    """The handle of a training that no trainer runs: it keeps the checkpoints."""

    settings: Mapping[str, str]
    seed: int
    directive: str = "continue"
    started: float = field(default_factory=time.process_time)
    curve: list[tuple[int, dict[str, float], float]] = field(default_factory=list)

    def should_stop(self) -> bool:
        """Never: a recording is of whole trainings."""
        return False

    def checkpoint(self, step: int, **metrics: float) -> None:
        """Keep an intermediate vector with the CPU time it took to get there."""
        self.curve.append((step, metrics, round(time.process_time() - self.started, 4)))

    def log(self, text: str) -> None:
        """Say nothing: thousands of trainings would."""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Time is CPU time of one thread, which others' turns on the core do not enter."""
        yield


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


def _job(task: tuple[str, tuple[str, ...], dict[str, str], int, int]) -> dict[str, Any]:
    name, searched, settings, seed, index = task
    workload = builtin_workloads()[name]
    specs = tuple(spec for spec in workload.parameters if spec.name in searched)
    parameters = configuration(specs, seed, index)
    return {"index": index, **train(workload, parameters, RecordedTrial(settings, index))}


def record(
    workload: str,
    searched: tuple[str, ...],
    settings: dict[str, str],
    path: Path,
    *,
    count: int,
    seed: int = 0,
    workers: int = 2,
) -> int:
    """Append to `path` every training up to `count` that it lacks; how many were trained.

    Each runs in a process of its own, forked after the framework was imported, so that none
    is timed on memory that another has left behind.
    """
    done = {json.loads(line)["index"] for line in path.read_text().splitlines()} if path.exists() else set()
    missing = [(workload, searched, settings, seed, index) for index in range(count) if index not in done]
    # Imported once, here: it starts no thread, and each training would pay a second for it.
    importlib.import_module("torch")
    context = multiprocessing.get_context("fork")
    start = time.monotonic()
    with path.open("a") as file, context.Pool(workers, maxtasksperchild=1) as pool:
        for trained, row in enumerate(pool.imap_unordered(_job, missing), 1):
            _append(file, row)
            if trained % 20 == 0:
                each = (time.monotonic() - start) / trained
                left = (len(missing) - trained) * each / 60
                print(
                    f"{len(done) + trained} of {count}, {each:.2f} s each, {left:.0f} min to go", flush=True
                )
    return len(missing)


def _append(file: TextIO, row: dict[str, Any]) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()
