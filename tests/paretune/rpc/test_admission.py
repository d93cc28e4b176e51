"""Who is turned away, in which order, and when they may come again."""

import random
from contextlib import ExitStack

import pytest

from paretune.errors import ResourceExhausted
from paretune.rpc.admission import LONGEST, ROOM, SHORTEST, Admission
from paretune.rpc.policy import Cost

METHODS = {
    Cost.VITAL: "/paretune.v1.StoreService/Heartbeat",
    Cost.LIGHT: "/paretune.v1.StoreService/GetExperiment",
    Cost.HEAVY: "/paretune.v1.OptimizerService/Suggest",
    Cost.BULK: "/paretune.v1.StoreService/Export",
}
SMALL = {Cost.VITAL: 4, Cost.LIGHT: 3, Cost.HEAVY: 2, Cost.BULK: 2}


def admitted(admission: Admission, cost: Cost) -> bool:
    try:
        with admission.room(METHODS[cost]):
            return True
    except ResourceExhausted:
        return False


@pytest.mark.parametrize("full", Cost)
def test_a_full_class_closes_itself_and_the_less_vital_ones_only(full):
    admission = Admission(SMALL)
    with ExitStack() as stack:
        for _ in range(SMALL[full]):
            assert admitted(admission, full)
            stack.enter_context(admission.room(METHODS[full]))
        assert {cost for cost in Cost if not admitted(admission, cost)} == {c for c in Cost if c >= full}
    assert all(admitted(admission, cost) for cost in Cost)


def test_a_call_that_fails_gives_its_room_back():
    admission = Admission(SMALL)
    for _ in range(10):
        with pytest.raises(KeyError), admission.room(METHODS[Cost.HEAVY]):
            raise KeyError
    assert admitted(admission, Cost.HEAVY)


def test_those_turned_away_come_back_spread_over_time():
    admission = Admission(SMALL, random.Random(1))
    pauses = []
    with admission.room(METHODS[Cost.HEAVY]), admission.room(METHODS[Cost.HEAVY]):
        for _ in range(200):
            with pytest.raises(ResourceExhausted) as caught, admission.room(METHODS[Cost.HEAVY]):
                pass
            assert caught.value.reason == "OVERLOADED"
            pauses.append(caught.value.retry_after)
    assert 0.5 * SHORTEST <= min(pauses) < max(pauses) <= 1.5 * LONGEST
    assert max(pauses) > 2 * min(pauses)


def test_health_and_reflection_are_not_counted():
    admission = Admission(dict.fromkeys(Cost, 0))
    with admission.room("/grpc.health.v1.Health/Check"):
        pass
    assert not admitted(admission, Cost.VITAL)


def test_heartbeats_have_the_most_room():
    assert max(ROOM, key=lambda cost: ROOM[cost]) is Cost.VITAL
