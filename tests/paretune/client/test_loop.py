"""The loop over trials, against real services."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import paretune as pt
from paretune.errors import FailedPrecondition


def report(trial) -> None:
    trial.observe(accuracy=trial["x"], cost=(float(trial["n"]), 0.5))


def work(experiment, **options) -> int:
    """Run the loop to its end; how many trials it made."""
    made = 0
    for trial in experiment.trials(**options):
        with trial:
            report(trial)
        made += 1
    return made


def test_fills_the_budget_and_stops(experiment):
    assert work(experiment) == 6
    progress = experiment.refresh().progress
    assert (progress.observations, progress.ok, progress.leased) == (6, 6, 0)
    assert work(experiment) == 0


def test_resumes_where_it_was(experiment):
    trials = experiment.trials()
    for _ in range(2):
        with next(trials) as trial:
            report(trial)
    trials.close()
    assert work(experiment) == 4


def test_crashes_and_infeasible_trials_count(experiment):
    for number, trial in enumerate(experiment.trials()):
        with trial:
            if number == 1:
                raise ValueError("shapes differ")
            if number == 2:
                trial.infeasible("too big")
            else:
                report(trial)
    progress = experiment.refresh().progress
    assert (progress.observations, progress.ok, progress.crashed, progress.infeasible) == (6, 4, 1, 1)


def test_too_many_crashes_in_a_row_end_the_loop(experiment):
    seen = []

    def train():
        for trial in experiment.trials(max_crashes=3):
            with trial:
                seen.append(trial)
                raise ValueError("shapes differ")

    with pytest.raises(FailedPrecondition, match="shapes differ") as caught:
        train()
    assert caught.value.reason == "TOO_MANY_CRASHES"
    assert isinstance(caught.value.__cause__, ValueError)
    assert len(seen) == 3


def test_a_success_between_crashes_lets_it_go_on(experiment):
    for number, trial in enumerate(experiment.trials(max_crashes=2)):
        with trial:
            if number % 2:
                raise ValueError("shapes differ")
            report(trial)
    assert experiment.refresh().progress.observations == 6


def test_forgetting_the_block_is_noticed(experiment):
    with pytest.raises(FailedPrecondition, match="with trial:"):
        for _ in experiment.trials():
            pass
    assert [s.state.name for s in experiment.suggestions()] == ["QUEUED"]


def test_reporting_without_the_block_is_fine(experiment):
    for trial in experiment.trials():
        report(trial)
    assert experiment.refresh().progress.ok == 6


def test_break_hands_back_what_was_not_begun(experiment):
    for _ in experiment.trials():
        break
    assert [s.state.name for s in experiment.suggestions()] == ["QUEUED"]


@pytest.mark.parametrize("change", ["pause", "finish", "archive"])
def test_ends_when_the_experiment_gives_no_more(experiment, change, caplog):
    getattr(experiment, change)()
    assert work(experiment) == 0
    assert experiment.refresh().state.name in caplog.text


def test_ends_when_a_finite_space_is_exhausted(client, fields):
    experiment = client.create_experiment(
        **fields(parameters=[pt.Int("x", 1, 4), pt.Int("n", 1, 1 + 1)], policy="grid", observation_budget=50)
    )
    assert work(experiment) == 8


def test_waits_for_what_others_hold_and_takes_it_when_they_give_it_back(experiment):
    held = experiment.suggest(6)
    made = []
    thread = threading.Thread(target=lambda: made.append(work(experiment)))
    thread.start()
    for suggestion in held[:4]:
        experiment.observe(suggestion, {"accuracy": 0.5, "cost": 1.0})
    thread.join(0.5)
    assert thread.is_alive()
    for suggestion in held[4:]:
        experiment.client.release(suggestion.id, suggestion.lease.fence)
    thread.join(30)
    assert made == [2]
    assert experiment.refresh().progress.observations == 6


def test_parallel_trials_in_threads(client, fields):
    experiment = client.create_experiment(**fields(observation_budget=24))
    together, most, lock = 0, 0, threading.Lock()
    met = threading.Barrier(4)

    def train(trial):
        nonlocal together, most
        with trial:
            with lock:
                together += 1
                most = max(most, together)
            met.wait(30)  # passes only when four trials are open at once
            with lock:
                together -= 1
            report(trial)

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(train, trial) for trial in experiment.trials(parallelism=4)]
    for future in futures:
        future.result()
    assert most == 4
    assert experiment.refresh().progress.ok == 24


def test_several_loops_share_one_budget(client, fields):
    experiment = client.create_experiment(**fields(observation_budget=30))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: work(client.experiment(experiment.id)), range(4)))
    assert sum(made) == 30
    observations = experiment.observations()
    assert len({o.suggestion_id for o in observations}) == len(observations) == 30


PROGRAM = """
import sys, paretune as pt
with pt.Client(sys.argv[1]) as client:
    for trial in client.experiment(sys.argv[2]).trials():
        with trial:
            trial.observe(accuracy=trial["x"], cost=trial["n"])
"""


def test_several_processes_share_one_budget(services, client, fields):
    experiment = client.create_experiment(**fields(observation_budget=20))
    command = [sys.executable, "-c", PROGRAM, services.address, experiment.id]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert experiment.refresh().progress.observations == 20


def test_a_killed_worker_costs_an_attempt_and_nothing_else(services, client, fields):
    """kill -9 while a trial is held: its lease expires, somebody else trains it."""
    experiment = client.create_experiment(
        **fields(lease_policy=pt.LeasePolicy(ttl=1.0), observation_budget=3)
    )
    hold = PROGRAM.replace("trial.observe(", "print('held', flush=True); import time; time.sleep(60) #")
    process = subprocess.Popen(
        [sys.executable, "-c", hold, services.address, experiment.id], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"held\n"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert work(experiment) == 3
    assert sorted(s.attempt for s in experiment.suggestions()) == [1, 1, 2]


@pytest.mark.parametrize("name", ["store", "optimizer"])
def test_kill_minus_nine_of_a_service_costs_nothing_but_time(own_services, fields, name):
    with pt.Client(own_services.address) as client:
        experiment = client.create_experiment(**fields(observation_budget=12))
        for number, trial in enumerate(experiment.trials()):
            with trial:
                if number == 5:
                    own_services.kill(name)
                    own_services.start(name)
                report(trial)
        observations = experiment.observations()
        assert len({o.suggestion_id for o in observations}) == len(observations) == 12
