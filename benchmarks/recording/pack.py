"""Pack recordings into the repository: `python -m benchmarks.recording.pack recorded/*.jsonl`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.recording.table import DATA, name_of, pack


def main() -> None:
    """Write tables and sidecars, and say how large they are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording.pack", description=__doc__)
    parser.add_argument("recordings", type=Path, nargs="+", help="JSON lines, their .made.json beside them")
    parser.add_argument("--into", type=Path, default=DATA)
    parser.add_argument("--load", default="not noted", help="what else the machine did meanwhile, in words")
    options = parser.parse_args()
    for recording in options.recordings:
        path = pack(recording, name_of(recording), options.into, load=options.load)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
