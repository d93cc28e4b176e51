"""Exact Gaussian process regression for one metric, with closed-form gradients and joint draws.

| symbol | meaning | shape |
|---|---|---|
| X | features of the unique points | n x D |
| y | mean of the replicates at each point, standardised, to be minimised | n |
| c | number of replicates at each point | n |
| v | variance of one measurement as reported by the user, 0 if unknown | n |
| g(i) | parameter to which feature column i belongs; columns share its length scale | D |
| theta | log l (G), log signal variance, log nugget | G + 2 |
| K | s2 R(X, X) + diag((nugget + v) / c) | n x n |
| L | lower Cholesky factor of K | n x n |
| w | L^-1 (y - mean) | n |
| alpha | K^-1 (y - mean) | n |

Sources: Rasmussen and Williams 2006, ch. 2; leave-one-out from K^-1, eq. 5.10 to 5.12; generalised least
squares mean, eq. 2.42 in the limit of a flat prior on a constant. How theta is found: `hyperparameters`.

What is not optimal: the constant mean is plugged in, so predictions far from data are a little too sure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from paretune_optimizer.model.kernels import diagonal, matern52, matern52_with_slope, squared_distance

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

CHUNK = 2048
"""Rows predicted at once by `mean_at`."""
JITTERS = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Rows:
    """What one Gaussian process sees: unique points, replicates merged.

    Attributes:
        X: features (n x D).
        y: standardised means (n).
        count: replicates per row (n).
        variance: reported variance of a single measurement (n), zero where unknown.
        scatter: sum over all replicates of squared deviation from their row mean.
        groups: parameter of each feature column (D), values 0 .. G-1.
    """

    X: Array
    y: Array
    count: Array
    variance: Array
    scatter: float
    groups: Ints

    @property
    def dimension(self) -> int:
        """Number of length scales, G."""
        return int(self.groups.max()) + 1 if self.groups.size else 0

    def single(self, nugget: float) -> float:
        """Return the variance of one measurement: a nugget and what the user reported, on average."""
        return nugget + float(np.average(self.variance, weights=self.count))

    def take(self, index: Ints) -> Rows:
        """Return the rows at an index; the within-group scatter is shared out in proportion."""
        share = (self.count[index] - 1.0).sum() / max(1.0, (self.count - 1.0).sum())
        return Rows(
            self.X[index],
            self.y[index],
            self.count[index],
            self.variance[index],
            self.scatter * share,
            self.groups,
        )


def merge_replicates(X: Array, y: Array, variance: Array, groups: Ints) -> Rows:
    """Merge measurements of the same point, reported to be equally sure, into one row.

    Those of different variance stay rows of their own: their mean would count the unsure ones as much.

    Args:
        X: features (N x D); rows are the same point when they are equal bit for bit.
        y: standardised values (N), finite.
        variance: reported variance of each value (N), zero where unknown.
        groups: parameter of each feature column (D).

    Returns:
        Rows in the order in which their points first appear.
    """
    seen: dict[bytes, int] = {}
    keys = [row.tobytes() for row in np.column_stack([X, variance])]
    label = np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)
    count = np.bincount(label).astype(np.float64)
    mean = np.bincount(label, weights=y) / count
    scatter = float(np.sum((y - mean[label]) ** 2))
    first = np.flatnonzero(np.diff(np.maximum.accumulate(label), prepend=-1))
    return Rows(X[first], mean, count, variance[first], scatter, groups)


def cholesky(K: Array, scale: float) -> Array:
    """Return a lower Cholesky factor, adding ever more jitter until one exists.

    Args:
        K: symmetric matrix (n x n), left unchanged.
        scale: variance to which the jitters relate.

    Returns:
        Lower triangular factor (n x n) of K plus as little jitter as was needed.

    Raises:
        numpy.linalg.LinAlgError: if even 1e-2 of the scale does not help, as with NaN.
    """
    for jitter in JITTERS:
        lifted = K.copy()
        diagonal(lifted)[:] += jitter * scale
        L, info = lapack.dpotrf(lifted, lower=1, clean=1)
        if info == 0 and np.all(np.isfinite(np.diagonal(L))):
            return L
    raise np.linalg.LinAlgError("the covariance matrix cannot be factorised, even with jitter")


@dataclass
class Forward:
    """Intermediate products of one prediction, kept for its backward pass."""

    Xs: Array  # B x D, scaled candidates
    slope: Array  # B x N, s2 dk/dr2
    V: Array  # B x N, k L^-T


class GaussianProcess:
    """A posterior: condition on rows once, then predict means, one shared variance and gradients.

    It may hold W "worlds": after `worlds()` the same covariance carries W mean functions, one per joint draw
    of the noise-free values at chosen points. A fresh process has W = 1.
    """

    def __init__(self, theta: Array, rows: Rows) -> None:
        """Factorise.

        Args:
            theta: log length scales, log signal variance, log nugget (G + 2).
            rows: data (n rows, n >= 0).

        Raises:
            numpy.linalg.LinAlgError: if K cannot be factorised.
        """
        self.theta, self.rows = theta, rows
        self.inverse_length = np.exp(-theta[: rows.dimension])[rows.groups]  # D
        self.signal, self.nugget = float(np.exp(theta[-2])), float(np.exp(theta[-1]))
        self.Xs = rows.X * self.inverse_length  # n x D
        n = rows.y.size
        self.mean = 0.0
        if n == 0:
            self.inverse_L, whitened = np.zeros((0, 0)), np.zeros(0)
        else:
            K = self.signal * matern52(squared_distance(self.Xs, self.Xs))
            diagonal(K)[:] += (self.nugget + rows.variance) / rows.count
            self.inverse_L = _invert_lower(cholesky(K, self.signal))
            one = self.inverse_L.sum(axis=1)
            self.mean = float(one @ (self.inverse_L @ rows.y) / (one @ one))
            whitened = self.inverse_L @ (rows.y - self.mean)
        self.whitened = whitened[:, None]  # N x W
        self.alpha = self.inverse_L.T @ self.whitened  # N x W

    def predict(self, X: Array) -> tuple[Array, Array]:
        """Predict the noise-free value.

        Args:
            X: features (B x D).

        Returns:
            Means (B x W) and variance (B), the variance at least 1e-12 of the signal.
        """
        k = self.signal * matern52(squared_distance(X * self.inverse_length, self.Xs))  # B x N
        V = k @ self.inverse_L.T
        return self.mean + k @ self.alpha, self._variance(V)

    def mean_at(self, X: Array) -> Array:
        """Return the means of the first world (B) alone, at a tenth of the cost of `predict`; X is B x D."""
        out = np.empty(X.shape[0])
        for start in range(0, X.shape[0], CHUNK):
            scaled = X[start : start + CHUNK] * self.inverse_length
            k = self.signal * matern52(squared_distance(scaled, self.Xs))
            out[start : start + CHUNK] = self.mean + k @ self.alpha[:, 0]
        return out

    def forward(self, X: Array) -> tuple[Array, Array, Forward]:
        """Predict as `predict` does, and keep what the gradient needs."""
        Xs = X * self.inverse_length
        k, slope = matern52_with_slope(squared_distance(Xs, self.Xs))
        k *= self.signal
        slope *= self.signal
        V = k @ self.inverse_L.T
        return self.mean + k @ self.alpha, self._variance(V), Forward(Xs, slope, V)

    def backward(self, kept: Forward, by_mean: Array, by_variance: Array) -> Array:
        """Return the gradient by the features of a function of the prediction.

        Args:
            kept: what `forward` returned for the same points.
            by_mean: derivative of the function by each mean (B x W).
            by_variance: derivative by the variance (B).

        Returns:
            Gradient (B x D). The variance is s2 - |V|^2, so its derivative by k is -2 V L^-1.
        """
        C = by_mean @ self.alpha.T - (2.0 * by_variance)[:, None] * (kept.V @ self.inverse_L)  # B x N
        C *= kept.slope
        gradient = 2.0 * (kept.Xs * C.sum(axis=1)[:, None] - C @ self.Xs)
        return gradient * self.inverse_length

    def joint(self, X: Array) -> tuple[Array, Array]:
        """Return the joint posterior of the noise-free values at points.

        Args:
            X: features (b x D).

        Returns:
            Mean of the first world (b) and covariance (b x b), without jitter.
        """
        Xs = X * self.inverse_length
        k = self.signal * matern52(squared_distance(Xs, self.Xs))
        V = k @ self.inverse_L.T
        covariance = self.signal * matern52(squared_distance(Xs, Xs)) - V @ V.T
        return self.mean + k @ self.alpha[:, 0], covariance

    def worlds(self, X: Array, normals: Array) -> tuple[GaussianProcess, Array]:
        """Condition on joint posterior draws of the noise-free values at points.

        Appending rows to a Cholesky factor leaves the old rows alone; if the appended values are
        mean + L_C e, their whitened residual is e itself, so the draws enter as extra rows of `whitened`.

        Args:
            X: features of b distinct points (b x D).
            normals: standard normal numbers (W x b).

        Returns:
            A process with W worlds, and the drawn values (W x b).

        Raises:
            numpy.linalg.LinAlgError: if the joint covariance cannot be factorised.
        """
        n, b = self.Xs.shape[0], X.shape[0]
        Xs = X * self.inverse_length
        V = (self.signal * matern52(squared_distance(Xs, self.Xs))) @ self.inverse_L.T  # b x n
        C = self.signal * matern52(squared_distance(Xs, Xs)) - V @ V.T
        diagonal(C)[:] += 1e-6 * self.signal
        L = cholesky(C, self.signal)
        inverse = _invert_lower(L)
        values = self.mean + (V @ self.whitened[:, 0])[None, :] + normals @ L.T  # W x b
        out = object.__new__(GaussianProcess)
        out.theta, out.rows, out.mean = self.theta, self.rows, self.mean
        out.inverse_length, out.signal, out.nugget = self.inverse_length, self.signal, self.nugget
        out.Xs = np.vstack([self.Xs, Xs])
        out.inverse_L = np.zeros((n + b, n + b))
        out.inverse_L[:n, :n] = self.inverse_L
        out.inverse_L[n:, :n] = -inverse @ (V @ self.inverse_L)
        out.inverse_L[n:, n:] = inverse
        worlds = normals.shape[0]
        out.whitened = np.vstack([np.repeat(self.whitened[:, :1], worlds, axis=1), normals.T])
        out.alpha = out.inverse_L.T @ out.whitened
        return out, values

    def leave_one_out(self) -> tuple[Array, Array]:
        """Return residual and variance of each row predicted from the others (fresh process only).

        Returns:
            Residuals y_i - mu_-i (n) and predictive variances, noise included (n).
        """
        precision = np.einsum("ij,ij->j", self.inverse_L, self.inverse_L)
        return self.alpha[:, 0] / precision, 1.0 / precision

    def _variance(self, V: Array) -> Array:
        spread = self.signal - np.einsum("ij,ij->i", V, V)
        return np.maximum(spread, 1e-12 * self.signal)


def _invert_lower(L: Array) -> Array:
    """Return the inverse of a lower triangular matrix, whose upper triangle must be clean."""
    inverse, info = lapack.dtrtri(L, lower=1)
    if info:
        raise np.linalg.LinAlgError("singular triangular factor")
    return np.ascontiguousarray(inverse)
