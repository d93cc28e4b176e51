"""Where a PyTorch workload runs: device choice, synchronisation, memory exhaustion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from paretune_trainer.workload import Infeasible


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
        raise Infeasible(f"out of memory: {error}") from error
    except RuntimeError as error:
        # The host allocator has no exception class of its own.
        if "can't allocate memory" not in str(error):
            raise
        raise Infeasible(f"out of memory: {error}") from error
