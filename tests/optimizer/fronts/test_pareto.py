"""Dominance against the definition, slack, probabilities."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paretune_optimizer.fronts.pareto import draws_from_stddev, efficient_probability, non_dominated


def by_definition(Y):
    better = np.all(Y[None] <= Y[:, None], axis=2) & np.any(Y[None] < Y[:, None], axis=2)
    return ~better.any(axis=1)


@given(st.integers(1, 4).flatmap(lambda m: arrays(float, st.tuples(st.integers(1, 30), st.just(m)),
                                                  elements=st.integers(0, 4).map(float))))  # fmt: skip
def test_matches_the_definition_with_ties_and_repetitions(Y):
    assert np.array_equal(non_dominated(Y), by_definition(Y))


def test_nan_is_never_efficient_and_empty_is_fine():
    assert non_dominated(np.array([[np.nan, -1.0], [1.0, 1.0]])).tolist() == [False, True]
    assert non_dominated(np.empty((0, 2))).shape == (0,)


def test_slack_keeps_what_noise_could_explain():
    Y = np.array([[0.0, 0.0], [0.05, 0.05], [0.2, 0.2]])
    assert non_dominated(Y, np.array([0.1, 0.1])).tolist() == [True, True, False]
    assert non_dominated(Y, np.zeros(2)).tolist() == [True, False, False]


def test_probabilities_from_reported_errors():
    rng = np.random.default_rng(0)
    Y = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 1.01], [2.0, 2.0]])
    stddev = np.array([[np.nan] * 2] * 2 + [[0.0, 0.1]] + [[0.1, 0.1]])
    chance = efficient_probability(draws_from_stddev(Y, stddev, 2000, rng))
    assert chance[0] == chance[1] == 1.0
    assert 0.4 < chance[2] < 0.5  # beats 1.0 with probability Phi(-0.1) = 0.46
    assert chance[3] == 0.0
