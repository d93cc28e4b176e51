"""What this machine is: cores, memory, devices."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from paretune_trainer.facts import cpu_name

_NVIDIA_SMI_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Reading:
    """How busy a device is now: memory in use by anybody, in bytes; load from 0 to 1, None when not known."""

    memory_used: int
    load: float | None = None


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
    return parse_gpus(_nvidia_smi("uuid,name,memory.total"))


def _nvidia_smi(fields: str) -> str:
    """What nvidia-smi says about each GPU, one line each; empty when it is absent or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    query = [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            query, capture_output=True, timeout=_NVIDIA_SMI_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace")


def parse_gpus(table: str) -> tuple[Device, ...]:
    """Devices from nvidia-smi's lines of uuid, name, memory in MiB."""
    rows = csv.reader(table.splitlines(), skipinitialspace=True)
    return tuple(
        Device(row[0], row[1], int(row[2]) * 1024**2 if row[2].isdigit() else 0)
        for row in rows
        if len(row) == 3 and row[0].startswith("GPU-")
    )


def visible(gpus: Sequence[Device], wanted: str | None) -> tuple[Device, ...]:
    """Those GPUs that CUDA_VISIBLE_DEVICES leaves, in its order.

    Args:
        gpus: all of them, in nvidia-smi's order, by which numbers count.
        wanted: value of the variable: numbers or starts of UUIDs, with commas between; None: not set.
    """
    if wanted is None:
        return tuple(gpus)
    found: list[Device] = []
    for word in filter(None, map(str.strip, wanted.split(","))):
        if word.isdecimal():
            match = gpus[int(word) : int(word) + 1]
        else:
            match = [gpu for gpu in gpus if gpu.id.startswith(word)]
        if not match:
            break  # as CUDA does: what follows an unknown device is not seen
        found += match[:1]
    return tuple(found)


def gpu_memory_used() -> dict[str, int]:
    """Memory in use on each GPU, by anybody, by id; those that do not say are left out."""
    table = _nvidia_smi("uuid,memory.used,utilization.gpu")
    return {name: reading.memory_used for name, reading in parse_readings(table).items()}


def readings() -> dict[str, Reading]:
    """How busy each device is, by id; those that do not say are left out."""
    found = {"cpu": Reading(_memory_used(), min(os.getloadavg()[0] / cpu_count(), 1.0))}
    if gpus():
        found |= parse_readings(_nvidia_smi("uuid,memory.used,utilization.gpu"))
    return found


def parse_readings(table: str) -> dict[str, Reading]:
    """Readings from nvidia-smi's lines of uuid, memory in MiB, load in percent."""
    rows = csv.reader(table.splitlines(), skipinitialspace=True)
    return {
        row[0]: Reading(int(row[1]) * 1024**2, int(row[2]) / 100 if row[2].isdigit() else None)
        for row in rows
        if len(row) == 3 and row[0].startswith("GPU-") and row[1].isdigit()
    }


def _memory_used() -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return (kib["MemTotal"] - kib["MemAvailable"]) * 1024
    return 0


def devices() -> tuple[Device, ...]:
    """The CPU, then the GPUs."""
    return (Device("cpu", cpu_name(), memory_bytes()), *gpus())
