"""Pack a recording into the repository: `python -m benchmarks.recording.pack diatoms.jsonl diatoms_quick`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.recording.table import DATA, pack


def main() -> None:
    """Write table and sidecar, and say how large they are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording.pack", description=__doc__)
    parser.add_argument("recording", type=Path, help="JSON lines")
    parser.add_argument("name", help="of the table, such as diatoms_quick")
    parser.add_argument("--into", type=Path, default=DATA)
    parser.add_argument("--load", default="not noted", help="what else the machine did meanwhile, in words")
    options = parser.parse_args()
    path = pack(options.recording, options.name, options.into, load=options.load)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
