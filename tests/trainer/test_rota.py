import logging
from dataclasses import replace

import pytest

from paretune.errors import NotFound
from paretune.experiment import Experiment, ExperimentState, Maximize, Progress, Workload
from paretune.parameters import Double
from paretune.space import SearchSpace
from paretune_trainer import rota
from paretune_trainer.rota import Rota


def experiment(name, **fields):
    whole = {
        "name": name,
        "id": name,
        "space": SearchSpace((Double("x", 0, 1),)),
        "metrics": (Maximize("accuracy"),),
        "workload": Workload("sample_workloads:ok"),
        **fields,
    }
    return Experiment(**whole)


class FakeStore:
    def __init__(self, *experiments):
        self.experiments = {each.id: each for each in experiments}
        self.calls = 0

    def list_experiments(self, states=()):
        self.calls += 1
        return iter([each for each in self.experiments.values() if not states or each.state in states])

    def get_experiment(self, name):
        self.calls += 1
        if name not in self.experiments:
            raise NotFound.of("experiment", name)
        return self.experiments[name]


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def turns(rota, count):
    return [(rota.next() or experiment("none")).id for _ in range(count)]


def test_without_experiments_it_is_nobodys_turn(clock):
    assert Rota(FakeStore(), clock=clock).next() is None


@pytest.mark.parametrize(
    "fields",
    [
        {"workload": None},
        {"state": ExperimentState.PAUSED},
        {"state": ExperimentState.FINISHED},
        {"observation_budget": 3, "progress": Progress(observations=3)},
        {"observation_budget": 3, "progress": Progress(observations=1, leased=2)},
    ],
)
def test_experiments_without_need_of_a_trainer_are_passed_over(clock, fields):
    assert Rota(FakeStore(experiment("a", **fields)), clock=clock).next() is None


def test_room_in_the_budget_or_no_budget_is_work(clock):
    store = FakeStore(
        experiment("a", observation_budget=3, progress=Progress(observations=1, leased=1)),
        experiment("b", progress=Progress(observations=1000)),
    )
    assert sorted(turns(Rota(store, clock=clock), 2)) == ["a", "b"]


def test_turns_are_shared_evenly(clock):
    it = Rota(FakeStore(*(experiment(name) for name in "abc")), clock=clock)
    assert sorted(turns(it, 3)) == ["a", "b", "c"]
    assert sorted(turns(it, 3)) == ["a", "b", "c"]


def test_an_experiment_with_long_trials_does_not_starve_for_its_turns(clock):
    it = Rota(FakeStore(*(experiment(name) for name in "ab")), clock=clock)
    first, second = it.next(), it.next()
    it.done(second)
    clock.now += 1
    assert it.next().id == second.id
    it.done(second)
    it.done(first)
    clock.now += 1
    assert it.next().id == first.id


def test_only_named_experiments_are_worked_for_and_a_missing_one_is_said_once(clock, caplog):
    store = FakeStore(experiment("a"), experiment("b"))
    unable = {}
    it = Rota(store, ["b", "missing"], clock=clock, unable=unable)
    for _ in range(3000):
        clock.now += 10
        assert it.next().id == "b"
    assert [record.message for record in caplog.records] == [
        "experiment missing is left alone: There is no experiment 'missing'."
    ]
    assert unable == {"missing": "There is no experiment 'missing'."}


def test_what_a_node_cannot_run_is_known_until_it_ran(clock):
    unable = {}
    it = Rota(FakeStore(experiment("a")), clock=clock, unable=unable)
    it.refuse(experiment("a"), "There is no module 'mine'.")
    assert unable == {"a": "There is no module 'mine'."}
    it.ran(experiment("a"), crashed=False)
    assert unable == {}


def test_the_list_is_asked_for_once_in_a_while(clock):
    store = FakeStore(experiment("a"))
    it = Rota(store, fresh=0.4, clock=clock)
    turns(it, 10)
    assert store.calls == 1
    clock.now += 0.5
    turns(it, 10)
    assert store.calls == 2


def test_a_rest_is_respected_and_ends(clock):
    it = Rota(FakeStore(experiment("a")), clock=clock)
    it.rest(it.next(), 5)
    assert it.next() is None
    clock.now += 5.1
    assert it.next().id == "a"


def test_refusals_are_said_once_per_reason_and_pauses_grow(clock, caplog):
    it = Rota(FakeStore(experiment("a")), clock=clock)
    pauses = []
    for _ in range(8):
        it.refuse(it.next(), "no torch")
        start = clock.now
        while it.next() is None:
            clock.now += 1
        pauses.append(clock.now - start)
    assert pauses == sorted(pauses)
    assert pauses[1] == 2 * pauses[0]
    assert pauses[-1] == rota.LONGEST_REFUSAL
    assert len(caplog.records) == 1
    it.refuse(experiment("a"), "no keras")
    assert len(caplog.records) == 2
    assert caplog.records[0].levelno == logging.ERROR


def test_crashes_in_a_row_slow_an_experiment_down_and_a_success_makes_it_quick_again(clock):
    it = Rota(FakeStore(experiment("a")), clock=clock)
    for _ in range(rota.CRASHES_IN_A_ROW - 1):
        it.ran(it.next(), crashed=True)
    assert it.next() is not None
    it.ran(experiment("a"), crashed=True)
    assert it.next() is None
    clock.now += 1.1
    for _ in range(2000):
        it.ran(experiment("a"), crashed=True)
    clock.now += rota.LONGEST_PAUSE - 1
    assert it.next() is None
    clock.now += 1.1
    it.ran(it.next(), crashed=False)
    it.ran(it.next(), crashed=True)
    assert it.next() is not None


def test_a_change_of_the_experiment_is_seen(clock):
    store = FakeStore(experiment("a"))
    it = Rota(store, clock=clock)
    assert it.next()
    store.experiments["a"] = replace(store.experiments["a"], state=ExperimentState.PAUSED)
    clock.now += 1
    assert it.next() is None
