"""Record trainings: `python -m benchmarks.recording examples/diatoms.yaml --preset quick --count 2000`."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml
from benchmarks.recording.record import record


def main() -> None:
    """Read the experiment file for workload, parameters and settings, then record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path, help="experiment file; its ranges are the workload's own")
    parser.add_argument("--preset", default="quick", help="full, medium or quick")
    parser.add_argument("--count", type=int, default=1000, help="how many configurations in all")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time, one core each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default="", help="folder with the data set; else $PARETUNE_DATA")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; appended to")
    options = parser.parse_args()
    document = yaml.safe_load(options.experiment.read_text())
    settings = {"preset": options.preset, "device": "cpu", "threads": "1"}
    if options.data:
        settings["data"] = options.data
    record(
        document["workload"],
        tuple(parameter["name"] for parameter in document["parameters"]),
        settings,
        options.out,
        count=options.count,
        seed=options.seed,
        workers=options.workers,
    )


if __name__ == "__main__":
    main()
