import time
from datetime import UTC, datetime

import pytest
from trainer_fakes import FakeClient

from paretune.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from paretune.observation import Directive, Lease, Suggestion
from paretune_trainer import leasing
from paretune_trainer.ending import Step
from paretune_trainer.leasing import LeaseKeeper
from paretune_trainer.steering import Steering

SUGGESTION = Suggestion("s-1", "e", 1, {"x": 0.5}, lease=Lease("w", "f-1", datetime.now(UTC)))
STALE = FailedPrecondition("Another attempt holds it.", reason="STALE_LEASE")


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


@pytest.fixture
def client():
    return FakeClient(None, ttl=0.06)


@pytest.fixture
def steering():
    one = Steering()
    yield one
    one.close()


@pytest.fixture
def keep(client, steering):
    keepers = []

    def make(ttl=0.06, **settings):
        keepers.append(LeaseKeeper(client, SUGGESTION, ttl, ["accuracy"], steering, **settings))
        return keepers[-1]

    yield make
    for keeper in keepers:
        keeper.stop()
        keeper._thread.join(5)
        assert not keeper._thread.is_alive()


def test_heartbeats_tell_the_end_of_the_log_when_it_grew(client, keep):
    client.failing["heartbeat"] = [Unavailable("gone for a moment")]
    keeper = keep()
    keeper.output(b"x" * 10_000)
    keeper.output("epoch 2 ✓\n".encode())
    eventually(lambda: client.tails)
    seen = client.count("heartbeat")
    eventually(lambda: client.count("heartbeat") > seen + 1)
    (tail,) = client.tails
    assert tail.endswith("xepoch 2 ✓\n")
    assert len(tail.encode()) == leasing.LOG_TAIL_BYTES


def test_heartbeats_go_on_until_the_end(client, keep):
    keeper = keep()
    eventually(lambda: client.count("heartbeat") >= 5)
    keeper.stop()
    keeper._thread.join()
    seen = client.count("heartbeat")
    time.sleep(0.1)
    assert client.count("heartbeat") == seen


def test_a_long_lease_needs_no_heartbeat_yet_but_an_old_one_does(client, keep):
    keep(ttl=60.0)
    time.sleep(0.1)
    assert client.count("heartbeat") == 0
    keep(ttl=60.0, beat_at_once=True)
    eventually(lambda: client.count("heartbeat") == 1)


def test_the_store_says_how_long_the_lease_is(client, keep):
    client.ttl = 600.0
    keep()
    eventually(lambda: client.count("heartbeat") == 1)
    time.sleep(0.2)
    assert client.count("heartbeat") == 1


@pytest.mark.parametrize("error", [STALE, NotFound.of("suggestion", "s-1")])
def test_a_lost_lease_cancels_the_trial(client, steering, keep, error):
    client.failing["heartbeat"] = [error]
    keeper = keep()
    eventually(lambda: keeper.over)
    eventually(lambda: steering.cancelled)
    assert client.count("heartbeat") == 1


def test_an_outage_does_not(client, steering, keep):
    client.failing["heartbeat"] = [Unavailable("no")] * 5
    keeper = keep()
    eventually(lambda: client.count("heartbeat") >= 8)
    assert not keeper.over
    assert not steering.cancelled


def test_a_refused_token_is_told_and_ends_nothing_until_the_lease_is_lost(client, steering, keep, caplog):
    client.failing["heartbeat"] = [PermissionDenied("not leased with it")] * 3 + [STALE]
    keep()
    eventually(lambda: steering.cancelled)
    assert client.count("heartbeat") == 4
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 3
    assert "not leased with it" in told[0]


@pytest.mark.parametrize("verb", ["heartbeat", "checkpoint"])
def test_directives_are_obeyed_whichever_call_brings_them(client, steering, keep, verb):
    client.directive = Directive.STOP_EARLY
    keeper = keep(ttl=0.06 if verb == "heartbeat" else 600.0)
    if verb == "checkpoint":
        keeper.add(Step(1, {"accuracy": 0.5}))
    eventually(lambda: steering.stopped)
    assert not steering.cancelled
    client.directive = Directive.CANCEL
    keeper.add(Step(2, {"accuracy": 0.5}))
    eventually(lambda: steering.cancelled)
    assert keeper.over == "it was cancelled"


def test_a_paused_experiment_lets_its_trial_end(client, steering, keep):
    client.directive = Directive.PAUSE
    keeper = keep()
    eventually(lambda: client.count("heartbeat") >= 3)
    assert not steering.cancelled
    assert not steering.stopped
    assert not keeper.over


def test_checkpoints_are_sent_together(client, keep):
    keeper = keep(ttl=600.0)
    for step in range(200):
        keeper.add(Step(step, {"accuracy": step / 200}))
        time.sleep(0.001)
    keeper.flush(patience=1.0)
    eventually(lambda: len(client.checkpoints) == 200)
    assert [c.step for c in client.checkpoints] == list(range(200))
    assert client.count("checkpoints") <= 4


def test_more_checkpoints_than_one_call_takes_become_a_thinner_curve(client, keep, monkeypatch):
    monkeypatch.setattr(leasing, "CHECKPOINT_SECONDS", 60.0)
    keeper = keep(ttl=600.0)
    keeper.add(Step(0, {"accuracy": 0.0}))
    eventually(lambda: client.checkpoints)
    for step in range(1, 5001):
        keeper.add(Step(step, {"accuracy": 0.5}))
    keeper.flush(patience=1.0)
    steps = [c.step for c in client.checkpoints]
    assert client.count("checkpoints") == 2
    assert len(steps) <= leasing.MAX_PENDING + 1
    assert steps == sorted(steps)
    assert steps[-1] == 5000


def test_checkpoints_of_an_outage_are_sent_after_it(client, steering, keep):
    client.failing["checkpoints"] = [Unavailable("down"), DeadlineExceeded("slow"), Unavailable("down")]
    keeper = keep(ttl=0.06)
    for step in range(40):
        keeper.add(Step(step, {"accuracy": 0.5}))
        time.sleep(0.002)
    eventually(lambda: len(client.checkpoints) == 40)
    assert [c.step for c in client.checkpoints] == list(range(40))
    assert not steering.cancelled


def test_a_long_outage_leaves_a_thinner_curve(client, keep):
    client.failing["checkpoints"] = [Unavailable("down")] * 10_000
    keeper = keep(ttl=0.06)
    for step in range(10 * leasing.MAX_PENDING):
        keeper.add(Step(step, {"accuracy": 0.5}))
    client.failing["checkpoints"].clear()
    eventually(lambda: client.checkpoints)
    steps = [c.step for c in client.checkpoints]
    assert len(steps) <= leasing.MAX_PENDING
    assert steps == sorted(set(steps))
    assert steps[-1] == 10 * leasing.MAX_PENDING - 1


def test_metrics_that_the_experiment_does_not_have_are_not_sent(client, keep):
    keeper = keep(ttl=600.0)
    keeper.add(Step(1, {"loss": 0.5}))
    keeper.add(Step(-1, {"accuracy": 0.5}))
    keeper.add(Step(2, {"accuracy": 0.5, "loss": 1.0}))
    eventually(lambda: client.checkpoints)
    assert [(c.step, [v.metric for v in c.values]) for c in client.checkpoints] == [(2, ["accuracy"])]


def test_refused_checkpoints_do_not_end_the_trial(client, steering, keep):
    client.failing["checkpoints"] = [InvalidArgument.of("checkpoints[0]", "is odd")]
    keeper = keep(ttl=600.0)
    keeper.add(Step(1, {"accuracy": 0.5}))
    eventually(lambda: client.count("checkpoints") == 1)
    keeper.add(Step(2, {"accuracy": 0.5}))
    eventually(lambda: client.checkpoints)
    assert not steering.cancelled
