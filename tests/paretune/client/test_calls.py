import os

import pytest

import paretune as pt
from paretune.client import calls
from paretune.client.new_experiment import new_experiment, policy_of
from paretune.errors import InvalidArgument

SUGGESTION = "s-1"


def test_every_mutating_call_gets_a_request_id_of_its_own():
    def made():
        return [
            calls.create_experiment(
                pt.Experiment("e", pt.SearchSpace((pt.Double("x", 0, 1),)), (pt.Maximize("a"),)), None
            ),
            calls.update_experiment("e", "", {"name": "f"}, None),
            calls.delete_experiment("e", "", None),
            calls.suggest("e", 1, None, False, None, None),
            calls.queue("e", {"x": 0.5}, None, None),
            calls.release(SUGGESTION, "1", None),
            calls.cancel(SUGGESTION, None),
            calls.stop(SUGGESTION, "slow", 0, None),
            calls.observe(pt.Observation({"x": 0.5}), "", None),
            calls.observe_batch("e", [pt.Observation({"x": 0.5})], None),
        ]

    ids = [call.request.request_id for call in made() + made()]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_a_given_request_id_is_kept():
    assert calls.cancel(SUGGESTION, "mine").request.request_id == "mine"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_amends_too(monkeypatch, error):
    def nameless(number):
        raise error(number)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nameless)
    observation = pt.Observation({"x": 0.5}, (pt.MetricValue("a", 1.0),), id="o-1")
    call = calls.amend(observation, {"a": 2.0}, None, "measured again", None, None)
    assert call.request.author == f"uid {os.getuid()}"


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_how_many_suggestions(count):
    with pytest.raises(InvalidArgument, match="count"):
        calls.suggest("e", count, None, False, None, None)


def test_an_update_names_what_changes():
    changes = {
        "observation_budget": 5,
        "state": pt.ExperimentState.PAUSED,
        "labels": {},
        "lease_policy": pt.LeasePolicy(5.0, 2),
        "metrics": [pt.Maximize("a", unit="%")],
    }
    request = calls.update_experiment("e", "7", changes, None).request
    assert list(request.update_mask.paths) == list(changes)
    assert (request.experiment.etag, request.experiment.observation_budget) == ("7", 5)
    with pytest.raises(InvalidArgument, match="seed: cannot be changed"):
        calls.update_experiment("e", "", {"seed": 3}, None)


def test_policies_by_name():
    assert policy_of("SoBol") is pt.Policy.SOBOL
    with pytest.raises(InvalidArgument, match="did you mean 'random'"):
        policy_of("randon")


def test_an_experiment_from_fields(fields):
    made = new_experiment(**fields(workload="digits", settings={"epochs": 3}, labels={"a": "b"}))
    assert made.workload == pt.Workload("digits", {"epochs": "3"})
    assert made.policy is pt.Policy.RANDOM
    assert len(made.space) == 4
    with pytest.raises(InvalidArgument, match="settings"):
        new_experiment(**fields(settings={"epochs": 3}))


def test_a_batch_takes_fences():
    plain, leased = pt.Observation({"x": 0.5}), pt.Observation({}, suggestion_id="s-1")
    request = calls.observe_batch("e", [plain, (leased, "9")], None).request
    assert [one.fence for one in request.requests] == ["", "9"]
    assert not any(one.request_id for one in request.requests)
