"""Floors: a best value that several configurations share is taken for a bound, never for certain."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Maximize, Minimize
from paretune.parameters import Double
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.search.floors import Floors, floors_of

SPACE = (Double("x0", 0, 1), Double("x1", 0, 1))


def told(values):
    """Floors of configurations (x0, x1) with values (f, g)."""
    history = cases.History(cases.experiment(SPACE, (Minimize("f"), Maximize("g"))))
    for n, (x, y) in enumerate(values, 1):
        history.add_observation(cases.result(history, dict(zip(("x0", "x1"), x, strict=True)), y, n))
    return history, floors_of(history, surrogate_of(history))


def test_a_best_value_reached_once_changes_nothing():
    _, floors = told([((0.1, 0.1), (1.0, 5.0)), ((0.2, 0.9), (2.0, 4.0))])
    assert floors.hope.tolist() == [1.0, 1.0]


def test_hope_falls_with_every_configuration_that_shares_the_best():
    shared = [((0.1 * n, 0.5), (0.0 if n < 4 else float(n), 7.0 if n == 2 else 0.1 * n)) for n in range(1, 8)]
    history, floors = told(shared)
    assert floors.hope == pytest.approx([1 / 3, 1.0])
    transform = surrogate_of(history).metrics[0].transform
    assert transform.inverse(floors.value[:1])[0] == pytest.approx(0.0)


def test_a_configuration_measured_again_is_no_second_witness():
    _, floors = told([((0.1, 0.1), (0.0, 1.0)), ((0.1, 0.1), (0.0, 2.0)), ((0.7, 0.1), (3.0, 3.0))])
    assert floors.hope[0] == 1.0


def test_rounding_errors_are_the_same_value_and_a_maximised_metric_has_a_floor_too():
    _, floors = told([((0.1, 0.1), (6e-17, 1.0)), ((0.3, 0.1), (0.0, 1.0)), ((0.7, 0.1), (3.0, 0.3))])
    assert floors.hope.tolist() == [0.5, 0.5]


def test_values_beyond_the_floor_are_drawn_back():
    floors = Floors(np.array([1.0]), np.array([0.25]))
    value, slope = floors.hoped(0, np.array([3.0, 0.0]))
    assert value.tolist() == [3.0, 0.75]
    assert slope.tolist() == [1.0, 0.25]


def test_a_search_does_not_dwell_on_an_edge_that_it_cannot_cross():
    """Most of the front is inside; all of one edge shares the best value of a metric."""

    def evaluate(a):
        away = (a["x1"] - 0.5) ** 2 + (a["x2"] - 0.3) ** 2
        return max(0.0, a["x0"] - 0.2) * (1.0 + away), (1.0 - a["x0"]) * (1.0 + away) + away

    space, late = (*SPACE, Double("x2", 0, 1)), []
    for seed in (2, 3, 4):
        experiment = cases.experiment(space, (Minimize("f"), Minimize("g")), observation_budget=36, seed=seed)
        late.append(cases.search(experiment, evaluate, 36)[0].Y[18:, 0])
    assert np.mean(np.concatenate(late) == 0.0) < 0.33  # without floors 0.43
