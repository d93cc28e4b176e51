"""Volume against inclusion-exclusion, contributions, and the incremental history."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paretune_optimizer.fronts.hypervolume import contributions, hypervolume, hypervolume_history
from paretune_optimizer.fronts.pareto import non_dominated


def by_inclusion_exclusion(Y, reference):
    total = 0.0
    for size in range(1, len(Y) + 1):
        for chosen in combinations(Y, size):
            corner = np.max(chosen, axis=0)
            total += (-1) ** (size + 1) * np.prod(np.maximum(reference - corner, 0.0))
    return total


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4).flatmap(lambda m: arrays(float, st.tuples(st.integers(1, 6), st.just(m)),
                                                  elements=st.floats(-1, 2))))  # fmt: skip
def test_matches_inclusion_exclusion(Y):
    reference = np.ones(Y.shape[1])
    assert np.isclose(hypervolume(Y, reference), by_inclusion_exclusion(Y, reference), atol=1e-9)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_contribution_is_what_is_lost(m):
    Y = np.random.default_rng(m).random((12, m)) * 1.2
    Y = Y[non_dominated(Y)]
    reference = np.ones(m)
    whole = hypervolume(Y, reference)
    lost = [whole - hypervolume(np.delete(Y, i, axis=0), reference) for i in range(len(Y))]
    assert np.allclose(contributions(Y, reference), lost, atol=1e-12)


def test_repeated_points_contribute_nothing():
    assert contributions(np.array([[0.5, 0.5], [0.5, 0.5]]), np.ones(2)).tolist() == [0.0, 0.0]
    assert contributions(np.array([[0.5], [0.5]]), np.ones(1)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("m", [1, 2, 3])
def test_history_is_the_hypervolume_of_every_prefix(m):
    Y = np.random.default_rng(m).random((40, m)) * 1.3
    Y[7] = np.nan
    reference = np.ones(m)
    direct = [hypervolume(Y[: n + 1], reference) for n in range(40)]
    assert np.allclose(hypervolume_history(Y, reference), direct, atol=1e-12)


def test_huge_offsets_do_not_cost_the_digits():
    Y = np.array([[0.25, 0.75], [0.75, 0.25]])
    shift = np.array([2.0**30, 0.0])
    assert hypervolume(Y + shift, np.ones(2) + shift) == hypervolume(Y, np.ones(2))


def test_no_point_is_no_volume():
    assert hypervolume(np.empty((0, 2)), np.ones(2)) == 0.0
    assert hypervolume(np.array([[2.0, 0.0], [np.nan, 0.0]]), np.ones(2)) == 0.0
