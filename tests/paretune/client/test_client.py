"""Every verb against a real Store and a real Optimizer."""

import time
from itertools import islice

import pytest

import paretune as pt
from paretune.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from paretune.local import free_ports
from paretune.observation import Checkpoint, Event

GOOD = {"x": 0.5, "n": 2, "kind": "plain"}
VALUES = (pt.MetricValue("accuracy", 0.9, 0.01), pt.MetricValue("cost", 3.0))


def free(experiment, assignments=GOOD, values=VALUES, **more):
    return pt.Observation(assignments, values, experiment_id=experiment.id, **more)


# Experiments


def test_create_get_list_update_delete(client, fields):
    label = {"test": "crud"}
    handle = client.create_experiment(**fields(labels=label, metadata={"note": "é"}))
    assert client.get_experiment(handle.id) == handle.experiment
    assert [e.id for e in client.list_experiments(labels=label)] == [handle.id]
    updated = client.update_experiment(handle.id, observation_budget=9, etag=handle.experiment.etag)
    assert updated.observation_budget == 9
    with pytest.raises(Aborted) as caught:
        client.update_experiment(handle.id, observation_budget=8, etag=handle.experiment.etag)
    assert caught.value.reason == "ETAG_MISMATCH"
    client.delete_experiment(handle.id)
    with pytest.raises(NotFound, match=handle.id):
        client.get_experiment(handle.id)


def test_create_from_a_whole_experiment_with_a_chosen_id(client, fields):
    experiment = pt.Experiment(
        "whole", pt.SearchSpace((pt.Double("x", 0, 1),)), (pt.Maximize("a"),), id="chosen"
    )
    assert client.create_experiment(experiment).id == "chosen"
    with pytest.raises(AlreadyExists, match="chosen"):
        client.create_experiment(experiment)
    client.delete_experiment("chosen")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"observaton_budget": 3}, TypeError, "create_experiment: .*did you mean 'observation_budget'"),
        ({"metrics": pt.Minimize("loss")}, InvalidArgument, r"metrics: must be a list, such as \[Metric"),
    ],
)
def test_wrong_fields_are_named_as_the_user_knows_them(client, fields, changes, error, message):
    with pytest.raises(error, match=message):
        client.create_experiment(**fields(**changes))
    with pytest.raises(TypeError, match="create_experiment: parameters, metrics must be given"):
        client.create_experiment(name="x")


def test_exist_ok_resumes_the_same_search_and_no_other(client, fields):
    first = client.create_experiment(**fields(id="resumed", observation_budget=5))
    client.observe(free(first))
    again = client.create_experiment(**fields(id="resumed", observation_budget=9), exist_ok=True)
    assert again.id == first.id
    assert again.experiment.observation_budget == 5, "resumed as it is"
    assert again.experiment.progress.observations == 1
    with pytest.raises(AlreadyExists, match="other metrics"):
        client.create_experiment(**fields(id="resumed", metrics=[pt.Maximize("else")]), exist_ok=True)
    client.delete_experiment("resumed")


def test_a_repeated_request_id_gives_the_first_answer(client, fields):
    first = client.create_experiment(**fields(), request_id="create-1")
    assert client.create_experiment(**fields(), request_id="create-1").experiment == first.experiment
    with pytest.raises(InvalidArgument) as caught:
        client.create_experiment(**fields(name="other"), request_id="create-1")
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_lists_read_all_pages(client, fields, monkeypatch):
    monkeypatch.setattr("paretune.client.calls.PAGE_SIZE", 2)
    ids = [client.create_experiment(**fields(labels={"test": "pages"})).id for _ in range(5)]
    assert [e.id for e in client.list_experiments(labels={"test": "pages"})] == ids[::-1]


def test_archived_experiments_are_listed_only_when_asked_for(client, fields):
    handle = client.create_experiment(**fields(name="old"))
    handle.archive()
    assert list(client.list_experiments(name="old")) == []
    assert [e.id for e in client.list_experiments([pt.ExperimentState.ARCHIVED], name="old")] == [handle.id]


# Suggestions


def test_suggest_heartbeat_release_cancel(client, experiment):
    one, other = client.suggest(experiment.id, 2, worker="me")
    assert one.lease.worker == "me"
    assert one.provenance.policy is pt.Policy.RANDOM
    beat = client.heartbeat(one.id, one.lease.fence)
    assert beat.directive is pt.Directive.CONTINUE
    assert 0 < beat.ttl <= experiment.experiment.lease_policy.ttl
    released = client.release(one.id, one.lease.fence)
    assert released.state is pt.SuggestionState.QUEUED
    with pytest.raises(FailedPrecondition) as caught:
        client.heartbeat(one.id, one.lease.fence)
    assert caught.value.reason == "STALE_LEASE"
    assert client.cancel(other.id).state is pt.SuggestionState.CANCELLED
    cancelled = client.list_suggestions(experiment.id, [pt.SuggestionState.CANCELLED])
    assert [s.id for s in cancelled] == [other.id]
    again = client.suggest(experiment.id)[0]
    assert again.id == one.id
    assert client.get_suggestion(one.id) == again


def test_queued_configurations_come_first(client, experiment):
    queued = client.queue(experiment.id, GOOD, {"by": "hand"})
    (got,) = client.suggest(experiment.id)
    assert (got.id, got.assignments, got.metadata) == (queued.id, GOOD, {"by": "hand"})
    with pytest.raises(InvalidArgument, match=r"assignments\['n'\].*whole number from 1 to 8"):
        client.queue(experiment.id, {**GOOD, "n": 99})


def test_the_budget_is_kept_only_when_asked(client, experiment):
    assert len(client.suggest(experiment.id, 10, within_budget=True)) == 6
    with pytest.raises(FailedPrecondition) as caught:
        client.suggest(experiment.id, within_budget=True)
    assert caught.value.reason == "BUDGET_EXHAUSTED"
    assert caught.value.metadata["budget"] == "6"
    assert len(client.suggest(experiment.id)) == 1


# Observations and checkpoints


def test_observe_once(client, experiment):
    (suggestion,) = client.suggest(experiment.id)
    report = pt.Observation({}, VALUES, experiment_id=experiment.id, suggestion_id=suggestion.id)
    with pytest.raises(FailedPrecondition) as caught:
        client.observe(report, fence="wrong")
    assert caught.value.reason == "STALE_LEASE"
    recorded = client.observe(report, fence=suggestion.lease.fence, request_id="observe-1")
    assert (recorded.assignments, recorded.values) == (suggestion.assignments, VALUES)
    assert client.observe(report, fence=suggestion.lease.fence, request_id="observe-1") == recorded
    with pytest.raises(FailedPrecondition) as caught:
        client.observe(report, fence=suggestion.lease.fence)
    assert caught.value.reason == "SUGGESTION_FINISHED"
    assert client.get_observation(recorded.id) == recorded
    assert list(client.list_observations(experiment.id)) == [recorded]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (VALUES[:1], "values"),
        ((*VALUES, pt.MetricValue("typo", 1.0)), "values[2].metric"),
        ((*VALUES, VALUES[0]), "values[2].metric"),
    ],
)
def test_wrong_metrics_are_refused_and_nothing_is_kept(client, experiment, values, field):
    with pytest.raises(InvalidArgument) as caught:
        client.observe(free(experiment, values=values))
    assert field in {violation.field.removeprefix("observation.") for violation in caught.value.violations}
    assert list(client.list_observations(experiment.id)) == []


def test_a_batch_is_all_or_nothing(client, experiment):
    bad = free(experiment, {**GOOD, "x": 7.0})
    with pytest.raises(InvalidArgument, match=r"\[1\].*x"):
        client.observe_batch(experiment.id, [free(experiment), bad])
    assert list(client.list_observations(experiment.id)) == []
    (suggestion,) = client.suggest(experiment.id)
    leased = pt.Observation({}, VALUES, experiment_id=experiment.id, suggestion_id=suggestion.id)
    recorded = client.observe_batch(
        experiment.id, [free(experiment), (leased, suggestion.lease.fence)], request_id="batch-1"
    )
    assert [o.ordinal for o in recorded] == [1, 2]


def test_observations_by_outcome(client, experiment):
    infeasible = pt.Outcome(pt.OutcomeKind.INFEASIBLE, "too big")
    client.observe(free(experiment))
    client.observe(free(experiment, values=(), outcome=infeasible))
    (found,) = client.list_observations(experiment.id, [pt.OutcomeKind.INFEASIBLE])
    assert found.outcome.reason == "too big"


def test_checkpoints(client, experiment):
    (suggestion,) = client.suggest(experiment.id)
    steps = [Checkpoint(suggestion.id, step, VALUES[:1]) for step in (1, 2)]
    directive = client.record_checkpoints(suggestion.id, suggestion.lease.fence, steps)
    assert directive is pt.Directive.CONTINUE
    assert [c.step for c in client.list_checkpoints(suggestion.id)] == [1, 2]


# What the results mean


def test_front_history_and_prediction(client, experiment):
    for x, cost in ((0.9, 9.0), (0.5, 2.0), (0.4, 8.0)):
        values = (pt.MetricValue("accuracy", x), pt.MetricValue("cost", cost))
        client.observe(free(experiment, {**GOOD, "x": x}, values))
    front = client.pareto_front(experiment.id)
    assert [point.values["accuracy"] for point in front] == [0.9, 0.5]
    point = {"accuracy": 0.0, "cost": 20.0}
    volume = client.pareto_front(experiment.id, reference_point=point).hypervolume
    assert volume == pytest.approx(0.9 * 11 + 0.5 * 7)
    history = client.hypervolume_history(experiment.id, reference_point=point)
    assert history == pytest.approx([9.9, volume, volume])
    assert client.pareto_front(experiment.id, as_of=1, reference_point=point).hypervolume == history[0]
    (prediction,) = client.predict(experiment.id, [GOOD])
    assert {p.metric for p in prediction.metrics} == {"accuracy", "cost"}
    with pytest.raises(InvalidArgument, match="typo"):
        client.predict(experiment.id, [{**GOOD, "typo": 1}])


# Watch


def test_watch_gives_the_past_and_then_the_present(client, experiment):
    client.observe(free(experiment))
    stream = client.watch(experiment.id)
    past = list(islice(stream, 2))
    assert [type(event.change) for event in past] == [pt.Experiment, pt.Observation]
    client.observe(free(experiment))
    live = next(stream)
    assert isinstance(live, Event)
    assert live.change.ordinal == 2
    assert live.sequence > past[-1].sequence
    stream.close()


def test_watch_of_nothing_is_refused(client):
    with pytest.raises(NotFound):
        next(client.watch("nothing"))


# When nobody answers


def test_a_dead_address_is_named(fields):
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pt.Client(address, timeout=1.0) as client, pytest.raises(Unavailable) as caught:
        client.get_experiment("e")
    assert address in str(caught.value)
    assert "paretune up" in str(caught.value)
    with pytest.raises(Unavailable, match=address):
        pt.connect(address, wait=0.3)


def test_a_silent_address_ends_at_the_deadline():
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        with pt.Client(address, timeout=0.5) as client, pytest.raises(pt.ParetuneError, match=address):
            client.get_experiment("e")
        assert time.monotonic() - begin < 10 * 0.5


def test_a_closed_client_says_so(services):
    with pt.Client(services.address) as client:
        pass
    with pytest.raises(Unavailable, match="closed"):
        client.get_experiment("e")


def test_connect_waits_for_a_service(services):
    with pt.connect(services.address) as client:
        assert repr(client) == f"Client('{services.address}')"
        assert list(client.list_experiments(name="no such name")) == []


@pytest.mark.parametrize("name", ["store", "optimizer"])
def test_a_restart_is_waited_for_and_happens_once(own_services, fields, name):
    """Kill -9 between two calls and while a stream is open: callers notice nothing but time."""
    with pt.Client(own_services.address, timeout=30) as client:
        experiment = client.create_experiment(**fields())
        client.observe(free(experiment), request_id="before")
        stream = client.watch(experiment.id)
        past = list(islice(stream, 2))
        own_services.kill(name)
        own_services.start(name)
        client.observe(free(experiment), request_id="before")
        client.observe(free(experiment), request_id="after")
        assert [o.ordinal for o in client.list_observations(experiment.id)] == [1, 2]
        assert len(client.suggest(experiment.id)) == 1
        assert next(stream).sequence > past[-1].sequence
        stream.close()
