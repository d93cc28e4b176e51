"""Several trainings on one GPU, none of which works there while another times its network.

Two locks between processes make a turnstile. Who trains passes the gate and shares the device; who measures
closes the gate, waits until all others have let the device go, and has it alone. Whoever waits at the gate
is not overtaken by newcomers, so that a measurement never waits longer than the longest turn.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    """A process's place at the turnstile of a device.

    Args:
        folder: where the two lock files are; the same for all processes that share the device.
    """

    def __init__(self, folder: Path) -> None:
        # Open for as long as the process lives; the kernel frees its locks then, however it ends.
        self._gate, self._device = (
            os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for name in ("gate", "device")
        )

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work on the device beside others, until the end of the block."""
        self._enter()
        try:
            yield
        finally:
            fcntl.flock(self._device, fcntl.LOCK_UN)

    def offer(self) -> None:
        """Let those who want the device alone have it first. Its work must be finished: nothing queued."""
        fcntl.flock(self._device, fcntl.LOCK_UN)
        self._enter()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the device alone inside the block, within a block of `shared`."""
        fcntl.flock(self._device, fcntl.LOCK_UN)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        fcntl.flock(self._device, fcntl.LOCK_EX)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._device, fcntl.LOCK_UN)
            self._enter()

    def _enter(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        fcntl.flock(self._device, fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)
