"""Constrained domination, and what the two ranking policies make of it."""

import numpy as np
import optimizer_cases as cases

from paretune.experiment import Maximize, Minimize, Strategy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind
from paretune_optimizer.history import History
from paretune_optimizer.policies import nsga2, tpe
from paretune_optimizer.policies.ranking import standing

METRICS = (*cases.TWO, Maximize("accuracy", strategy=Strategy.CONSTRAIN, threshold=0.7))


def history_of(values, metrics=cases.TWO):
    history = History(cases.experiment(cases.CUBE, metrics))
    for n, row in enumerate(values, 1):
        history.add_observation(cases.result(history, {f"x{i}": n / 100 for i in range(3)}, row, n))
    return history


def test_fronts_then_misses_by_size():
    history = history_of(
        [(5, 5, 0.9), (0, 0, 0.1), (1, 2, 0.8), (2, 1, 0.7), (0, 0, 0.6), (2, 2, 0.9), None], METRICS
    )
    found = standing(history)
    assert [front.tolist() for front in found.fronts()] == [[2, 3], [5], [0], [4], [1]]
    assert found.failed.tolist() == [6]


def test_thresholds_on_optimised_metrics_are_the_worst_acceptable():
    history = history_of([(0.0, 9.0), (1.0, 1.0)], (Minimize("f"), Minimize("g", threshold=5.0)))
    assert [front.tolist() for front in standing(history).fronts()] == [[1], [0]]


def test_crashed_and_incomplete_rows_have_no_place():
    history = history_of([(1.0, 2.0)])
    at = {"x0": 0.5, "x1": 0.5, "x2": 0.5}
    lost = Observation(at, (), Outcome(OutcomeKind.CRASHED, "lost"), id="a", ordinal=2)
    half = Observation(
        at, (MetricValue("f", 0.0),), Outcome(OutcomeKind.STOPPED_EARLY, "cut"), id="b", ordinal=3
    )
    history.add_observation(lost)
    history.add_observation(half)
    found = standing(history)
    assert found.rows.tolist() == [0]
    assert found.failed.size == 0


def test_tpe_calls_a_tenth_good_and_failures_bad():
    values = [(k / 40, 1 - k / 40) if k % 2 else (2 + k / 40, 2.0) for k in range(40)] + [None] * 5
    good, bad = tpe.split(history_of(values))
    assert good.size == 4
    assert all(row % 2 for row in good)
    assert sorted([*good, *bad]) == list(range(45))


def test_spread_covers_the_front():
    x = np.linspace(0.0, 1.0, 101)
    picked = tpe.spread(np.column_stack([x * 1e300, 1.0 - x]), 5)
    assert len(set(picked.tolist())) == 5
    assert np.max(np.diff([0.0, *np.sort(x[picked]), 1.0])) < 0.35
    assert tpe.spread(np.ones((4, 2)), 3).size == 3


def test_crowding_by_hand():
    Y = np.array([[0.0, 4.0], [1.0, 2.0], [2.0, 1.0], [4.0, 0.0]])
    assert nsga2.crowding(Y).tolist() == [np.inf, 0.5 + 0.75, 0.75 + 0.5, np.inf]
    assert nsga2.crowding(np.ones((3, 2))).tolist() == [np.inf, 0.0, np.inf]


def test_population_is_the_best_by_rank_then_crowding():
    history = history_of([(9.0, 9.0), (0.0, 4.0), (1.0, 2.0), (1.1, 1.9), (4.0, 0.0)])
    rows, rank, _ = nsga2.population(history, 3)
    assert set(rows.tolist()) == {1, 4, 2} or set(rows.tolist()) == {1, 4, 3}
    assert rank.tolist() == [0, 0, 0]
    rows, rank, _ = nsga2.population(history, 5)
    assert rows[-1] == 0
    assert rank[-1] == 1
