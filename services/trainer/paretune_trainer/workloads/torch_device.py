"""Where a PyTorch workload runs: device choice, synchronisation, memory exhaustion."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from paretune_trainer.workload import Infeasible

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_MIB = 1 << 20

# Allocation failures that have no exception class: torch's host allocator, the C++
# library, and cuDNN and cuBLAS (CUDNN_STATUS_ALLOC_FAILED and so on).
_ALLOCATION_FAILED = ("can't allocate memory", "bad_alloc", "ALLOC_FAILED")


def keep_host_memory() -> None:
    """Have the C library keep freed memory instead of returning it to the system.

    Its default thresholds adapt to what was freed before, so that some trials get each
    activation on fresh pages, at every call, and others do not: the same network was
    timed at 4.2 ms after training with one batch size and at 6.1 ms after another. Kept
    memory makes it 4.1 to 4.7 ms for all. Without effect where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * _MIB)  # the largest it accepts
        mallopt(_M_TRIM_THRESHOLD, 512 * _MIB)
        mallopt(_M_TOP_PAD, 64 * _MIB)


def choose_device(wanted: str) -> Any:
    """The device named by the setting `device`: auto, cpu, cuda or cuda:N.

    Raises:
        ValueError: The setting names nothing known, or a GPU where there is none.
    """
    has_gpu = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    if wanted == "cpu" or (has_gpu and wanted.partition(":")[0] == "cuda"):
        return torch.device(wanted)
    raise ValueError(f"device {wanted!r} is not here; use auto, cpu{', cuda or cuda:N' if has_gpu else ''}")


def synchronizer(device: Any) -> Callable[[], None]:
    """A call that returns when `device` has finished its queued work."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


@contextmanager
def memory_exhaustion_is_infeasible() -> Iterator[None]:
    """Turn running out of device or host memory into `Infeasible`.

    Raises:
        Infeasible: An allocation failed inside the block.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _out_of_memory(error) from error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _ALLOCATION_FAILED):
            raise
        raise _out_of_memory(error) from error


def _out_of_memory(error: Exception) -> Infeasible:
    return Infeasible(f"out of memory: {str(error).partition(chr(10))[0]}")
