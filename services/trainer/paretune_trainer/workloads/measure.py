"""Measured numbers with honest errors: durations and accuracies.

Notation for durations:

| symbol | meaning |
|---|---|
| n | number of timed repeats |
| t_(i) | i-th smallest of the n durations, seconds |
| c | rank of the lower end of a confidence interval of the median |
| z | normal quantile with the same two-sided coverage as [t_(c), t_(n-c+1)] |

The value is the median, because durations on a shared machine have a long right
tail. Its standard error needs no assumption about the shape of the distribution:

    SE = (t_(n-c+1) - t_(c)) / (2 z),  c = max(1, round((n + 1) / 2 - sqrt(n)))

after McKean and Schrader, "A comparison of methods for studentizing the sample
median", Communications in Statistics 13(6), 1984, with the exact binomial coverage
of Price and Bonett, "Estimating the variance of the sample median", Journal of
Statistical Computation and Simulation 68(3), 2001, which keeps it right for small n.

It describes repeats inside one process. What differs between processes (memory
layout, clock frequency, neighbours) is not in it, and is larger: a few percent where
repeats agree to half a percent. Training the same configuration again shows that part.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from paretune_trainer.workload import TrialHandle

_MIN_REPEATS: Final = 5
# One sample covers at least this long, so that the clock's own cost (tens of
# nanoseconds) and single interrupts (tens of microseconds) stay small in it.
_MIN_SAMPLE_S: Final = 2e-3


@dataclass(frozen=True)
class Timing:
    """A duration measured several times.

    Attributes:
        median: Seconds per call.
        stderr: Standard error of the median, seconds.
        repeats: How many samples were taken.
        calls_per_sample: How many calls each sample averages over.
    """

    median: float
    stderr: float
    repeats: int
    calls_per_sample: int

    def scaled(self, factor: float) -> tuple[float, float]:
        """`(median, stderr)` in another unit, `factor` of it to the second."""
        return self.median * factor, self.stderr * factor


def _nothing() -> None:
    """Stand in for device synchronisation where calls are synchronous already."""


def latency_clock(device: str, threads: int) -> Callable[[], float]:
    """The clock to time a call with, in seconds.

    For one thread on a CPU it is the process's CPU time. That is what the call takes on
    an idle core, and stays so when more trials than cores take turns: on a CPU the
    trainer's lock keeps other measurements away, but not other training. Everywhere
    else, where CPU time means something different, it is the wall clock.

    Args:
        device: "cpu", or the name of an accelerator.
        threads: CPU threads the call may use.
    """
    return time.process_time if device == "cpu" and threads == 1 else time.perf_counter


def time_call(
    call: Callable[[], object],
    *,
    trial: TrialHandle,
    synchronize: Callable[[], None] = _nothing,
    warmup: int = 3,
    repeats: int = 31,
    budget_s: float = 2.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time `call` while nothing else is timed on the device.

    The warm-up runs first: it pays for lazy initialisation, kernel selection and cold
    caches, and tells how many calls make one sample. The device is synchronised before
    the clock is read on either side, since GPU calls return before their work is done.
    Garbage collection is held off, as `timeit` does.

    Args:
        call: What to time; its result is dropped.
        trial: Whose `exclusive()` lock is held during warm-up and repeats.
        synchronize: Waits until the device has finished all queued work.
        warmup: Calls before timing starts, at least 1.
        repeats: Samples wanted.
        budget_s: Stop sampling after this many seconds, but not before 5 samples.
        clock: Seconds, monotonic; see `latency_clock`.

    Raises:
        ValueError: `warmup` is below 1 or `repeats` below 5.
    """
    if warmup < 1 or repeats < _MIN_REPEATS:
        raise ValueError(f"need warmup >= 1 and repeats >= {_MIN_REPEATS}, got {warmup} and {repeats}")

    def sample(calls: int) -> float:
        synchronize()
        start = clock()
        for _ in range(calls):
            call()
        synchronize()
        return (clock() - start) / calls

    # Before the device is taken: it lasts longer than many a measurement, and others would wait for it.
    gc.collect()
    with trial.exclusive():
        was_collecting = gc.isenabled()
        gc.disable()
        try:
            fastest = min(sample(1) for _ in range(warmup))
            calls = max(1, math.ceil(_MIN_SAMPLE_S / max(fastest, 1e-9)))
            durations: list[float] = []
            start = clock()
            while len(durations) < repeats:
                durations.append(sample(calls))
                if len(durations) >= _MIN_REPEATS and clock() - start > budget_s:
                    break
        finally:
            if was_collecting:
                gc.enable()
    return Timing(
        statistics.median(durations), median_standard_error(durations), len(durations), calls_per_sample=calls
    )


def rough_time(
    call: Callable[[], object], trial: TrialHandle, synchronize: Callable[[], None] = _nothing
) -> float:
    """Seconds that `call` takes, from a few repeats: for intermediate vectors.

    Early stops are judged by them, and inference takes as long with untrained weights: a training can say it
    with its first checkpoint.
    """
    return time_call(
        call, trial=trial, synchronize=synchronize, warmup=1, repeats=_MIN_REPEATS, budget_s=0.0
    ).median


class Laps:
    """The total of a duration that happens once, such as a training, with its error.

    It is timed in laps i = 1..n of w_i equal steps each. If a step's cost scatters
    independently around one mean, with t_i the duration of a lap, T and W the totals,

        s^2 = 1 / (n - 1) sum_i w_i (t_i / w_i - T / W)^2,   SE(T) = sqrt(W) s

    is the standard error of T. What changes from one run to the next is not in it; see
    the top of this module.

    Attributes:
        total: T, seconds.
    """

    def __init__(self, clock: Callable[[], float], synchronize: Callable[[], None] = _nothing) -> None:
        self._clock, self._synchronize = clock, synchronize
        self._laps: list[tuple[int, float]] = []
        self.total = 0.0

    @contextmanager
    def lap(self, steps: int) -> Iterator[None]:
        """Time the block, which takes `steps` steps; the device is synchronised at both ends."""
        self._synchronize()
        start = self._clock()
        yield
        self._synchronize()
        self._laps.append((steps, self._clock() - start))
        self.total += self._laps[-1][1]

    def measured(self) -> float | tuple[float, float]:
        """T, with its standard error when there are at least 3 laps to estimate it from."""
        n, steps = len(self._laps), sum(w for w, _ in self._laps)
        if n < 3:
            return self.total
        mean = self.total / steps
        variance = sum(w * (t / w - mean) ** 2 for w, t in self._laps) / (n - 1)
        return self.total, math.sqrt(steps * variance)


def median_standard_error(values: Sequence[float]) -> float:
    """Standard error of the sample median, distribution-free; see the module's notation.

    Raises:
        ValueError: Fewer than 3 values.
    """
    n = len(values)
    if n < 3:
        raise ValueError(f"a standard error of the median needs at least 3 values, got {n}")
    ordered = sorted(values)
    c = max(1, round((n + 1) / 2 - math.sqrt(n)))
    # One tail: the median lies below t_(c) when fewer than c values fall below it.
    tail = sum(math.comb(n, i) for i in range(c)) / 2**n
    z = -statistics.NormalDist().inv_cdf(tail)
    return (ordered[n - c] - ordered[c - 1]) / (2 * z)


def accuracy_with_error(correct: int, total: int) -> tuple[float, float]:
    """Accuracy and its binomial standard error.

    The error is taken at the shrunken share (correct + 2) / (total + 4) of Agresti and
    Coull, "Approximate is better than exact", The American Statistician 52(2), 1998, so
    that 500 of 500 is not reported as known without error. It covers the choice of the
    validation examples, not the randomness of training.

    Raises:
        ValueError: `total` is not positive or `correct` is not in 0..total.
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"expected 0 <= correct <= total and total >= 1, got {correct} of {total}")
    share = (correct + 2) / (total + 4)
    return correct / total, math.sqrt(share * (1 - share) / (total + 4))
