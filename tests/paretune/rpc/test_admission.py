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


def test_the_pause_settles_where_as_many_are_turned_away_as_are_answered():
    """So many patient clients that serving them all takes 4 s: each comes about once in that time."""
    rng = random.Random(3)
    admission = Admission(dict.fromkeys(Cost, 1), rng)
    rate, waiting = 100.0, 400
    due = [rng.uniform(0.0, 1.0) for _ in range(waiting)]
    asked = 0
    for tick in range(int(30 * rate)):  # in every hundredth of a second one call ends and one is admitted
        now = tick / rate
        with admission.room(METHODS[Cost.HEAVY]):
            for client in [c for c in range(waiting) if due[c] <= now]:
                pause = admission.turns_away(METHODS[Cost.HEAVY])
                assert pause is not None
                due[client] = now + pause
                asked += now >= 10.0
    per_answer = asked / (20.0 * rate)
    assert 0.5 < per_answer < 2.0


def test_the_pause_goes_back_when_the_crowd_is_gone():
    admission = Admission(SMALL, random.Random(1))
    with ExitStack() as stack:
        for _ in range(SMALL[Cost.HEAVY]):
            stack.enter_context(admission.room(METHODS[Cost.HEAVY]))
        pauses = [admission.turns_away(METHODS[Cost.HEAVY]) for _ in range(500)]
        assert min(pauses[-100:]) >= 0.5 * LONGEST
    for _ in range(500):
        assert admitted(admission, Cost.HEAVY)
    with ExitStack() as stack:
        for _ in range(SMALL[Cost.HEAVY]):
            stack.enter_context(admission.room(METHODS[Cost.HEAVY]))
        assert admission.turns_away(METHODS[Cost.HEAVY]) <= 2 * SHORTEST


def test_the_log_says_how_many_and_not_each(caplog):
    now = [0.0]
    admission = Admission(dict.fromkeys(Cost, 0), clock=lambda: now[0])
    for second in range(21):
        now[0] = float(second)
        for _ in range(10):
            admission.turns_away(METHODS[Cost.HEAVY])
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[1].split()[0] for text in told] == ["1", "100", "100"]
