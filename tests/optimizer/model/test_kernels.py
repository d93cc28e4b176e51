"""Matern-5/2: values against the textbook, slope against differences, no negative distances."""

import numpy as np

from paretune_optimizer.model.kernels import matern52, matern52_with_slope, squared_distance


def test_value_at_known_distance():
    r = 0.7
    expected = (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r)
    assert np.isclose(matern52(np.array([r**2]))[0], expected, rtol=1e-14)


def test_slope_matches_differences_and_is_finite_at_zero():
    r2 = np.linspace(0.01, 9.0, 50)
    value, slope = matern52_with_slope(r2)
    numeric = (matern52(r2 + 1e-6) - matern52(r2 - 1e-6)) / 2e-6
    assert np.allclose(slope, numeric, atol=1e-8)
    assert np.allclose(value, matern52(r2), rtol=1e-14)
    assert matern52_with_slope(np.zeros(1))[1][0] == -5 / 6


def test_squared_distance():
    rng = np.random.default_rng(0)
    A, B = rng.random((4, 3)), rng.random((5, 3))
    direct = ((A[:, None] - B[None]) ** 2).sum(axis=2)
    assert np.allclose(squared_distance(A, B), direct, atol=1e-14)
    far = A + 1e8
    assert np.all(squared_distance(far, far) >= 0.0)
