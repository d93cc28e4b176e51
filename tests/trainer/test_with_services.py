"""The Trainer with a real Store and a real Optimizer, and what happens when one of the three is killed."""

import signal
import time

import pytest

from paretune.client import Client
from paretune.experiment import LeasePolicy, Maximize, Minimize
from paretune.observation import OutcomeKind, Suggestion, SuggestionState
from paretune.parameters import Double, Int
from paretune.stopping import EarlyStopping, EarlyStoppingRule


@pytest.fixture
def client(services):
    with Client(services.address) as one:
        yield one


def create(client, function, budget, *, ttl=60.0, settings=None, parameters=None, metrics=None):
    return client.create_experiment(
        name="e",
        parameters=parameters or [Double("x", 0, 1)],
        metrics=metrics or [Maximize("accuracy"), Minimize("latency")],
        observation_budget=budget,
        policy="random",
        workload=function if function == "digits" else f"sample_workloads:{function}",
        settings=settings or {},
        lease_policy=LeasePolicy(ttl=ttl),
    ).id


def wait_for(client, experiment_id, count, seconds=60.0):
    deadline = time.monotonic() + seconds
    while (progress := client.get_experiment(experiment_id).progress).observations < count:
        assert time.monotonic() < deadline, progress
        time.sleep(0.05)
    return list(client.list_observations(experiment_id))


def each_once(client, experiment_id, budget):
    observations = list(client.list_observations(experiment_id))
    assert len(observations) == budget
    assert len({o.suggestion_id for o in observations}) == budget
    assert len(list(client.list_suggestions(experiment_id))) == budget


def test_a_budget_is_trained_to_its_end_and_not_further(services, client, start_trainer):
    experiment_id = create(client, "flaky", 10)
    trainer = start_trainer("--server", services.address, "--slots", "2", "--experiment", experiment_id)
    observations = wait_for(client, experiment_id, 10)
    time.sleep(0.5)
    each_once(client, experiment_id, 10)
    for observation in observations:
        x = observation.assignments["x"]
        assert observation.outcome.kind is (OutcomeKind.OK if x >= 0.5 else OutcomeKind.CRASHED)
        assert observation.worker.startswith("test-")
    trainer.process.send_signal(signal.SIGTERM)
    assert trainer.process.wait(30) == 0


def test_intermediate_vectors_and_notes_are_recorded(services, client, start_trainer):
    experiment_id = create(client, "ok", 1)
    start_trainer("--server", services.address, "--experiment", experiment_id)
    (observation,) = wait_for(client, experiment_id, 1)
    checkpoints = list(client.list_checkpoints(observation.suggestion_id))
    assert [c.step for c in checkpoints] == [1, 2, 3]
    assert observation.values[0].stddev == 0.01
    assert {"device", "python", "seed", "duration_s", "workload"} <= set(observation.metadata)


def test_a_trainer_killed_mid_trial_costs_one_attempt(services, client, start_trainer):
    experiment_id = create(client, "sleep", 2, ttl=1.0, settings={"seconds": "0.7"})
    arguments = ("--server", services.address, "--slots", "2", "--experiment", experiment_id)
    first = start_trainer(*arguments)
    while client.get_experiment(experiment_id).progress.leased < 2:
        time.sleep(0.02)
    first.process.kill()
    first.process.wait()
    start_trainer(*arguments)
    observations = wait_for(client, experiment_id, 2)
    each_once(client, experiment_id, 2)
    assert [o.attempt for o in observations] == [2, 2]


@pytest.mark.parametrize("victim", ["store", "optimizer"])
def test_a_service_killed_while_trials_run_loses_no_result(services, client, start_trainer, victim):
    experiment_id = create(client, "sleep", 8, settings={"seconds": "0.4"})
    start_trainer("--server", services.address, "--slots", "2", "--experiment", experiment_id)
    wait_for(client, experiment_id, 2)
    services.kill(victim)
    time.sleep(1.0)  # trials end while nobody answers
    services.start(victim)
    observations = wait_for(client, experiment_id, 8)
    each_once(client, experiment_id, 8)
    assert all(o.outcome.kind is OutcomeKind.OK for o in observations)
    assert all(o.attempt == 1 for o in observations)


def test_sigterm_hands_running_trials_back(services, client, start_trainer):
    experiment_id = create(client, "forever", 1)
    trainer = start_trainer("--server", services.address, "--experiment", experiment_id, "--grace", "0.2")
    while client.get_experiment(experiment_id).progress.leased < 1:
        time.sleep(0.02)
    trainer.process.send_signal(signal.SIGTERM)
    assert trainer.process.wait(30) == 0
    (suggestion,) = client.list_suggestions(experiment_id)
    assert suggestion.state is SuggestionState.QUEUED
    assert client.get_experiment(experiment_id).progress.observations == 0


def test_a_hopeless_trial_is_stopped_early(services, client, start_trainer):
    handle = client.create_experiment(
        name="e",
        parameters=[Double("x", 0, 1)],
        metrics=[Maximize("accuracy"), Minimize("latency")],
        observation_budget=2,
        workload="sample_workloads:climb",
        fidelity="steps 2..20",
        early_stopping=EarlyStopping((EarlyStoppingRule.HALVING,), reduction=2),
    )
    for x in (0.9, 0.1):
        client.queue(handle.id, {"x": x})
    start_trainer("--server", services.address, "--experiment", handle.id)
    good, hopeless = wait_for(client, handle.id, 2)
    assert (good.outcome.kind, good.value("accuracy")) == (OutcomeKind.OK, 18.0)
    assert hopeless.outcome.kind is OutcomeKind.STOPPED_EARLY
    assert hopeless.outcome.step >= 2
    assert hopeless.value("accuracy") == pytest.approx(0.1 * hopeless.outcome.step)
    changes = (event.change for event in client.watch(handle.id))
    reason = next(one.stop_reason for one in changes if isinstance(one, Suggestion) and one.stop_reason)
    assert reason.startswith("halving: place 2 of 2")
    assert [point.observation.id for point in handle.pareto_front()] == [good.id]


def test_a_cancelled_suggestion_ends_its_trial(services, client, start_trainer):
    experiment_id = create(client, "forever", 1, ttl=1.0)
    # A cancelled suggestion leaves room in the budget: the next one runs until the node is told to go.
    trainer = start_trainer("--server", services.address, "--experiment", experiment_id, "--grace", "0")
    while not (leased := list(client.list_suggestions(experiment_id, [SuggestionState.LEASED]))):
        time.sleep(0.02)
    client.cancel(leased[0].id)
    trainer.wait_for_log("it was cancelled|the lease is lost")
    assert client.get_suggestion(leased[0].id).state is SuggestionState.CANCELLED


@pytest.mark.slow
def test_digits_from_one_warm_process(services, client, start_trainer):
    experiment_id = create(
        client,
        "digits",
        4,
        settings={"epochs": "1"},
        parameters=[Int("conv_1_filters", 4, 16)],
        metrics=[Maximize("accuracy"), Minimize("inference_ms")],
    )
    start_trainer("--server", services.address, "--experiment", experiment_id)
    observations = wait_for(client, experiment_id, 4)
    assert all(o.outcome.kind is OutcomeKind.OK for o in observations), observations
    assert all(o.metadata["torch"] for o in observations)
    assert all(value.stddev > 0 for o in observations for value in o.values)
