"""The suite as a whole: three processes, real channels, what a stranger does first."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import grpc
import pytest

import paretune as pt
from paretune.errors import FailedPrecondition, InvalidArgument, NotFound
from paretune.observation import MetricValue, Observation, SuggestionState
from paretune.v1 import optimizer_pb2, store_pb2, store_pb2_grpc, types_pb2

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = [pt.Double("x", -4.0, 4.0), pt.Int("k", 1, 8), pt.Categorical("c", ["a", "b"])]
METRICS = [pt.Minimize("left"), pt.Minimize("right")]


def measure(assignments) -> dict[str, float]:
    x, k = assignments["x"], assignments["k"]
    shift = 0.0 if assignments["c"] == "a" else 0.5
    return {"left": x**2 + 0.1 * k + shift, "right": (x - 2) ** 2 + 0.1 * (8 - k) + shift}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with pt.local(tmp_path_factory.mktemp("suite") / "paretune.db") as client:
        yield client


def create(client, name: str, **fields):
    return client.create_experiment(name=name, parameters=PARAMETERS, metrics=METRICS, **fields)


def test_a_second_process_with_nothing_but_stubs(client):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "bare_stubs.py"), client.address],
        capture_output=True, text=True, timeout=120, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "10 observations" in done.stdout
    volume = float(re.search(r"hypervolume ([\d.]+)", done.stdout).group(1))
    assert volume > 0
    source = (ROOT / "examples" / "bare_stubs.py").read_text()
    assert set(re.findall(r"^(?:from|import) (paretune[\w.]*)", source, re.MULTILINE)) == {"paretune.v1"}


def test_same_seed_same_observations_same_suggestions(client):
    runs = []
    for number in range(2):
        experiment = create(client, f"same {number}", seed=11)
        seen = []
        for _ in range(16):
            suggestion = experiment.suggest()
            experiment.observe(suggestion, measure(suggestion.assignments))
            seen.append((suggestion.assignments, suggestion.provenance.policy))
        runs.append(seen)
    assert runs[0] == runs[1]
    assert {policy.name for _, policy in runs[0]} == {"SOBOL", "GP"}


def test_provenance_says_where_a_suggestion_came_from(client):
    experiment = create(client, "provenance", policy="gp")
    for _ in range(5):
        suggestion = experiment.suggest()
        experiment.observe(suggestion, measure(suggestion.assignments))
    made = experiment.suggest().provenance
    assert made.policy is pt.Policy.GP
    assert made.observation_count == 5
    assert {p.metric for p in made.predictions} == {"left", "right"}
    assert all(p.stddev > 0 for p in made.predictions)


def test_a_front_includes_what_was_just_observed(client):
    experiment = create(client, "fresh")
    for count in range(1, 6):
        experiment.observe({"x": 0.3 * count, "k": 1, "c": "a"}, {"left": 6.0 - count, "right": 1.0})
        front = experiment.pareto_front()
        assert front.observation_count == count
        assert front[0].values["left"] == 6.0 - count


def test_eight_workers_share_a_budget_exactly(client):
    experiment = create(client, "workers", observation_budget=24, policy="sobol")
    seen: list[str] = []

    def work():
        for trial in client.experiment(experiment.id).trials():
            with trial:
                trial.observe(**measure(trial.assignments))
                seen.append(trial.suggestion.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    observations = list(experiment.observations())
    assert len(observations) == 24
    assert sorted(o.suggestion_id for o in observations) == sorted(seen)
    assert [o.ordinal for o in observations] == list(range(1, 25))


def test_suggest_retried_gives_the_first_answer(client):
    experiment = create(client, "retry")
    first = client.suggest(experiment.id, 3, worker="w", request_id="same-question")
    again = client.suggest(experiment.id, 3, worker="w", request_id="same-question")
    assert first == again
    assert len(list(experiment.suggestions())) == 3
    with pytest.raises(InvalidArgument) as caught:
        client.suggest(experiment.id, 2, worker="w", request_id="same-question")
    assert caught.value.reason == "REQUEST_ID_REUSED"


def digest(client, experiment) -> tuple:
    now = client.get_experiment(experiment.id)
    return now, list(client.list_observations(experiment.id)), list(client.list_suggestions(experiment.id))


BAD_OBSERVATIONS = {
    "nan": ({"left": float("nan"), "right": 1.0}, r"left.*finite"),
    "infinite": ({"left": 1.0, "right": float("inf")}, r"right.*finite"),
    "unknown metric": ({"left": 1.0, "rigth": 1.0}, r"did you mean 'right'"),
    "missing metric": ({"left": 1.0}, r"lacks a value of 'right'"),
}


@pytest.mark.parametrize("case", BAD_OBSERVATIONS)
def test_bad_observations_are_refused_and_change_nothing(client, case):
    values, sentence = BAD_OBSERVATIONS[case]
    experiment = create(client, f"bad {case}")
    suggestion = experiment.suggest()
    before = digest(client, experiment)
    message = types_pb2.Observation(
        experiment_id=experiment.id,
        suggestion_id=suggestion.id,
        values=[types_pb2.MetricValue(metric=name, value=value) for name, value in values.items()],
    )
    with grpc.insecure_channel(client.address) as channel:
        store = store_pb2_grpc.StoreServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            store.Observe(
                store_pb2.ObserveRequest(observation=message, fence=suggestion.lease.fence), timeout=10
            )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(sentence, caught.value.details())
    assert digest(client, experiment) == before


def test_bad_assignments_name_the_field(client):
    experiment = create(client, "bad assignments")
    for assignments, sentence in [
        ({"x": 9.0, "k": 1, "c": "a"}, r"assignments\['x'\].*from -4 to 4"),
        ({"x": 0.0, "k": 1, "c": "z"}, r"assignments\['c'\].*one of \['a', 'b'\]"),
        ({"x": 0.0, "k": 1, "c": "a", "y": 1.0}, "no parameter 'y'"),
        ({"x": 0.0, "c": "a"}, r"assignments\['k'\].*missing"),
    ]:
        values = (MetricValue("left", 1.0), MetricValue("right", 1.0))
        observation = Observation(assignments, values, experiment_id=experiment.id)
        with pytest.raises(InvalidArgument, match=sentence) as caught:
            client.observe(observation)
        assert caught.value.violations[0].field.startswith("assignments")
    assert client.get_experiment(experiment.id).progress.observations == 0


def test_min_above_max_is_refused_by_the_store_too(client):
    count = len(list(client.list_experiments()))
    broken = types_pb2.Experiment(
        name="broken",
        parameters=[types_pb2.Parameter(name="x", double_domain=types_pb2.DoubleDomain(min=2, max=1))],
        metrics=[types_pb2.Metric(name="m", goal=types_pb2.GOAL_MINIMIZE)],
    )
    with grpc.insecure_channel(client.address) as channel:
        store = store_pb2_grpc.StoreServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            store.CreateExperiment(store_pb2.CreateExperimentRequest(experiment=broken), timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "parameters[0].min" in caught.value.details()
    assert len(list(client.list_experiments())) == count


def test_missing_experiment(client):
    for call in (
        lambda: client.get_experiment("nowhere"),
        lambda: client.suggest("nowhere", worker="w"),
        lambda: client.pareto_front("nowhere"),
        lambda: list(client.list_observations("nowhere")),
        lambda: next(iter(client.watch("nowhere"))),
    ):
        with pytest.raises(NotFound, match="no experiment 'nowhere'"):
            call()


def test_second_observation_of_a_finished_suggestion(client):
    experiment = create(client, "twice")
    suggestion = experiment.suggest()
    experiment.observe(suggestion, {"left": 1.0, "right": 2.0})
    before = digest(client, experiment)
    with pytest.raises(FailedPrecondition) as caught:
        experiment.observe(suggestion, {"left": 0.0, "right": 0.0})
    assert caught.value.reason == "SUGGESTION_FINISHED"
    assert digest(client, experiment) == before


def test_malformed_bytes_are_the_callers_fault(client):
    with grpc.insecure_channel(client.address) as channel:
        for method in ("paretune.v1.OptimizerService/Suggest", "paretune.v1.StoreService/Observe"):
            call = channel.unary_unary(f"/{method}", lambda b: b, lambda b: b)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"\xff\xff\xff\xff\x07not a message", timeout=10)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("service", ["store", "optimizer"])
def test_kill_nine_in_the_middle_loses_and_doubles_nothing(tmp_path, service):
    with pt.local(tmp_path / "paretune.db") as client:
        experiment = create(client, "killed", observation_budget=30, policy="sobol")
        reported = []
        for trial in experiment.trials():
            with trial:
                trial.observe(**measure(trial.assignments))
            reported.append(trial.suggestion.id)
            if len(reported) in (7, 19):
                os.kill(client.supervisor.pids()[service], signal.SIGKILL)
        observations = list(experiment.observations())
        assert Counter(o.suggestion_id for o in observations) == Counter(reported)
        assert len(observations) == 30
        states = Counter(s.state for s in experiment.suggestions())
        assert states == {SuggestionState.OBSERVED: 30}


def test_suggest_never_goes_past_the_budget(client):
    experiment = create(client, "budget", observation_budget=3)
    given = client.suggest(experiment.id, 5, worker="w", within_budget=True)
    assert len(given) == 3
    with pytest.raises(FailedPrecondition) as caught:
        client.suggest(experiment.id, 1, worker="w", within_budget=True)
    assert caught.value.reason == "BUDGET_EXHAUSTED"
    assert caught.value.metadata == {"budget": "3", "observed": "0", "open": "3"}
    assert len(client.suggest(experiment.id, 1, worker="w")) == 1, "the budget is a hint, not a wall"


def test_a_finite_space_ends_with_a_clear_answer(client):
    experiment = client.create_experiment(
        name="tiny", parameters=[pt.Categorical("c", ["a", "b", "c"])], metrics=[pt.Minimize("m")]
    )
    for _ in range(3):
        suggestion = experiment.suggest()
        experiment.observe(suggestion, {"m": 1.0})
    with pytest.raises(FailedPrecondition) as caught:
        experiment.suggest()
    assert caught.value.reason == "SPACE_EXHAUSTED"


def test_predict_over_the_wire(client):
    experiment = create(client, "predict")
    with pytest.raises(FailedPrecondition) as caught:
        experiment.predict({"x": 0.0, "k": 1, "c": "a"})
    assert caught.value.reason == "TOO_FEW_OBSERVATIONS"
    for _ in range(2):
        experiment.observe(experiment.suggest(), crashed="no disk")
    with pytest.raises(FailedPrecondition, match="there are 0"):
        experiment.predict({"x": 0.0, "k": 1, "c": "a"})
    for _ in range(12):
        suggestion = experiment.suggest()
        experiment.observe(suggestion, measure(suggestion.assignments))
    told = experiment.predict({"x": 1.0, "k": 4, "c": "a"})
    truth = measure({"x": 1.0, "k": 4, "c": "a"})
    for prediction in told.metrics:
        assert abs(prediction.mean - truth[prediction.metric]) < 4 * prediction.stddev + 0.5
    assert 0.0 <= told.probability_efficient <= 1.0
    request = optimizer_pb2.PredictRequest(experiment_id=experiment.id)
    assert not request.configurations
    with pytest.raises(InvalidArgument, match="configurations"):
        client.predict(experiment.id, [])
