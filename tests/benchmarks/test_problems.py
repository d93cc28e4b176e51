import math

import numpy as np
import pytest
from benchmarks.comparison.best_known import evolve, load, re21_front, re36_values
from benchmarks.comparison.problems import PROBLEMS, named
from benchmarks.comparison.runs import draw


def evaluate(name, *rows):
    return PROBLEMS[name].evaluate(np.array(rows, dtype=float))


def test_zdt1_on_and_off_its_front():
    values = evaluate("zdt1", [0.25] + [0.0] * 11, [0.25] + [1.0] * 11)
    assert values[0] == pytest.approx([0.25, 0.5])
    assert values[1] == pytest.approx([0.25, 10.0 * (1.0 - math.sqrt(0.025))])


@pytest.mark.parametrize(("name", "m"), [("dtlz2", 2), ("dtlz2m3", 3)])
def test_dtlz2_is_a_sphere_whose_radius_the_last_coordinates_set(name, m):
    rows = np.random.default_rng(0).random((20, 6))
    rows[:, m - 1 :] = 0.5
    assert np.linalg.norm(PROBLEMS[name].evaluate(rows), axis=1) == pytest.approx(np.ones(20))
    rows[:, -1] = 1.0
    assert np.linalg.norm(PROBLEMS[name].evaluate(rows), axis=1) == pytest.approx(np.full(20, 1.25))


def test_dtlz2_at_a_corner_by_hand():
    # (cos 0 cos pi/2, cos 0 sin pi/2, sin 0), radius 1 + 4 x 0.25.
    assert evaluate("dtlz2m3", [0.0, 1.0, 0.0, 0.0, 1.0, 1.0])[0] == pytest.approx([0.0, 2.0, 0.0], abs=1e-12)


def test_wfg4_is_optimal_where_every_distance_is_at_its_hidden_optimum():
    optimum = 0.35 * 2.0 * np.arange(1, 7)
    rows = np.random.default_rng(1).random((50, 6)) * 2.0 * np.arange(1, 7)
    rows[:, 2:] = optimum[2:]
    values = PROBLEMS["wfg4"].evaluate(rows)
    assert (values[:, 0] / 2.0) ** 2 + (values[:, 1] / 4.0) ** 2 == pytest.approx(np.ones(50))
    rows[:, 2:] = 0.0  # s_multi(0) with A 30, B 10, C 0.35 is 1: as far away as can be
    assert PROBLEMS["wfg4"].evaluate(rows).sum(axis=1) == pytest.approx(values.sum(axis=1) + 2.0)


def test_re21_by_hand_and_within_its_published_ideal_point():
    root = math.sqrt(2.0)
    light = evaluate("re21", [1.0, root, root, 1.0])[0]
    assert light == pytest.approx([200.0 * (2.0 + 2.0 + 2.0**0.25 + 1.0), 0.01 * (2.0 + 2.0 - 2.0 + 2.0)])
    assert light[0] == pytest.approx(1237.8414230005442)  # Tanabe and Ishibuchi 2020: ideal of the volume
    stiff = evaluate("re21", [3.0, 3.0, root, 3.0])[0]
    assert stiff[1] == pytest.approx(0.0027614, abs=1e-6)


def test_no_draw_is_ahead_of_the_truss_front_said_to_be_optimal():
    problem = PROBLEMS["re21"]
    front = problem.evaluate(re21_front(20_000))
    random = problem.evaluate(problem.sample(20_000, np.random.default_rng(2)))
    both = problem.hypervolume(np.vstack([front, random]))
    assert both == pytest.approx(problem.hypervolume(front), rel=1e-4)


def test_re36_by_hand():
    values = evaluate("re36", [12, 12, 12, 12], [12, 12, 60, 24])
    assert values[0] == pytest.approx([5.931, 12.0, 5.931 / 6.931 - 0.5])
    assert values[1] == pytest.approx([3.069, 60.0, 0.0])


def test_about_26_percent_of_random_tomatoes_succeed_and_nothing_else_fails():
    rng = np.random.default_rng(3)
    for problem in PROBLEMS.values():
        succeeded = np.isfinite(problem.evaluate(problem.sample(20_000, rng))[:, 0]).mean()
        assert succeeded == pytest.approx(0.26 if problem.penalty else 1.0, abs=0.015)


def test_hypervolume_counts_in_the_direction_of_each_metric_and_skips_failures():
    values = np.array([[75.0, 200.0], [np.nan, np.nan], [60.0, 10.0]])
    assert PROBLEMS["tomatoes"].hypervolume(values) == pytest.approx((75.0 - 65.0) * (250.0 - 200.0))
    assert PROBLEMS["tomatoes"].hypervolume(values[1:2]) == 0.0


def test_best_known_is_what_it_says():
    best = load()
    assert set(best) == set(PROBLEMS)
    assert PROBLEMS["re36"].hypervolume(re36_values()) == pytest.approx(best["re36"])
    grid = np.column_stack([np.linspace(0.0, 1.0, 20_001), np.zeros((20_001, 11))])
    assert PROBLEMS["zdt1"].hypervolume(PROBLEMS["zdt1"].evaluate(grid)) == pytest.approx(
        best["zdt1"], rel=1e-3
    )
    short = PROBLEMS["diatom1"].hypervolume(evolve(PROBLEMS["diatom1"], seed=9, generations=60))
    assert 0.98 * best["diatom1"] < short <= 1.001 * best["diatom1"]


def test_recorded_trainings_are_problems_too():
    problem = named("rotten_tomatoes_surrogate")
    run = draw(problem, 0, 60, {})
    assert 0 < run.feasible < 60
    assert problem.penalty[0] < problem.reference[0]
    assert problem.penalty[1] > problem.reference[1]
    assert load([run])["rotten_tomatoes_surrogate"] == run.hypervolume[-1] > 0.0
    with pytest.raises(KeyError):
        named("no_such_problem")
