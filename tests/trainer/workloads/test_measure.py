import gc
import math
import statistics
import time

import numpy as np
import pytest

from paretune_trainer.workloads.measure import (
    Laps,
    accuracy_with_error,
    latency_clock,
    median_standard_error,
    time_call,
)


class Clock:
    """A clock that only moves when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_median_of_repeats_without_the_warm_up(make_trial):
    clock, costs = Clock(), iter([9.0, 8.0, 7.0, 1.0, 5.0, 2.0, 4.0, 3.0])

    def call():
        clock.now += next(costs)

    timing = time_call(call, trial=make_trial(), warmup=3, repeats=5, budget_s=1e9, clock=clock)
    assert (timing.median, timing.repeats, timing.calls_per_sample) == (3.0, 5, 1)
    assert timing.stderr == pytest.approx(median_standard_error([1, 5, 2, 4, 3]))
    assert timing.scaled(1e3) == (3000.0, pytest.approx(timing.stderr * 1e3))


def test_device_is_synchronised_before_the_clock_is_read(make_trial):
    clock, queued = Clock(), []

    def synchronize():
        clock.now += sum(queued)
        queued.clear()

    timing = time_call(
        lambda: queued.append(0.25),
        trial=make_trial(),
        synchronize=synchronize,
        repeats=7,
        budget_s=1e9,
        clock=clock,
    )
    assert timing.median == pytest.approx(0.25)


def test_exclusive_is_held_for_every_call_and_garbage_collection_is_not_running(make_trial):
    trial, seen = make_trial(), []
    time_call(lambda: seen.append((trial.held, gc.isenabled())), trial=trial, repeats=5, budget_s=0.01)
    assert set(seen) == {(True, False)}
    assert (trial.held, trial.times_held, gc.isenabled()) == (False, 1, True)


def test_short_calls_are_averaged(make_trial):
    clock = Clock()

    def call():
        clock.now += 1e-5

    timing = time_call(call, trial=make_trial(), repeats=5, clock=clock)
    assert timing.calls_per_sample == pytest.approx(200, abs=1)
    assert timing.median == pytest.approx(1e-5)


def test_budget_ends_the_repeats_but_not_before_five(make_trial):
    clock = Clock()

    def call():
        clock.now += 1.0

    assert time_call(call, trial=make_trial(), repeats=31, budget_s=10.5, clock=clock).repeats == 11
    assert time_call(call, trial=make_trial(), repeats=31, budget_s=0.5, clock=clock).repeats == 5


def test_lock_and_collector_are_released_when_the_call_fails(make_trial):
    trial = make_trial()
    with pytest.raises(ZeroDivisionError):
        time_call(lambda: 1 / 0, trial=trial)
    assert not trial.held
    assert gc.isenabled()


def test_cpu_time_is_used_where_it_is_latency():
    assert latency_clock("cpu", 1) is time.process_time
    assert latency_clock("cpu", 2) is time.perf_counter
    assert latency_clock("cuda", 1) is time.perf_counter


@pytest.mark.parametrize("counts", [{"warmup": 0}, {"repeats": 4}])
def test_too_few_calls_are_refused(make_trial, counts):
    with pytest.raises(ValueError, match="need warmup"):
        time_call(lambda: None, trial=make_trial(), **counts)


@pytest.mark.parametrize(("n", "excess"), [(5, 1.6), (11, 1.3), (31, 1.2)])
def test_standard_error_of_the_median_matches_simulation(n, excess):
    rng = np.random.default_rng(n)
    # Long right tail, as durations have.
    samples = rng.lognormal(0.0, 0.5, (20_000, n))
    true = np.median(samples, axis=1).std()
    reported = np.array([median_standard_error(row) for row in samples[:4000].tolist()])
    # Few repeats err on the side of too large: their interval is the whole range.
    assert 0.95 * true < math.sqrt((reported**2).mean()) < excess * true


def test_standard_error_needs_three_values():
    with pytest.raises(ValueError, match="at least 3"):
        median_standard_error([1.0, 2.0])


def test_accuracy_error_is_binomial_and_never_zero():
    value, error = accuracy_with_error(400, 500)
    assert value == 0.8
    assert error == pytest.approx(math.sqrt(0.8 * 0.2 / 500), rel=0.02)
    assert accuracy_with_error(500, 500)[1] > 0


@pytest.mark.parametrize(("correct", "total"), [(0, 0), (5, 4), (-1, 4)])
def test_impossible_counts_are_refused(correct, total):
    with pytest.raises(ValueError, match="expected 0 <= correct"):
        accuracy_with_error(correct, total)


def test_laps_add_up_and_leave_out_what_lies_between(make_trial):
    clock = Clock()
    laps = Laps(clock)
    for seconds in (2.0, 3.0):
        with laps.lap(1):
            clock.now += seconds
        clock.now += 100
    assert (laps.total, laps.measured()) == (5.0, 5.0)


def test_laps_wait_for_the_device():
    clock, queued = Clock(), [7.0]  # of something before the first lap

    def synchronize():
        clock.now += sum(queued)
        queued.clear()

    laps = Laps(clock, synchronize)
    for _ in range(3):
        with laps.lap(2):
            queued.append(0.5)
    assert laps.measured() == (pytest.approx(1.5), pytest.approx(0.0, abs=1e-9))


def test_standard_error_of_a_total_matches_simulation():
    rng = np.random.default_rng(0)
    steps = [4, 4, 4, 3] * 3
    totals, variances = [], []
    for _ in range(2000):
        clock = Clock()
        laps = Laps(clock)
        for count in steps:
            with laps.lap(count):
                clock.now += rng.gamma(4.0, 0.25, count).sum()  # mean 1, standard deviation 0.5
        total, error = laps.measured()
        totals.append(total)
        variances.append(error**2)
    assert math.sqrt(statistics.mean(variances)) == pytest.approx(statistics.stdev(totals), rel=0.06)


def test_noise_of_repeated_measurements_of_one_model(make_trial, capsys):
    """Prints the coefficient of variation; the bound only catches a broken timer."""
    import torch

    from paretune_trainer.workloads.catalog import DIGITS
    from paretune_trainer.workloads.digits import build_network
    from paretune_trainer.workloads.torch_device import keep_host_memory

    torch.set_num_threads(1)
    keep_host_memory()
    torch.manual_seed(0)
    network, images = build_network(DIGITS.complete_parameters({})).eval(), torch.rand(500, 1, 8, 8)
    with torch.inference_mode():
        medians = [
            time_call(
                lambda: network(images), trial=make_trial(), budget_s=0.25, clock=latency_clock("cpu", 1)
            ).median
            for _ in range(10)
        ]
    variation = statistics.stdev(medians) / statistics.mean(medians)
    with capsys.disabled():
        print(f"\ninference time, 10 measurements of one model: coefficient of variation {variation:.2%}")
    assert variation < 0.5
