"""The heartbeat thread, with a client that does as the test says."""

import threading

import pytest

import paretune as pt
from paretune.client.calls import Heartbeat
from paretune.client.lease import KeptLease
from paretune.errors import FailedPrecondition, NotFound, Unavailable

TTL = 0.03


class Scripted:
    """Answers heartbeats from a list; the last answer repeats."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []
        self.beats = threading.Semaphore(0)

    def heartbeat(self, suggestion_id, fence, *, patience=None):
        self.seen.append((suggestion_id, fence, patience))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.beats.release()
        if isinstance(answer, Exception):
            raise answer
        return answer


def wait_for_beats(client, count):
    for _ in range(count):
        assert client.beats.acquire(timeout=20)


def test_beats_until_stopped():
    client = Scripted(Heartbeat(pt.Directive.PAUSE, TTL))
    lease = KeptLease(client, "s-1", "7", TTL)
    wait_for_beats(client, 3)
    lease.stop()
    lease._thread.join(20)
    assert not lease._thread.is_alive()
    assert lease.directive is pt.Directive.PAUSE
    assert set(client.seen) == {("s-1", "7", TTL / 3)}
    assert not lease.lost.is_set()


@pytest.mark.parametrize("error", [FailedPrecondition("stale", reason="STALE_LEASE"), NotFound("gone")])
def test_a_lost_lease_ends_the_beats(error):
    client = Scripted(error)
    lease = KeptLease(client, "s-1", "7", TTL)
    assert lease.lost.wait(20)
    lease._thread.join(20)
    assert len(client.seen) == 1


@pytest.mark.parametrize("error", [Unavailable("down"), ValueError("Cannot invoke RPC on closed channel!")])
def test_an_outage_is_not_a_loss(error):
    client = Scripted(error, error, Heartbeat(pt.Directive.CONTINUE, TTL))
    lease = KeptLease(client, "s-1", "7", TTL)
    wait_for_beats(client, 4)
    lease.stop()
    assert not lease.lost.is_set()


def test_the_store_decides_how_often():
    """A shorter life than expected makes the beats faster: three in the new life."""
    client = Scripted(Heartbeat(pt.Directive.CONTINUE, TTL / 10))
    lease = KeptLease(client, "s-1", "7", TTL)
    wait_for_beats(client, 3)
    lease.stop()
    assert [patience for _, _, patience in client.seen][:2] == [TTL / 3, TTL / 30]
