"""The posterior: against the textbook formulas written the slow way, gradients, worlds, replicates."""

import numpy as np
import pytest

from paretune_optimizer.model.gp import GaussianProcess, cholesky, merge_replicates
from paretune_optimizer.model.hyperparameters import fit
from paretune_optimizer.model.kernels import matern52

GROUPS = np.array([0, 1, 2, 2])


def process(n=25, seed=0, noise=1e-3):
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4))
    y = np.sin(4 * X[:, 0]) + X[:, 1] ** 2
    rows = merge_replicates(X, (y - y.mean()) / y.std(), np.zeros(n), GROUPS)
    theta = np.log([0.4, 0.8, 1.5, 1.2, noise])
    return GaussianProcess(theta, rows), rng


def test_posterior_matches_direct_solution():
    gp, rng = process()
    length = np.array([0.4, 0.8, 1.5, 1.5])
    Q = rng.random((6, 4))

    def kernel(A, B):
        return 1.2 * matern52((((A[:, None] - B[None]) / length) ** 2).sum(axis=2))

    X, y = gp.rows.X, gp.rows.y
    K = np.linalg.inv(kernel(X, X) + 1e-3 * np.eye(len(y)))
    mean = K.sum(axis=0) @ y / K.sum()
    k = kernel(Q, X)
    predicted, variance = gp.predict(Q)
    assert np.allclose(predicted[:, 0], mean + k @ K @ (y - mean), atol=1e-8)
    assert np.allclose(variance, 1.2 - np.einsum("ij,jk,ik->i", k, K, k), atol=1e-8)
    joint_mean, covariance = gp.joint(Q)
    assert np.allclose(joint_mean, predicted[:, 0])
    assert np.allclose(covariance, kernel(Q, Q) - k @ K @ k.T, atol=1e-8)


def test_gradient_of_prediction_in_every_world():
    gp, rng = process()
    gp, _ = gp.worlds(rng.random((5, 4)), rng.standard_normal((3, 5)))
    Q, a, b = rng.random((6, 4)), rng.standard_normal((6, 3)), rng.standard_normal(6)
    mean, variance, kept = gp.forward(Q)
    assert np.allclose(mean, gp.predict(Q)[0])
    assert np.allclose(variance, gp.predict(Q)[1])
    numeric = np.zeros_like(Q)
    for i in range(4):
        step = np.zeros(4)
        step[i] = 1e-5
        up, down = gp.predict(Q + step), gp.predict(Q - step)
        numeric[:, i] = (((up[0] - down[0]) * a).sum(axis=1) + (up[1] - down[1]) * b) / 2e-5
    assert np.max(np.abs(gp.backward(kept, a, b) - numeric)) < 1e-6


def test_worlds_pass_through_their_draws_and_have_the_right_spread():
    gp, rng = process(n=8)
    B = rng.random((4, 4))
    normals = rng.standard_normal((4000, 4))
    worlds, values = gp.worlds(B, normals)
    mean, variance = worlds.predict(B)
    assert np.allclose(mean.T, values, atol=1e-4)
    assert np.all(variance < 1e-4)
    expected_mean, covariance = gp.joint(B)
    assert np.allclose(values.mean(axis=0), expected_mean, atol=0.06)
    assert np.allclose(np.cov(values.T), covariance, atol=0.08)


def test_worlds_average_to_the_posterior_elsewhere():
    gp, rng = process(n=8)
    Q = rng.random((3, 4))
    worlds, _ = gp.worlds(rng.random((4, 4)), rng.standard_normal((4000, 4)))
    mean, variance = worlds.predict(Q)
    assert np.allclose(mean.mean(axis=1), gp.predict(Q)[0][:, 0], atol=0.06)
    # Law of total variance.
    assert np.allclose(variance + mean.var(axis=1), gp.predict(Q)[1], atol=0.08)


def test_leave_one_out_matches_refitting_without_each_row():
    gp, _ = process(n=10)
    residual, variance = gp.leave_one_out()
    for i in range(10):
        rest = gp.rows.take(np.delete(np.arange(10), i))
        other = GaussianProcess(gp.theta, rest)
        other.alpha = other.inverse_L.T @ (other.inverse_L @ (rest.y - gp.mean))[:, None]
        other.mean = gp.mean
        mean, var = other.predict(gp.rows.X[i : i + 1])
        assert np.isclose(gp.rows.y[i] - mean[0, 0], residual[i], atol=1e-8)
        assert np.isclose(var[0] + gp.nugget, variance[i], atol=1e-8)


def test_replicates_merge_to_the_same_posterior():
    rng = np.random.default_rng(3)
    X = np.repeat(rng.random((6, 4)), 3, axis=0)
    y = rng.standard_normal(18)
    theta = np.log([0.5, 0.5, 0.5, 1.0, 0.2])
    merged = merge_replicates(X, y, np.zeros(18), GROUPS)
    assert merged.y.size == 6
    apart = merge_replicates(X + 1e-9 * rng.standard_normal(X.shape), y, np.zeros(18), GROUPS)
    assert apart.y.size == 18
    Q = rng.random((5, 4))
    for one, other in zip(
        GaussianProcess(theta, merged).predict(Q), GaussianProcess(theta, apart).predict(Q), strict=True
    ):
        assert np.allclose(one, other, atol=1e-5)


def test_reported_noise_counts():
    rng = np.random.default_rng(4)
    X, y = rng.random((10, 4)), rng.standard_normal(10)
    theta = np.log([0.5, 0.5, 0.5, 1.0, 1e-6])
    exact = GaussianProcess(theta, merge_replicates(X, y, np.zeros(10), GROUPS))
    vague = GaussianProcess(theta, merge_replicates(X, y, np.full(10, 4.0), GROUPS))
    assert np.allclose(exact.predict(X)[0][:, 0], y, atol=1e-3)
    assert vague.predict(X)[1].min() > 0.3
    assert vague.predict(X)[0].std() < 0.5 * y.std()


def test_no_rows_gives_the_prior():
    rows = merge_replicates(np.empty((0, 4)), np.empty(0), np.empty(0), GROUPS)
    gp = GaussianProcess(fit(rows), rows)
    mean, variance = gp.predict(np.random.default_rng(0).random((3, 4)))
    assert np.all(mean == 0.0)
    assert np.allclose(variance, gp.signal)


def test_nearly_equal_points_are_survived_and_nan_is_not():
    X = np.full((30, 4), 0.5) + 1e-9 * np.random.default_rng(0).random((30, 4))
    rows = merge_replicates(X, np.linspace(-1, 1, 30), np.zeros(30), GROUPS)
    gp = GaussianProcess(np.log([1.0, 1.0, 1.0, 1.0, 1e-6]), rows)
    assert np.all(np.isfinite(gp.predict(X)[0]))
    with pytest.raises(np.linalg.LinAlgError):
        cholesky(np.full((3, 3), np.nan), 1.0)
