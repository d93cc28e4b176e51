"""Estimated volumes against exact ones, and that fronts of many metrics use them."""

import moocore
import numpy as np
import pytest

from paretune_optimizer.fronts import rays
from paretune_optimizer.fronts.hypervolume import (
    contributions,
    exact_points,
    hypervolume,
    hypervolume_history,
)


def plane(m, count):
    """Points of which none dominates another, in units apart by a million."""
    return np.random.default_rng(m).dirichlet(np.ones(m), count) * 10.0 ** np.linspace(-3, 3, m)


def reference(m):
    return 1.1 * 10.0 ** np.linspace(-3, 3, m)


@pytest.mark.parametrize("m", [2, 4, 6])
def test_estimates_are_near_the_exact_values(m):
    Y, ref = plane(m, 12), reference(m)
    whole, alone = rays.estimate(Y, ref)
    assert np.isclose(whole, hypervolume(Y, ref), rtol=0.02)
    exact = contributions(Y, ref)
    assert np.corrcoef(alone, exact)[0, 1] > 0.98
    assert np.isclose(alone.sum(), exact.sum(), rtol=0.15)
    assert np.allclose(rays.estimated_history(Y, ref)[-1], whole)


def test_one_point_is_a_box():
    whole, alone = rays.estimate(np.zeros((1, 3)), np.array([1.0, 2.0, 3.0]))
    assert np.isclose(whole, 6.0, rtol=0.02)
    assert np.allclose(alone, [whole])


@pytest.mark.parametrize("m", [6, 9, 20])
def test_long_fronts_of_many_metrics_are_estimated(m, monkeypatch):
    monkeypatch.delattr(moocore, "hv_contributions")
    monkeypatch.delattr(moocore, "hypervolume")
    count = int(exact_points(m)) + 1
    Y, ref = plane(m, count), reference(m)
    Y = np.vstack([Y, ref, Y.max(axis=0)])  # beyond the reference point; dominated
    alone = contributions(Y, ref)
    assert np.all(alone[:count] >= 0.0)
    assert alone[count:].tolist() == [0.0, 0.0]
    curve = hypervolume_history(Y, ref)
    assert np.all(np.diff(curve) >= 0.0)
    assert curve.size == count + 2
    assert np.isclose(curve[-1], hypervolume(Y, ref))
    assert alone.sum() < curve[-1]
