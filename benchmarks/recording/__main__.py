"""Record trainings: `python -m benchmarks.recording examples/diatoms.yaml --preset quick --count 2000`.

From the root of the repository. Stopped or killed, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import yaml
from benchmarks.recording.record import Recording, record


def main(words: list[str]) -> None:
    """Read the experiment file for workload and parameters, then record."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("experiment", type=Path, help="experiment file; its ranges are the workload's own")
    parser.add_argument("--preset", default="quick", help="full, medium or quick")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="further setting of the workload"
    )
    parser.add_argument("--count", type=int, default=1000, help="how many trainings in all")
    parser.add_argument("--repeats", type=int, default=1, help="trainings of each configuration")
    parser.add_argument(
        "--workers", type=int, default=2, help="trainings at a time, one core each; on a GPU they share it"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default="", help="folder with the data set; else $PARETUNE_DATA")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; appended to")
    options = parser.parse_args(words)
    document = yaml.safe_load(options.experiment.read_text())
    settings = {"preset": options.preset, "device": options.device, "threads": "1"}
    settings |= dict(setting.split("=", 1) for setting in options.set)
    if options.data:
        settings["data"] = options.data
    names = tuple(parameter["name"] for parameter in document["parameters"])
    recording = Recording(document["workload"], names, settings, options.seed, options.repeats)
    record(recording, options.out, count=options.count, workers=options.workers, command=command_of(options))


def command_of(options: argparse.Namespace) -> str:
    """What to type for the same recording; where its files and its data lie is not told."""
    words = ["python", "-m", "benchmarks.recording", str(options.experiment)]
    for name in ("preset", "device", "count", "repeats", "workers", "seed"):
        words += [f"--{name}", str(getattr(options, name))]
    for setting in options.set:
        words += ["--set", setting]
    return shlex.join([*words, "--out", options.out.name])


if __name__ == "__main__":
    main(sys.argv[1:])
