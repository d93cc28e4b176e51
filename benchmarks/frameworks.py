"""Diatoms in both frameworks: what a training costs in PyTorch and in Keras on TensorFlow.

    python -m benchmarks.frameworks --preset quick --count 5 --data DIR

From the root of the repository. The same configurations and seeds in both, each training in a process of its
own with one thread. CPU seconds, not seconds by the clock, so that other work on the machine matters less: a
trial per hour here is one of a core that does nothing else. The trainer keeps the framework loaded between
trials (services/trainer/README.md), so that it pays for the start once; a cold trial pays each time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from benchmarks.recording.record import RecordedTrial, configuration, train

from paretune_trainer.facts import runtime_facts
from paretune_trainer.workload import builtin_workloads

ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def one(framework: str, preset: str, data: str, index: int) -> dict[str, object]:
    """Train configuration `index`; its row, with the CPU seconds of the training alone."""
    workload = builtin_workloads()["diatoms"]
    settings = {"framework": framework, "preset": preset, "device": "cpu", "threads": "1"}
    if data:
        settings["data"] = data
    workload.load()
    # What is imported only by the training itself belongs to the start, not to the training.
    __import__({"torch": "torch", "keras": "keras"}[framework])
    row = train(workload, configuration(workload.parameters, 0, index), RecordedTrial(settings, index))
    return {**row, "facts": runtime_facts()}


def main() -> None:
    """Run the trainings and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frameworks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--count", type=int, default=5, help="configurations")
    parser.add_argument("--data", default="", help="folder with the data set; else $PARETUNE_DATA")
    parser.add_argument("--one", nargs=2, metavar=("FRAMEWORK", "INDEX"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], options.preset, options.data, int(options.one[1]))))
        return
    print(
        "| framework | trainings | CPU s of a training | trials per hour and core "
        "| CPU s with start | cold trials per hour |"
    )
    print("|---|---|---|---|---|---|")
    facts: dict[str, str] = {}
    for framework in ("torch", "keras"):
        alone, whole = [], []
        for index in range(options.count):
            begun = _children_seconds()
            words = [sys.executable, "-m", "benchmarks.frameworks", *sys.argv[1:]]
            ended = subprocess.run(
                [*words, "--one", framework, str(index)],
                env={**os.environ, **ONE_THREAD},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            row = json.loads(ended.stdout.splitlines()[-1])
            whole.append(_children_seconds() - begun)
            alone.append(row["seconds"])
            facts |= row["facts"]
        hourly = [f"{3600 / statistics.mean(each):.0f}" for each in (alone, whole)]
        times = [
            f"{statistics.median(each):.1f} ({min(each):.1f} to {max(each):.1f})" for each in (alone, whole)
        ]
        print(
            f"| {framework} | {options.count} | {times[0]} | {hourly[0]} | {times[1]} | {hourly[1]} |",
            flush=True,
        )
    facts["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    print(", ".join(f"{name} {value}" for name, value in facts.items()))


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
