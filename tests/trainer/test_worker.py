"""The pull loop against a client that fails on demand; test_with_services.py has the real ones."""

import errno
import shutil
import time
from dataclasses import replace

import pytest
from trainer_fakes import FakeClient

from paretune.errors import Aborted, DeadlineExceeded, FailedPrecondition, InvalidArgument, Unavailable
from paretune.experiment import Experiment, LeasePolicy, Maximize, Minimize, Workload
from paretune.observation import Directive, OutcomeKind
from paretune.parameters import Double
from paretune.space import SearchSpace
from paretune_trainer import recording, worker
from paretune_trainer.job import Job, seed_of
from paretune_trainer.worker import Workers


def eventually(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


def experiment(function, *, budget=4, settings=None, **fields):
    name = function if ":" in function or function == "digits" else f"sample_workloads:{function}"
    return Experiment(
        name="e",
        id="e",
        space=SearchSpace((Double("x", 0, 1),)),
        metrics=(Maximize("accuracy"), Minimize("latency")),
        observation_budget=budget,
        seed=5,
        workload=Workload(name, settings or {}),
        **fields,
    )


@pytest.fixture
def start(make_node, monkeypatch):
    """Workers on a node of two slots, for one experiment; stopped at the end of the test."""
    monkeypatch.setattr(recording, "_BACKOFF_SECONDS", (0.01, 0.02))
    running = []

    def make(client, grace=0.0, **settings):
        node = make_node(poll=0.05, **settings)
        running.append((Workers(node, client), grace))
        running[-1][0].start()
        return running[-1][0]

    yield make
    for workers, grace in running:
        assert workers.stop(grace)


def test_suggestions_are_trained_and_reported_once_each_up_to_the_budget(start):
    client = FakeClient(experiment("flaky", budget=8))
    start(client)
    eventually(lambda: len(client.observations) == 8)
    time.sleep(0.2)
    assert len(client.observations) == 8
    by_x = {o.assignments["x"]: o for o in client.observations}
    assert sorted(by_x) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    for x, observation in by_x.items():
        kind = OutcomeKind.CRASHED if x < 0.5 else OutcomeKind.OK
        assert observation.outcome.kind is kind
        assert observation.attempt == 1
        assert observation.worker == "w"
        assert observation.start_time is not None
        assert observation.metadata["seed"] == str(seed_of(5, round(x * 10)))
        assert observation.value("accuracy") == (x if x >= 0.5 else None)


def test_intermediate_vectors_arrive_before_the_result(start):
    client = FakeClient(experiment("ok", budget=1))
    start(client)
    eventually(lambda: client.observations)
    assert [(c.suggestion_id, c.step) for c in client.checkpoints] == [("s-1", 1), ("s-1", 2), ("s-1", 3)]
    verbs = [entry[0] for entry in client.log]
    assert verbs.index("checkpoints") < verbs.index("observe")


def test_lost_replies_are_asked_for_again_with_the_same_request_id(start):
    client = FakeClient(experiment("ok", budget=1))
    client.failing = {
        "suggest": [Unavailable("gone"), DeadlineExceeded("slow"), Aborted("again")],
        "observe": [Unavailable("gone")] * 3,
        "observed": [Unavailable("the reply was lost")] * 2,
    }
    start(client, slots=1)
    eventually(lambda: client.count("observed") == 3)
    assert len(client.observations) == 1
    assert len(client.suggestions) == 1
    asked = [entry[1] for entry in client.log if entry[0] == "suggest"][:4]
    assert len(set(asked)) == 1
    told = [entry[1] for entry in client.log if entry[0] in ("observe", "observed")]
    assert len(told) == 7
    assert len(set(told)) == 1
    # The lease may have expired while the reply was on its way: asked at once.
    assert client.count("heartbeat") >= 1


def test_a_lost_lease_ends_the_trial_without_a_report(start):
    client = FakeClient(experiment("forever", budget=1, lease_policy=LeasePolicy(ttl=1.0)), ttl=1.0)
    client.failing["heartbeat"] = [FailedPrecondition("lost", reason="STALE_LEASE")]
    workers = start(client)
    eventually(lambda: client.count("heartbeat") == 1)
    eventually(lambda: workers._node.runs() == [])
    assert client.observations == []
    assert client.released == []


def test_a_stale_report_is_dropped_and_the_slot_goes_on(start):
    client = FakeClient(experiment("sleep", budget=2))
    client.failing["observe"] = [FailedPrecondition("lost", reason="STALE_LEASE")]
    start(client, slots=1)
    client.experiment = replace(client.experiment, observation_budget=3)
    eventually(lambda: len(client.observations) == 2)


def test_a_result_that_the_store_refuses_is_recorded_as_no_result(start):
    client = FakeClient(experiment("ok", budget=1))
    client.failing["observe"] = [InvalidArgument.of("values[0].value", "is not finite")]
    start(client)
    eventually(lambda: client.observations)
    outcome = client.observations[0].outcome
    assert outcome.kind is OutcomeKind.CRASHED
    assert "values[0].value: is not finite" in outcome.reason
    ids = [entry[1] for entry in client.log if entry[0] == "observe"]
    assert len(set(ids)) == 2


def test_stop_early_is_obeyed(start):
    client = FakeClient(experiment("until_told", budget=1))
    client.directive = Directive.STOP_EARLY
    start(client)
    eventually(lambda: client.observations)
    assert client.observations[0].outcome.kind is OutcomeKind.STOPPED_EARLY
    assert client.observations[0].outcome.step > 0
    assert client.observations[0].value("accuracy") > 0


def test_cancel_is_obeyed_without_a_report(start):
    client = FakeClient(experiment("forever", budget=1))
    client.directive = Directive.CANCEL
    workers = start(client)
    eventually(lambda: client.checkpoints)
    eventually(lambda: workers._node.runs() == [])
    assert client.observations == []
    assert client.released == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (experiment("digits"), "Workload digits has no parameter x"),
        (experiment("no_such_module:f"), "No module named 'no_such_module'"),
        (experiment("sample_workloads:nothing"), "has no attribute 'nothing'"),
        (replace(experiment("ok"), workload=Workload("digit")), "There is no workload 'digit'"),
    ],
)
def test_an_experiment_that_cannot_run_here_is_left_alone_and_said_once(start, caplog, wrong, words):
    client = FakeClient(wrong)
    start(client)
    eventually(lambda: any(words in record.message for record in caplog.records))
    time.sleep(0.5)
    assert client.suggestions == {}
    assert len([one for one in caplog.records if one.levelname == "ERROR" and words in one.message]) == 1


def test_wrong_metric_names_are_recorded_with_what_to_change(start):
    client = FakeClient(experiment("wrong_names", budget=1))
    start(client)
    eventually(lambda: client.observations)
    assert "did not return accuracy" in client.observations[0].outcome.reason


def test_a_node_whose_folder_was_removed_makes_it_again(start):
    client = FakeClient(experiment("sleep", budget=3))
    workers = start(client, slots=1)
    eventually(lambda: client.observations)
    shutil.rmtree(workers._node._folder.path.parent)
    eventually(lambda: len(client.observations) == 3)


def test_a_node_that_cannot_write_takes_nothing_until_it_can(start, caplog, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "_TROUBLE_SECONDS", 0.1)
    client = FakeClient(experiment("sleep", budget=3))
    workers = start(client, slots=1)
    eventually(lambda: client.observations)
    folder = workers._node._folder.path.parent
    folder.rename(tmp_path / "elsewhere")
    folder.write_text("in the way")
    eventually(lambda: any("cannot be used" in record.message for record in caplog.records))
    asked = client.count("suggest")
    time.sleep(0.3)
    assert client.count("suggest") == asked
    folder.unlink()
    eventually(lambda: len(client.observations) == 3)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("a bug")])
def test_what_could_not_be_started_is_handed_back_and_rests(start, caplog, monkeypatch, error):
    monkeypatch.setattr(worker, "_TROUBLE_SECONDS", 600.0)
    client = FakeClient(experiment("sleep", budget=2))
    write, written = Job.write, []

    def failing(job, folder):
        if not job.load_only:
            written.append(folder)
            raise error
        write(job, folder)

    monkeypatch.setattr(Job, "write", failing)
    start(client, slots=1)
    eventually(lambda: client.released == ["s-1"])
    time.sleep(0.3)
    assert client.count("suggest") == 1
    assert not written[0].exists()
    assert str(error) in caplog.text


def test_stopping_hands_back_what_does_not_end_in_time(start):
    client = FakeClient(experiment("forever", budget=2))
    workers = start(client)
    eventually(lambda: len(workers._node.runs()) == 2)
    assert workers.stop(grace=0.1)
    assert sorted(client.released) == ["s-1", "s-2"]
    assert client.observations == []


def test_stopping_lets_short_trials_end(start):
    client = FakeClient(experiment("sleep", budget=9, settings={"seconds": "0.5"}))
    workers = start(client)
    eventually(lambda: len(workers._node.runs()) == 2)
    assert workers.stop(grace=10.0)
    assert len(client.observations) == 2
    assert client.released == []


def test_a_run_cancelled_on_the_node_goes_back_to_the_queue(start):
    client = FakeClient(experiment("forever", budget=1))
    workers = start(client)
    eventually(lambda: client.checkpoints)
    workers._node.draining.set()
    (run,) = workers._node.runs()
    workers._node.cancel(run.id)
    eventually(lambda: client.released == ["s-1"])


def test_a_draining_node_takes_nothing(start):
    client = FakeClient(experiment("sleep", budget=2))
    workers = start(client)
    workers._node.draining.set()
    eventually(lambda: workers._node.runs() == [])
    asked = client.count("suggest")
    time.sleep(0.3)
    assert client.count("suggest") <= asked + 2


def test_an_outage_of_the_list_is_survived(start):
    client = FakeClient(experiment("ok", budget=2))
    client.failing["list"] = [Unavailable("down")] * 3 + [RuntimeError("a bug")]
    start(client)
    eventually(lambda: len(client.observations) == 2)
