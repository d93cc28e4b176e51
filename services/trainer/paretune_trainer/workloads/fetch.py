"""Download the data of the published use cases ahead: `python -m paretune_trainer.workloads.fetch`.

For machines that train without a network: fetch on one that has it, and give the folder with `--data DIR`.
What is there already is only checked.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from paretune_trainer.workloads.data import (
    ADIAC,
    ENVIRONMENT_VARIABLE,
    REVIEWS,
    DataError,
    DataSet,
    cache_folder,
    locate,
)

DATA_SETS: Mapping[str, DataSet] = {"diatoms": ADIAC, "rotten_tomatoes": REVIEWS}


def main(words: Sequence[str], data_sets: Mapping[str, DataSet] = DATA_SETS) -> int:
    """Fetch the data of the named workloads, all by default; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m paretune_trainer.workloads.fetch", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"default: {' '.join(data_sets)}")
    names = parser.parse_args(words).workloads or list(data_sets)
    if unknown := [name for name in names if name not in data_sets]:
        parser.error(f"there are no data of {', '.join(unknown)}; there are of {', '.join(data_sets)}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)

        for name in names:
            try:
                # A folder that was named is not filled: this is about the cache.
                locate(data_sets[name], {}, progress=progress, environ=_without_folder())
            except DataError as error:
                bar.stop()
                sys.stderr.write(f"{error}\n")
                return 1
    sys.stdout.write(f"{cache_folder(os.environ)}\n")
    return 0


def _without_folder() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != ENVIRONMENT_VARIABLE}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
