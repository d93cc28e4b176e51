"""Length scales, signal and noise of a Gaussian process: prior, posterior density, its maximum.

Notation as in `gp`; theta holds logarithms. Sources. Length scale prior that grows with the dimension:
Hvarfner et al. 2024 (arXiv 2402.02229), taken as a density in l, so that its mode is 0.2 sqrt(G) (in log l it
would sit at 4.1 sqrt(G), nearly linear models). Gradient of the likelihood: Rasmussen and Williams 2006,
eq. 5.9. Replicates as one row plus a within-group term: Binois, Gramacy and Ludkovski 2018, eq. 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from paretune_optimizer.model.gp import Rows
from paretune_optimizer.model.kernels import diagonal, matern52_with_slope, squared_distance

Array = NDArray[np.float64]

LENGTH_LOCATION, LENGTH_SCALE = float(np.sqrt(2.0)), float(np.sqrt(3.0))
SIGNAL_LOCATION, SIGNAL_SCALE = 0.0, 0.7
NOISE_LOCATION, NOISE_SCALE = -4.0, 1.0
LOG_LENGTH_BOUNDS = (float(np.log(5e-3)), float(np.log(1e3)))
LOG_SIGNAL_BOUNDS = (float(np.log(5e-2)), float(np.log(5e1)))
LOG_NOISE_BOUNDS = (float(np.log(1e-6)), float(np.log(2.0)))
HOPELESS = 1e12


def prior_mode(dimension: int) -> Array:
    """Return theta at the mode of the prior density, taken in l, s2 and nugget themselves.

    Args:
        dimension: number of length scales, G.

    Returns:
        theta (G + 2). The mode of a log-normal density is exp(location - scale^2).
    """
    length = LENGTH_LOCATION + 0.5 * np.log(max(1, dimension)) - LENGTH_SCALE**2
    signal = SIGNAL_LOCATION - SIGNAL_SCALE**2
    return np.concatenate([np.full(dimension, length), [signal, NOISE_LOCATION - NOISE_SCALE**2]])


def negative_log_prior(theta: Array) -> tuple[float, Array]:
    """Return minus the log prior density of (l, s2, nugget) and its gradient by theta, their logarithms.

    Args:
        theta: logarithms (G + 2).

    Returns:
        Value without constants, and gradient (G + 2).
    """
    dimension = theta.size - 2
    location = np.full(theta.size, LENGTH_LOCATION + 0.5 * np.log(max(1, dimension)))
    scale = np.full(theta.size, LENGTH_SCALE)
    location[-2:] = SIGNAL_LOCATION, NOISE_LOCATION
    scale[-2:] = SIGNAL_SCALE, NOISE_SCALE
    z = (theta - location) / scale
    # "+ theta" is the Jacobian of a density in l rather than in log l.
    return float(np.sum(0.5 * z * z + theta)), z / scale + 1.0


def objective(theta: Array, rows: Rows) -> tuple[float, Array]:
    """Return minus the log posterior density of theta, the mean profiled out, and its gradient.

    No n x n x D tensor is needed: with x the scaled column i and 1 the vector of ones, the derivative by
    log l_i is -2 (x o x)' G 1 + 2 x' G x, one matrix product for all columns.

    Args:
        theta: log length scales, log signal variance, log nugget (G + 2).
        rows: data.

    Returns:
        Value and gradient (G + 2). An unfactorisable K gives a huge value and a zero gradient.
    """
    dimension = rows.dimension
    value, gradient = negative_log_prior(theta)
    length, s2, nugget = np.exp(theta[:dimension]), np.exp(theta[-2]), np.exp(theta[-1])
    X = rows.X / length[rows.groups]
    R, slope = matern52_with_slope(squared_distance(X, X))
    K = s2 * R
    diagonal(K)[:] += (nugget + rows.variance) / rows.count
    inverse, logdet = _inverse(K)
    if inverse is None:
        return HOPELESS, np.zeros_like(theta)
    ones = inverse.sum(axis=0)
    centred = rows.y - ones @ rows.y / ones.sum()
    alpha = inverse @ centred
    value += 0.5 * float(centred @ alpha) + 0.5 * logdet
    inverse -= np.outer(alpha, alpha)
    gradient[-2] += 0.5 * s2 * float(np.vdot(inverse, R))
    gradient[-1] += 0.5 * nugget * float(np.sum(np.diagonal(inverse) / rows.count))
    inverse *= slope
    inverse *= s2
    column = 2.0 * (np.einsum("ij,ij->j", X, inverse @ X) - inverse.sum(axis=0) @ (X * X))
    gradient[:dimension] += np.bincount(rows.groups, weights=column, minlength=dimension)
    extra = float(np.sum(rows.count - 1.0))
    if extra:
        single = rows.single(nugget)
        value += 0.5 * (extra * np.log(single) + rows.scatter / single)
        gradient[-1] += 0.5 * nugget * (extra / single - rows.scatter / single**2)
    return value, gradient


def fit(rows: Rows, start: Array | None = None, iterations: int = 60) -> Array:
    """Return the theta of highest posterior density that L-BFGS finds.

    Args:
        rows: data; no row at all gives the prior mode.
        start: theta to start from (G + 2); None starts cold, from the prior mode and from a smoother, noisier
            guess, and keeps the better end.
        iterations: limit of L-BFGS iterations per start.

    Returns:
        theta (G + 2), finite and inside the bounds.
    """
    from scipy.optimize import minimize  # an eighth of a second: not before it is needed

    mode = prior_mode(rows.dimension)
    if rows.y.size == 0:
        return mode
    bounds = [LOG_LENGTH_BOUNDS] * rows.dimension + [LOG_SIGNAL_BOUNDS, LOG_NOISE_BOUNDS]
    low, high = np.array(bounds).T
    smooth = mode + np.concatenate([np.full(rows.dimension, 1.5), [0.5, 2.0]])
    best, best_value = mode, np.inf
    for guess in [start] if start is not None else [mode, smooth]:
        found = minimize(
            objective,
            np.clip(guess, low, high),
            args=(rows,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-7, "gtol": 1e-4},
        )
        if np.all(np.isfinite(found.x)) and found.fun < best_value:
            best, best_value = np.clip(found.x, low, high), float(found.fun)
    return best


def _inverse(K: Array) -> tuple[Array | None, float]:
    """Return the full inverse and log determinant of a symmetric matrix, or None if it is not definite."""
    L, info = lapack.dpotrf(K, lower=1, clean=1)
    if info:
        return None, 0.0
    logdet = 2.0 * float(np.sum(np.log(diagonal(L))))
    inverse, info = lapack.dpotri(L, lower=1, overwrite_c=1)
    if info:
        return None, 0.0
    inverse = inverse + inverse.T  # its upper triangle was clean
    diagonal(inverse)[:] *= 0.5
    return inverse, logdet
