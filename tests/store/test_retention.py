"""What is forgotten, and what never is."""

import pytest
from store_cases import Driver, assignments, checkpoint, experiment

from paretune.errors import AlreadyExists
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store.sqlite import SqliteStore

DAY = 86_400


@pytest.fixture
def store(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


def prune(store: Driver, days: float = 0.25) -> int:
    return store.run(store.store.prune(days))


def test_old_replies_and_checkpoint_events_go_and_nothing_else(store):
    create = pb.CreateExperimentRequest(experiment=experiment(id="digits", ttl=DAY), request_id="old")
    store.do(create)
    held = store.lease("digits")
    store.checkpoints(held, *(checkpoint(step) for step in range(700)))
    store.clock.advance(0.5 * DAY)
    store.heartbeat(held)
    store.checkpoints(held, checkpoint(1000))
    young = pb.QueueSuggestionRequest(experiment_id="digits", assignments=assignments(), request_id="young")
    reply = store.bytes_of(young)
    before = [e for e in store.events("digits") if not e.HasField("checkpoint")]
    listed = store.pages(pb.ListCheckpointsRequest(suggestion_id=held.id), "checkpoints")
    assert prune(store) == 1 + 700
    assert prune(store) == 0
    events = store.events("digits")
    assert [e for e in events if not e.HasField("checkpoint")] == before
    assert [e.checkpoint.step for e in events if e.HasField("checkpoint")] == [1000]
    assert store.pages(pb.ListCheckpointsRequest(suggestion_id=held.id), "checkpoints") == listed
    assert store.bytes_of(young) == reply
    store.refused(create, AlreadyExists)  # the reply is gone, so the question is a new one


def test_events_of_checkpoints_stay_where_there_are_early_stops(store):
    stops = types.EarlyStopping(rules=[types.EARLY_STOPPING_RULE_HALVING], confidence=0.9, reduction=3)
    made = experiment(id="digits", ttl=DAY, early_stopping=stops)
    store.do(pb.CreateExperimentRequest(experiment=made))
    store.checkpoints(store.lease("digits"), checkpoint(1), checkpoint(2))
    before = store.events("digits")
    store.clock.advance(10 * DAY)
    prune(store)
    assert store.events("digits") == before


def test_the_ends_of_old_logs_go(store):
    store.do(pb.CreateExperimentRequest(experiment=experiment(id="digits", ttl=DAY)))
    old, young = store.lease("digits"), store.lease("digits")
    tell = {"log_tail": "epoch 1"}
    store.do(pb.HeartbeatRequest(suggestion_id=old.id, fence=old.lease.fence, **tell))
    store.clock.advance(0.5 * DAY)
    store.do(pb.HeartbeatRequest(suggestion_id=young.id, fence=young.lease.fence, **tell))
    assert prune(store) == 1
    asked = [pb.GetSuggestionRequest(suggestion_id=one.id, with_history=True) for one in (old, young)]
    assert [store.do(request).log_tail for request in asked] == ["", "epoch 1"]


def test_later_prunes_go_on_where_the_last_one_ended(store):
    store.do(pb.CreateExperimentRequest(experiment=experiment(id="digits", ttl=DAY)))
    held = store.lease("digits")
    removed = []
    for step in range(3):
        store.heartbeat(held)
        store.checkpoints(held, checkpoint(step))
        removed.append(prune(store, 0.5))
        store.clock.advance(0.25 * DAY)
    assert removed == [0, 0, 0]
    assert prune(store, 0.5) == 1
    store.clock.advance(10 * DAY)
    assert prune(store, 0.5) == 2
