"""Prior mode, gradient of the posterior density, recovery of known length scales."""

import numpy as np
import pytest
from scipy.optimize import minimize

from paretune_optimizer.model.gp import merge_replicates
from paretune_optimizer.model.hyperparameters import fit, negative_log_prior, objective, prior_mode


@pytest.mark.parametrize("dimension", [1, 4, 12, 100])
def test_prior_mode_of_length_scales_grows_with_the_root_of_the_dimension(dimension):
    length = np.exp(prior_mode(dimension)[0])
    assert np.isclose(length, 0.205 * np.sqrt(dimension), rtol=0.01)


def test_prior_mode_is_where_the_density_peaks():
    mode = prior_mode(3)
    # The density in l: as a function of log l it is minus the value here plus the Jacobian already inside.
    found = minimize(lambda t: negative_log_prior(t)[0], np.zeros(5), jac=lambda t: negative_log_prior(t)[1])
    assert np.allclose(found.x, mode, atol=1e-4)


@pytest.mark.parametrize("replicates", [0, 6])
def test_gradient_matches_differences(replicates):
    rng = np.random.default_rng(0)
    X = rng.random((30, 5))
    X = np.vstack([X, X[:replicates]])
    y = np.sin(3 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(len(X))
    variance = rng.random(30) * 0.05
    variance = np.concatenate([variance, variance[:replicates]])
    rows = merge_replicates(X, y, variance, np.array([0, 1, 2, 2, 3]))
    assert rows.y.size == 30
    theta = prior_mode(4) + 0.4 * rng.standard_normal(6)
    value, gradient = objective(theta, rows)
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-5
        numeric = (objective(theta + step, rows)[0] - objective(theta - step, rows)[0]) / 2e-5
        assert abs(gradient[i] - numeric) < 1e-6 * max(1.0, abs(value))


def test_fit_finds_which_parameters_matter_and_the_noise():
    rng = np.random.default_rng(1)
    X = rng.random((120, 3))
    y = np.sin(6 * X[:, 0]) + 0.2 * rng.standard_normal(120)
    theta = fit(merge_replicates(X, y, np.zeros(120), np.arange(3)))
    assert theta[0] + 1.0 < min(theta[1], theta[2])
    assert 0.02 < np.exp(theta[-1]) < 0.08


def test_warm_start_is_no_worse_than_its_start():
    rng = np.random.default_rng(2)
    X = rng.random((40, 3))
    rows = merge_replicates(X, np.cos(5 * X[:, 1]), np.zeros(40), np.arange(3))
    start = prior_mode(3)
    assert objective(fit(rows, start, 12), rows)[0] < objective(start, rows)[0]


def test_one_row_and_constant_rows():
    one = merge_replicates(np.array([[0.5, 0.5]]), np.zeros(1), np.zeros(1), np.arange(2))
    assert np.all(np.isfinite(fit(one)))
    X = np.random.default_rng(0).random((20, 2))
    assert np.all(np.isfinite(fit(merge_replicates(X, np.zeros(20), np.zeros(20), np.arange(2)))))
