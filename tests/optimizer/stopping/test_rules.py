"""The rules of early stopping, on learning curves whose ends are known."""

from dataclasses import replace

import numpy as np
import pytest

from paretune.stopping import EarlyStopping, EarlyStoppingRule
from paretune_optimizer.stopping.rules import Look, crowding, endings, judge, neighbours_needed, place_of_last

NO = np.empty((0, 2))
UNBOUND = np.full(2, np.nan)


def look(vector, *, peers=NO, then=NO, finished=NO, front=NO, bound=UNBOUND):
    arrays = (np.asarray(a, dtype=float) for a in (vector, peers, then, finished, front, bound))
    return Look(*arrays, optimized=[0, 1])


def rule(name, **fields):
    return EarlyStopping((EarlyStoppingRule[name],), **fields)


def finished_like(count=40, gain=0.3, seed=0):
    """Trainings whose first metric falls by about `gain` after the rung, and whose second stays."""
    rng = np.random.default_rng(seed)
    then = rng.uniform(0.4, 1.0, (count, 2))
    return then, then - np.column_stack([rng.uniform(0.8, 1.2, count) * gain, np.zeros(count)])


@pytest.mark.parametrize(("confidence", "count"), [(0.95, 19), (0.9, 9), (0.8, 4), (0.6, 2)])
def test_as_few_neighbours_as_the_confidence_allows(confidence, count):
    assert neighbours_needed(confidence) == count
    assert 1 / (count + 1) <= 1 - confidence + 1e-12
    assert 1 / count > 1 - confidence


def test_ends_are_where_the_nearest_went():
    then = np.column_stack([np.arange(40) / 40, np.ones(40)])
    finished = then - np.column_stack([np.where(np.arange(40) < 20, 0.0, 0.5), np.zeros(40)])
    low = endings(np.array([0.2, 1.0]), then, finished, 0.9)
    high = endings(np.array([0.8, 1.0]), then, finished, 0.9)
    assert low == pytest.approx(np.tile([0.2, 1.0], (9, 1)))
    assert high == pytest.approx(np.tile([0.3, 1.0], (9, 1)))


def test_too_few_finished_trainings_say_nothing():
    then, finished = finished_like(18)
    assert judge(look([0.9, 0.9], then=then, finished=finished, front=[[0.0, 0.0]]), EarlyStopping()) is None


def test_a_threshold_that_will_be_missed():
    then, finished = finished_like()
    bound = np.array([0.4, np.nan])
    found = judge(look([0.9, 0.5], then=then, finished=finished, bound=bound), rule("FEASIBILITY"))
    assert found is not None
    assert found[0] is EarlyStoppingRule.FEASIBILITY
    assert "metric 0 would miss its threshold" in found[1]
    assert judge(look([0.6, 0.5], then=then, finished=finished, bound=bound), rule("FEASIBILITY")) is None


def test_an_end_that_the_front_dominates():
    then, finished = finished_like()
    front = [[0.1, 0.5], [0.3, 0.3]]
    worse = look([0.9, 0.6], peers=[[0.8, 0.6]], then=then, finished=finished, front=front)
    assert judge(worse, rule("DOMINATED"))[0] is EarlyStoppingRule.DOMINATED
    # It trades one metric for the other: no point of the front is better in both.
    trade = look([0.9, 0.2], then=then, finished=finished, front=front)
    assert judge(trade, rule("DOMINATED")) is None
    assert judge(look([0.4, 0.6], then=then, finished=finished, front=front), rule("DOMINATED")) is None
    # Nobody had a better vector here: its neighbours cannot know how far it gets.
    assert judge(replace(worse, peers=np.array([[1.0, 0.7]])), rule("DOMINATED")) is None


def test_what_is_unknown_could_be_better_than_anything_seen():
    then, finished = finished_like()
    unknown = look([0.9, np.nan], then=then, finished=finished, front=[[0.1, 0.5], [0.3, 0.3]])
    assert judge(unknown, rule("DOMINATED")) is None


def test_good_trainings_are_rarely_stopped_by_mistake():
    """By exchangeability at most 1 - c of the trainings that would end well are stopped."""
    rng = np.random.default_rng(3)
    stopped = well = 0
    for _ in range(400):
        then = rng.uniform(0.4, 1.0, (41, 2))
        finished = then - np.column_stack([rng.uniform(0.0, 0.6, 41), np.zeros(41)])
        one = look(then[0], peers=then[1:], then=then[1:], finished=finished[1:], front=[[0.35, 0.2]])
        good = not (finished[0, 0] > 0.35)
        well += good
        stopped += good and judge(one, rule("DOMINATED")) is not None
    assert well > 50
    assert stopped <= 0.1 * well


def test_halving_keeps_the_best_third_and_all_while_there_are_few():
    peers = np.column_stack([np.arange(8) / 10, np.arange(8) / 10])
    assert judge(look([0.15, 0.15], peers=peers), rule("HALVING")) is None  # third of nine
    found = judge(look([0.25, 0.25], peers=peers), rule("HALVING"))
    assert "place 4 of 9" in found[1]
    assert judge(look([9.0, 9.0], peers=peers[:1]), rule("HALVING")) is None
    assert judge(look([9.0, np.nan], peers=peers), rule("HALVING")) is None


def test_merit_is_rank_first_and_room_second():
    Y = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.52, 0.49], [2.0, 2.0]])
    assert [place_of_last(np.roll(Y, -1 - k, axis=0)) for k in (4, 2)] == [4, 2]
    assert crowding(Y[:2]).tolist() == [np.inf, np.inf]
    assert crowding(np.array([[0.0], [0.2], [1.0]])).tolist() == [np.inf, 1.0, np.inf]
    assert crowding(np.ones((3, 2)))[1] == 0.0
