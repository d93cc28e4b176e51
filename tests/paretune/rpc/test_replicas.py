"""Which of several Optimizers a call goes to."""

from collections import Counter

import pytest

import paretune as pt
from paretune.errors import InvalidArgument, NotFound, Unavailable
from paretune.local import Suite, free_ports
from paretune.local.supervisor import Supervisor
from paretune.rpc.replicas import AWAY_SECONDS, Replicas, addresses_of, preference
from paretune.v1 import optimizer_pb2, store_pb2

THREE = "a:1,b:2,c:3"


def suggest(key):
    return optimizer_pb2.SuggestRequest(experiment_id=key)


def test_an_experiment_keeps_its_optimizer_and_moves_only_when_that_one_is_away():
    now = [0.0]
    replicas = Replicas(THREE, str.upper, lambda: now[0])
    first = {f"e-{n}": replicas.pick(suggest(f"e-{n}"))[0] for n in range(300)}
    assert min(Counter(first.values()).values()) > 60, "experiments are spread"
    assert first == {key: replicas.pick(suggest(key))[0] for key in first}
    replicas.failed("b:2", Unavailable("gone"))
    moved = {key: replicas.pick(suggest(key))[0] for key in first}
    assert {key for key in first if moved[key] != first[key]} == {k for k, at in first.items() if at == "b:2"}
    assert set(moved.values()) == {"a:1", "c:3"}
    now[0] += AWAY_SECONDS
    assert first == {key: replicas.pick(suggest(key))[0] for key in first}


@pytest.mark.parametrize("address", ["http://a:1", "a:1/experiments", "b:2,https://a:1"])
def test_a_url_is_no_address(address):
    with pytest.raises(InvalidArgument, match="without http://"):
        addresses_of(address)
    assert addresses_of("unix:/run/paretune.sock") == ("unix:/run/paretune.sock",)


def test_every_client_chooses_the_same_and_requests_name_their_experiment():
    order = preference(addresses_of(THREE), "e-1")
    assert sorted(order) == ["a:1", "b:2", "c:3"]
    replicas = Replicas(THREE, str)
    for request in (
        suggest("e-1"),
        store_pb2.GetExperimentRequest(experiment_id="e-1"),
        store_pb2.CreateExperimentRequest(experiment={"id": "e-1"}),
        store_pb2.ObserveRequest(observation={"experiment_id": "e-1"}),
    ):
        assert replicas.pick(request)[0] == order[0]
    assert replicas.pick(store_pb2.HeartbeatRequest(suggestion_id="s"))[0] == "a:1"


def test_other_errors_and_single_addresses_move_nothing():
    replicas = Replicas(THREE, str)
    replicas.failed("a:1", NotFound("no such thing"))
    assert replicas.pick(None)[0] == "a:1"
    for address in ("a:1", "b:2", "c:3"):
        replicas.failed(address, Unavailable("gone"))
    assert replicas.pick(None)[0] == "a:1", "when all are away, the first is tried"
    alone = Replicas("a:1", str)
    alone.failed("a:1", Unavailable("gone"))
    assert alone.pick(None)[0] == "a:1"
    for wrong in ("", "a:1,", "a:1,a:1", "a", "a:x", "a:70000"):
        with pytest.raises(InvalidArgument, match="address"):
            addresses_of(wrong)


def test_a_client_goes_on_with_the_second_when_nobody_is_at_the_first(tmp_path):
    suite = Suite(tmp_path / "tune.db", free_ports())
    supervisor = Supervisor(suite.services(), suite.folder, notify=print)
    suite.folder.mkdir(exist_ok=True)
    supervisor.start()
    try:
        supervisor.wait_until_ready()
        (nobody,) = free_ports(1)
        with pt.connect(f"127.0.0.1:{nobody},{suite.server}") as client:
            experiment = client.create_experiment(
                name="two", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Minimize("loss")]
            )
            assert experiment.suggest().assignments
            assert next(iter(client.watch(experiment.id))).sequence
    finally:
        supervisor.stop()
