"""What this machine is: cores, memory, devices."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from paretune_trainer.facts import cpu_name

_NVIDIA_SMI_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Device:
    """Something that trains. `id` is "cpu" or the GPU's UUID; memory is in bytes."""

    id: str
    name: str
    memory_bytes: int


def cpu_count() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or less where a control group says so."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return machine


@cache
def gpus() -> tuple[Device, ...]:
    """The GPUs that nvidia-smi names; none when it is absent or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            query, capture_output=True, timeout=_NVIDIA_SMI_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_gpus(done.stdout.decode(errors="replace"))


def parse_gpus(table: str) -> tuple[Device, ...]:
    """Devices from nvidia-smi's lines of uuid, name, memory in MiB."""
    rows = csv.reader(table.splitlines(), skipinitialspace=True)
    return tuple(
        Device(row[0], row[1], int(row[2]) * 1024**2 if row[2].isdigit() else 0)
        for row in rows
        if len(row) == 3 and row[0].startswith("GPU-")
    )


def devices() -> tuple[Device, ...]:
    """The CPU, then the GPUs."""
    return (Device("cpu", cpu_name(), memory_bytes()), *gpus())
