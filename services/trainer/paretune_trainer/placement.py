"""Which GPU a trial gets, how many share one, and who pauses while one of them measures.

docs/decisions/0029-packing.md says why so. Memory is in bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from paretune_trainer import machine
from paretune_trainer.processes import pause, resume

log = logging.getLogger("paretune.trainer")

KEPT_FREE: Final = 0.1
"""Share of a device's memory that is never promised to anybody."""

TOLERANCE: Final = 256 * 1024**2
"""Memory by which a device may differ from what it was."""

_CONTEXT: Final = 600 * 1024**2  # what a CUDA context and its libraries take beside a framework's allocator
_LOOK_SECONDS: Final = 0.25
_RETURN_SECONDS: Final = 5.0
_UNHEALTHY_SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 0.02  # what a stopped process has queued on the device already runs to its end


class NoRoom(Exception):
    """No device takes the trial now; the message says why."""


class Seat:
    """A trial's place on a device; without one, as on nodes without GPU, nothing is shared and nobody paused.

    Attributes:
        key: what trials of one workload have in common.
        gpu: the device.
        pid: the trial's launcher, of which all its processes are descendants; 0: none runs.
        peak: most memory that the device was seen to hold for it alone.
        shared: whether others were on the device meanwhile.
        alone: whether nobody may join it any more.
        waiting: whether it waits for the others to leave.
    """

    def __init__(self, key: str = "", gpu: Gpu | None = None, placement: Placement | None = None) -> None:
        self.key, self.gpu, self._placement = key, gpu, placement
        self.pid = self.peak = 0
        self.shared = self.alone = self.waiting = False

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the trial's process."""
        return {"CUDA_VISIBLE_DEVICES": self.gpu.device.id} if self.gpu else {}

    @property
    def lock_name(self) -> str:
        """Name of the file that is locked during measurements."""
        return f"measurement-{self.gpu.device.id}.lock" if self.gpu else "measurement.lock"

    def started(self, pid: int) -> None:
        """The trial's processes are the descendants of `pid`."""
        if self._placement:
            self._placement.started(self, pid)

    def ended(self) -> None:
        """The trial has no process any more."""
        if self._placement:
            self._placement.measuring(self, False)
            self.pid = 0

    def measuring(self, begins: bool) -> None:
        """A measurement begins or ends: the other trials of the device are stopped, or go on."""
        if self._placement:
            self._placement.measuring(self, begins)

    def succeeded(self, reserved: int) -> None:
        """The trial gave a result; `reserved` is the peak that its framework reports, 0: unknown."""
        if self._placement:
            self._placement.learn(self, reserved)

    def wait_alone(self, cancelled: Callable[[], bool]) -> None:
        """Wait, without a running process, until this trial has the device for itself."""
        if self._placement:
            self._placement.wait_alone(self, cancelled)


@dataclass
class Gpu:
    """A device and who is on it.

    Attributes:
        baseline: memory in use before the node's first trial.
        measuring: seats that measure now; more than one only while one hands over to the next.
        closed: takes nobody until it was empty and its memory was looked at.
        problem: why it takes nobody, for people; empty: it does.
        look_at: when to look again at an unhealthy device, monotonic seconds.
    """

    device: machine.Device
    baseline: int = 0
    seats: list[Seat] = field(default_factory=list)
    measuring: list[Seat] = field(default_factory=list)
    closed: bool = False
    problem: str = ""
    look_at: float = 0.0

    @property
    def room(self) -> int:
        """Memory for trials in all."""
        return int(self.device.memory_bytes * (1 - KEPT_FREE)) - self.baseline


class Placement:
    """The node's GPUs. Thread-safe.

    Args:
        gpus: devices that trials may use; none: seats have no device.
        by_memory: whether measured memory decides how many share one; otherwise whoever asks gets a seat.
        read: memory in use by device id.
    """

    def __init__(
        self,
        gpus: Sequence[machine.Device],
        *,
        by_memory: bool,
        read: Callable[[], Mapping[str, int]] = machine.gpu_memory_used,
    ) -> None:
        self._by_memory, self._read = by_memory, read
        used = read() if gpus else {}
        self._gpus = [Gpu(device, used.get(device.id, 0)) for device in gpus]
        self._needs: dict[str, int] = {}
        self._changed = threading.Condition()

    # Who goes where

    @contextmanager
    def seat(self, key: str) -> Iterator[Seat]:
        """A place for a trial of the workload `key`; on leaving, the device's memory is checked.

        Raises:
            NoRoom: no device takes it now.
        """
        if not self._gpus:
            yield Seat()
            return
        self._look_at_unhealthy()
        with self._changed:
            gpu = self._choose(key)
            seat = Seat(key, gpu, self)
            gpu.seats.append(seat)
            if len(gpu.seats) > 1:
                for one in gpu.seats:
                    one.shared = True
            first = self._by_memory and key not in self._needs
        try:
            with self._watched(seat, gpu) if first else nullcontext():
                yield seat
        finally:
            self._leave(seat, gpu)

    def _choose(self, key: str) -> Gpu:
        healthy = [gpu for gpu in self._gpus if not gpu.problem]
        if not healthy:
            raise NoRoom(self.problem())
        free = [gpu for gpu in healthy if not gpu.closed and not gpu.measuring and self._takes(gpu, key)]
        if not free:
            raise NoRoom("every GPU is taken")
        return min(free, key=lambda gpu: len(gpu.seats))

    def _takes(self, gpu: Gpu, key: str) -> bool:
        if not gpu.seats:
            return True
        if any(seat.alone for seat in gpu.seats):
            return False
        if not self._by_memory:
            return True
        keys = [key, *(seat.key for seat in gpu.seats)]
        return all(one in self._needs for one in keys) and self._sum_of(keys) <= gpu.room

    def _sum_of(self, keys: Sequence[str]) -> int:
        return sum(self._needs.get(key, 0) for key in keys)

    def wait_alone(self, seat: Seat, cancelled: Callable[[], bool]) -> None:
        """See `Seat.wait_alone`; of several that wait, the one that came first goes first."""
        gpu = seat.gpu
        assert gpu is not None  # noqa: S101 - for the type checker
        with self._changed:
            seat.alone = seat.waiting = True
            self._changed.notify_all()
            while not cancelled():
                if all(one.waiting for one in gpu.seats) and gpu.seats[0] is seat:
                    break
                self._changed.wait(0.2)
            seat.waiting = seat.shared = False

    # What trials need

    @contextmanager
    def _watched(self, seat: Seat, gpu: Gpu) -> Iterator[None]:
        """Follow the device's memory while a workload's first trial has it for itself."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_SECONDS):
                if not gpu.measuring:
                    seat.peak = max(seat.peak, self._read().get(gpu.device.id, 0) - gpu.baseline)

        thread = threading.Thread(target=watch, name="gpu-memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def learn(self, seat: Seat, reserved: int) -> None:
        """See `Seat.succeeded`."""
        need = max(seat.peak, reserved + _CONTEXT if reserved else 0)
        with self._changed:
            known = self._needs.get(seat.key)
            self._needs[seat.key] = max(need, known or 0)
        if known is None:
            log.info("one trial takes %d MiB of a GPU", need // 1024**2)

    # Measurements

    def started(self, seat: Seat, pid: int) -> None:
        """See `Seat.started`: who starts during a measurement is stopped at once."""
        with self._changed:
            seat.pid = pid
            if seat.gpu and any(one is not seat for one in seat.gpu.measuring):
                pause([pid])

    def measuring(self, seat: Seat, begins: bool) -> None:
        """See `Seat.measuring`."""
        gpu = seat.gpu
        if gpu is None:
            return
        with self._changed:
            if begins:
                gpu.measuring.append(seat)
                others = [one.pid for one in gpu.seats if one.pid and one is not seat]
                if others:
                    pause(others)
                    time.sleep(_SETTLE_SECONDS)
            elif seat in gpu.measuring:
                gpu.measuring.remove(seat)
                if not gpu.measuring:
                    resume([one.pid for one in gpu.seats if one.pid])

    # Health

    def _leave(self, seat: Seat, gpu: Gpu) -> None:
        self.measuring(seat, False)
        with self._changed:
            gpu.seats.remove(seat)
            left = [one.key for one in gpu.seats]
            gpu.closed = gpu.closed or not left
            self._changed.notify_all()
        if not left:
            problem = self._problem(gpu, _RETURN_SECONDS)
            with self._changed:
                gpu.closed, gpu.problem, gpu.look_at = False, problem, time.monotonic() + _UNHEALTHY_SECONDS
            if problem:
                log.error("GPU %s gets no more trials: %s", gpu.device.id, problem)
        elif self._by_memory and not gpu.measuring:
            # Half as much again as expected: some of them may need more than any before.
            used = self._read().get(gpu.device.id, 0)
            if used > gpu.baseline + 1.5 * self._sum_of(left) + TOLERANCE and not gpu.closed:
                log.warning("GPU %s is emptied: more memory is in use than its trials need", gpu.device.id)
                gpu.closed = True

    def _problem(self, gpu: Gpu, patience: float) -> str:
        """What is wrong with an empty device, after at most `patience` seconds; empty: nothing."""
        deadline = time.monotonic() + patience
        while True:
            used = self._read().get(gpu.device.id)
            if used is not None and used <= gpu.baseline + TOLERANCE:
                return ""
            if time.monotonic() >= deadline:
                break
            time.sleep(_LOOK_SECONDS)
        if used is None:
            return "nvidia-smi does not say how much of its memory is in use"
        return f"{(used - gpu.baseline) // 1024**2} MiB of its memory did not come back after its last trial"

    def _look_at_unhealthy(self) -> None:
        with self._changed:
            due = [gpu for gpu in self._gpus if gpu.problem and time.monotonic() >= gpu.look_at]
            for gpu in due:
                gpu.look_at = time.monotonic() + _UNHEALTHY_SECONDS
        for gpu in due:
            if not self._problem(gpu, 0.0):
                gpu.problem = ""
                log.info("GPU %s is well again", gpu.device.id)

    # What people see

    def problem(self) -> str:
        """Why no device takes any trial; empty: one does, or there is none."""
        if not all(gpu.problem for gpu in self._gpus):
            return ""
        return "; ".join(f"GPU {gpu.device.id}: {gpu.problem}" for gpu in self._gpus)

    def load(self, device_id: str, slots: int) -> tuple[int, int, str]:
        """Of one device: trials that fit, `slots` at most (0: not known), those there now, its problem."""
        gpu = next((gpu for gpu in self._gpus if gpu.device.id == device_id), None)
        if gpu is None:
            return 0, 0, ""
        with self._changed:
            need = max(self._needs.values(), default=None)
            if not self._by_memory:
                fit = slots
            elif need is None:
                fit = 0
            else:
                fit = max(1, min(slots, gpu.room // need if need else slots))
            return fit, len(gpu.seats), gpu.problem
