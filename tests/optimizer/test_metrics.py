"""Signs in one place; maps are monotone, invertible, robust on the bad side only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.experiment import Experiment, Maximize, Minimize, Strategy
from paretune.parameters import Double
from paretune.space import SearchSpace
from paretune_optimizer.metrics import Map, Roles, candidate_maps, fit_transform, loggable


def test_roles():
    metrics = (
        Maximize("acc"),
        Minimize("ms"),
        Minimize("size", strategy=Strategy.CONSTRAIN, threshold=5.0),
        Maximize("note", strategy=Strategy.STORE),
    )
    roles = Roles(Experiment("e", SearchSpace((Double("x", 0, 1),)), metrics))
    assert roles.sign.tolist() == [-1.0, 1.0, 1.0, -1.0]
    assert (roles.optimized, roles.constrained, roles.modelled) == ([0, 1], [2], [0, 1, 2])


@pytest.mark.parametrize("map_", list(Map))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_maps_are_monotone_invertible_and_standardise(map_, sign):
    y = sign * np.random.default_rng(0).lognormal(0, 0.6, 200)
    transform = fit_transform(map_, y, sign)
    z = transform.forward(y)
    assert abs(z.mean()) < 1e-9
    assert abs(z.std() - 1.0) < 1e-9
    order = np.argsort(y)
    assert np.all(np.diff(z[order]) >= 0.0)
    free = z < z.max()
    assert np.allclose(transform.inverse(z[free]), y[free], rtol=1e-6)
    step = 1e-6 * np.abs(y)
    numeric = (transform.forward(y + step) - transform.forward(y - step)) / (2 * step)
    uncapped = transform.forward(y + step) < z.max()
    assert np.allclose(transform.slope(y)[uncapped], numeric[uncapped], rtol=1e-5)


def test_only_the_bad_tail_is_capped():
    y = np.append(np.random.default_rng(0).standard_normal(100), [-1000.0])
    good = fit_transform(Map.IDENTITY, y, 1.0)
    assert good.forward(y)[-1] < -9.0
    bad = fit_transform(Map.IDENTITY, -y, 1.0)
    assert bad.forward(-y)[-1] < 6.0


@pytest.mark.parametrize("map_", list(Map))
def test_values_that_miss_a_threshold_miss_it_on_the_models_scale_too(map_):
    y = np.append(np.random.default_rng(0).uniform(1.0, 2.0, 95), np.full(5, 300.0))
    bound = 100.0
    assert fit_transform(map_, y, 1.0).forward(y).max() < fit_transform(map_, y, 1.0).threshold(bound)
    told = fit_transform(map_, y, 1.0, bound)
    assert told.forward(y).max() > told.threshold(bound) + 0.5
    assert fit_transform(map_, y, 1.0, 400.0) == fit_transform(map_, y, 1.0)  # nothing misses it


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=0, max_size=12))
def test_any_values_give_finite_standardised_ones(values):
    y = np.array(values)
    z = fit_transform(Map.IDENTITY, y, 1.0).forward(y)
    assert np.all(np.isfinite(z))


def test_constant_and_single_values():
    for y in (np.zeros(5), np.full(5, 1e12), np.array([3.0]), np.empty(0)):
        transform = fit_transform(Map.IDENTITY, y, 1.0)
        assert np.all(np.abs(transform.forward(y)) < 1e-6)
        assert transform.scale > 0.0


def test_moments_of_a_logarithm_are_those_of_a_lognormal():
    y = np.random.default_rng(0).lognormal(1.0, 0.5, 500)
    transform = fit_transform(Map.LOG, y, 1.0)
    mean, sd = transform.moments(np.array([0.3]), np.array([0.4]))
    mu, s = 0.3 * transform.scale + transform.centre, 0.4 * transform.scale
    assert np.isclose(mean[0], np.exp(mu + s * s / 2))
    assert np.isclose(sd[0], np.exp(mu + s * s / 2) * np.sqrt(np.expm1(s * s)))
    assert np.isclose(transform.rate, transform.scale)


def test_threshold_of_an_impossible_value_under_a_logarithm():
    y = np.random.default_rng(0).lognormal(0, 1, 50)
    assert fit_transform(Map.LOG, y, 1.0).threshold(-1.0) == -np.inf
    assert fit_transform(Map.LOG, -y, -1.0).threshold(1.0) == np.inf


def test_a_logarithm_needs_positive_values_of_one_magnitude():
    y = np.random.default_rng(0).lognormal(0, 0.5, 50)
    assert loggable(y)
    assert not loggable(np.append(y, 0.0))
    assert not loggable(np.append(y, 1e-9))
    assert not loggable(y[:0])
    assert loggable(y, 0.1)
    assert not loggable(y, 0.0)
    assert Map.LOG in candidate_maps(y, True)
    assert Map.LOG not in candidate_maps(y, False)
    assert candidate_maps(np.ones(50), True) == [Map.IDENTITY]
