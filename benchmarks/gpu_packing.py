"""Diatoms on a GPU: trials per hour one after the other and packed, and what packing does to the latency.

    python -m benchmarks.gpu_packing --seconds 90 --out build/gpu_packing.json

From the root of the repository, on a machine with an NVIDIA GPU. Store, Optimizer and a Trainer node are real
processes on loopback; the policy is `random` with the same seed in both runs. Four phases, none longer than
`--seconds`; each is written to `--out` when it is over, and what is there is not measured again:

1. `serial`: trials per hour of a node with one slot.
2. `packed`: the same with `--slots auto` (or `--slots N`).
3. `alone`: one configuration ten times on a node with one slot: scatter of its inference time.
4. `shared`: the same ten times among other trials on a packed node.

Trials per hour are counted from the first result to the last, (n - 1) / (t_n - t_1), so that the start of the
node is in neither. The coefficient of variation is the standard deviation over the mean of ten.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paretune as pt
from paretune.local import free_ports
from paretune.observation import Observation, OutcomeKind
from paretune_trainer import machine
from paretune_trainer.schema import metric_of, parameter_of
from paretune_trainer.workload import builtin_workloads

DIATOMS = builtin_workloads()["diatoms"]
METRIC = "inference_time"


class Bench:
    """One database with its services, and nodes that come and go.

    Args:
        client: of the services.
        folder: for logs and scratch folders of nodes.
        options: the command line.
    """

    def __init__(self, client: pt.Client, folder: Path, options: argparse.Namespace) -> None:
        self._client, self._folder, self._options = client, folder, options

    def experiment(self, name: str, budget: int, copies: int = 0) -> pt.ExperimentHandle:
        """An experiment for `budget` trials; its first `copies` are all the default configuration."""
        given = {
            "preset": self._options.preset,
            "device": self._options.device,
            "epochs": self._options.epochs,
            "data": self._options.data,
        }
        handle = self._client.create_experiment(
            name=name,
            parameters=[parameter_of(spec) for spec in DIATOMS.parameters],
            metrics=[metric_of(spec) for spec in DIATOMS.metrics],
            observation_budget=budget,
            parallelism=64,
            policy="random",
            seed=1,
            workload="diatoms",
            settings={key: value for key, value in given.items() if value},
        )
        for _ in range(copies):
            handle.queue({spec.name: spec.default for spec in DIATOMS.parameters})
        return handle

    @contextmanager
    def node(self, slots: str, *experiments: pt.ExperimentHandle) -> Iterator[None]:
        """A Trainer node for these experiments; its log goes to standard error at the end."""
        words = [sys.executable, "-m", "paretune_trainer", "--server", self._client.address, "--grace", "0"]
        words += [
            "--listen",
            f"127.0.0.1:{free_ports(1)[0]}",
            "--slots",
            slots,
            "--run-dir",
            str(self._folder),
        ]
        words += [word for one in experiments for word in ("--experiment", one.id)]
        with (self._folder / "node.log").open("w+b") as log:
            process = subprocess.Popen([*words, "--warm", self._options.warm], stdout=log, stderr=log)
            try:
                yield
            finally:
                process.terminate()
                process.wait(60)
                log.seek(0)
                lines = log.read().decode(errors="replace").splitlines()
                told = [line for line in lines if " starts (attempt" not in line and " OK" not in line]
                sys.stderr.write("\n".join(told[:40]) + "\n")

    def wait(self, over: Callable[[], bool]) -> None:
        """Wait for `over`, at most the seconds of one phase."""
        deadline = time.monotonic() + self._options.seconds
        while time.monotonic() < deadline and not over():
            time.sleep(0.5)

    def rate(self, name: str, slots: str) -> dict[str, Any]:
        """Trials per hour of a node with so many slots."""
        handle = self.experiment(name, self._options.trials)
        with self.node(slots, handle):
            self.wait(lambda: handle.refresh().progress.observations >= self._options.trials)
        found = handle.observations()
        times = sorted(one.create_time.timestamp() for one in found if one.create_time)
        hourly = 3600 * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 2 else 0.0
        return {
            "slots": slots,
            "trials": len(times),
            "seconds": round(times[-1] - times[0], 1) if times else 0.0,
            "trials per hour": round(hourly),
            "at once": most_at_once(found),
            "outcomes": dict(Counter(one.outcome.kind.name for one in found)),
            "seconds of a trial, median": _median(found, "duration_s"),
            "GPU MiB of a trial, most": _most(found, "gpu_memory_bytes", 2**20),
        }

    def scatter(self, name: str, slots: str, *, among_others: bool) -> dict[str, Any]:
        """Scatter of the inference time of one configuration."""
        handle = self.experiment(name, self._options.repeats, copies=self._options.repeats)
        beside = [self.experiment(f"{name}: others", 1_000_000)] if among_others else []
        with self.node(slots, handle, *beside):
            self.wait(lambda: handle.refresh().progress.observations >= self._options.repeats)
        found = [one for one in handle.observations() if one.outcome.kind is OutcomeKind.OK]
        values = [value for one in found if (value := one.value(METRIC)) is not None]
        others = [one for other in beside for one in other.observations()]
        deviation = statistics.stdev(values) / statistics.mean(values) if len(values) > 1 else float("nan")
        return {
            "slots": slots,
            "repeats": len(values),
            "other trials meanwhile": len(others),
            "at once": most_at_once([*found, *others]),
            "mean ms": round(1e3 * statistics.mean(values), 4) if values else 0.0,
            "coefficient of variation": round(deviation, 4),
            "ms": [round(1e3 * value, 4) for value in values],
        }


def most_at_once(found: Sequence[Observation]) -> int:
    """How many of the trials ran side by side at most."""
    moments = [(one.start_time, 1) for one in found] + [(one.create_time, -1) for one in found]
    running = most = 0
    for _, change in sorted((when.timestamp(), change) for when, change in moments if when):
        running += change
        most = max(most, running)
    return most


def _numbers(found: Sequence[Observation], name: str) -> list[float]:
    return [float(one.metadata[name]) for one in found if name in one.metadata]


def _median(found: Sequence[Observation], name: str) -> float:
    return round(statistics.median(_numbers(found, name) or [0.0]), 2)


def _most(found: Sequence[Observation], name: str, unit: float) -> int:
    return round(max(_numbers(found, name), default=0.0) / unit)


def summary(phases: dict[str, Any]) -> str:
    """What was found, in Markdown."""
    lines = ["| phase | slots | trials | trials per hour | at once |", "|---|---|---|---|---|"]
    for name in ("serial", "packed"):
        if name in phases:
            phase = phases[name]
            cells = (phase[key] for key in ("slots", "trials", "trials per hour", "at once"))
            lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    if {"serial", "packed"} <= set(phases) and phases["serial"]["trials per hour"]:
        ratio = phases["packed"]["trials per hour"] / phases["serial"]["trials per hour"]
        lines.append(f"\nPacked against serial: {ratio:.2f} times the trials per hour.")
    for name in ("alone", "shared"):
        if name in phases:
            phase = phases[name]
            lines.append(
                f"Inference time {name}: {phase['mean ms']} ms, coefficient of variation "
                f"{phase['coefficient of variation']:.1%} of {phase['repeats']} repeats, "
                f"{phase['at once']} trials at once at most."
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not measured yet, and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_packing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=90.0, help="limit of each phase")
    parser.add_argument("--trials", type=int, default=100_000, help="limit of the first two phases")
    parser.add_argument("--repeats", type=int, default=10, help="trainings of the one configuration")
    parser.add_argument("--slots", default="auto", help="of the packed node")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--epochs", default="", help="default: the preset's")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--warm", default="auto", help="see the Trainer's --warm")
    parser.add_argument("--data", default="", help="folder with the data set; else $PARETUNE_DATA")
    parser.add_argument("--out", type=Path, default=Path("build/gpu_packing.json"))
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    phases: dict[str, Any] = kept.get("phases", {})
    with (
        tempfile.TemporaryDirectory() as folder,
        pt.local(Path(folder) / "tune.db", trainer_slots=0) as client,
    ):
        bench = Bench(client, Path(folder), options)
        todo: dict[str, Callable[[], dict[str, Any]]] = {
            "serial": lambda: bench.rate("serial", "1"),
            "packed": lambda: bench.rate("packed", options.slots),
            "alone": lambda: bench.scatter("alone", "1", among_others=False),
            "shared": lambda: bench.scatter("shared", options.slots, among_others=True),
        }
        for name, measure in todo.items():
            if name not in phases:
                sys.stderr.write(f"--- {name}\n")
                phases[name] = measure()
                devices = [f"{one.name}, {one.memory_bytes / 2**30:.0f} GiB" for one in machine.gpus()]
                result = {
                    "date": time.strftime("%Y-%m-%d", time.gmtime()),
                    "gpus": devices,
                    "cores": machine.cpu_count(),
                    "options": {key: str(value) for key, value in vars(options).items()},
                    "phases": phases,
                }
                options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(summary(phases))


if __name__ == "__main__":
    main()
