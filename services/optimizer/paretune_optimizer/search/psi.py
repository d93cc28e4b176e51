"""Expected improvement of one metric below a threshold, in logarithms and without loss of digits.

For a normal value Y of mean `mean` and deviation `sd`, psi(t) = E[(t - Y)+] = sd h((t - mean) / sd) with
h(z) = phi(z) + z Phi(z). Everything is kept as a logarithm (Ament et al. 2023, arXiv 2310.20708).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, ndtr

Array = NDArray[np.float64]
Slopes = Callable[[], tuple[Array, Array]]
"""Computes the derivatives by mean and deviation; not called where the value is all that is wanted."""

LOG_ROOT_TAU = 0.5 * float(np.log(2.0 * np.pi))
_ROOT_HALF_PI = float(np.sqrt(0.5 * np.pi))
_FAR = 50.0


def log_psi(z: Array) -> tuple[Array, Slopes]:
    """Return log h(z) with h(z) = phi(z) + z Phi(z), and, when called, the ratios Phi / h and phi / h.

    Args:
        z: standardised distance to a threshold, any shape. psi(t) = sd h((t - mean) / sd).

    Returns:
        Arrays of the shape of z. Left of zero everything is expressed by Mills' ratio
        R(a) = sqrt(pi/2) erfcx(a / sqrt2): h / phi = 1 - a R(a); beyond a = 50 by its asymptotic series
        a^-2 (1 - 3 a^-2 + 15 a^-4), where the difference would lose all digits.
    """
    a = np.abs(z)
    mills = _ROOT_HALF_PI * erfcx(a * np.sqrt(0.5))
    log_phi = -0.5 * z * z - LOG_ROOT_TAU
    q = 1.0 - a * mills
    far = a >= _FAR
    if np.any(far):
        inverse = 1.0 / a[far] ** 2
        q[far] = inverse * (1.0 - 3.0 * inverse + 15.0 * inverse**2)
    phi = np.exp(log_phi)
    Phi = 1.0 - phi * mills
    h = phi + a * Phi
    right = z > 0.0
    log_h = np.where(right, np.log(h), log_phi + np.log(q))

    def ratios() -> tuple[Array, Array]:
        return np.where(right, Phi / h, mills / q), np.where(right, phi / h, 1.0 / q)

    return log_h, ratios


def log_psi_exponential(t: Array, z: Array, sd: Array, rate: Array) -> tuple[Array, Slopes]:
    """Return log E[(g(t) - g(Z))+] for g(x) = exp(rate x) / rate, and its derivatives.

    For a metric modelled in logarithms this is the improvement in the metric's own units: a Black-Scholes put
    (rate above zero, a minimised metric) or call (below, a maximised one). With s = rate sd and
    R(x) = Phi(x) / phi(x) it is exp(rate t) phi(z) [R(z) - R(z - s)] / rate, which loses no digits left of
    zero; right of zero the textbook form Phi(z) - exp(s^2 / 2 - s z) Phi(z - s) is used.

    Args:
        t: thresholds, on the scale of the model (broadcastable to z).
        z: (t - mean) / sd (B x T).
        sd: deviations (broadcastable to z).
        rate: not zero (broadcastable to z).

    Returns:
        Logarithm (B x T) and, when called, derivatives by mean and deviation (B x T). For |s| below 1e-5 g is
        straight over the range that matters, and `log_psi` applies.
    """
    size, sign = np.abs(rate), np.sign(rate)
    s = np.broadcast_to(rate * sd, z.shape)
    straight = np.abs(s) < 1e-5
    flat = bool(np.any(straight))
    if flat:
        s = np.where(straight, 1e-5 * sign, s)
    right = z > 0.0
    left = ~right
    width, mass, log_phi = np.empty_like(z), np.empty_like(z), np.zeros_like(z)
    x, move = z[left], s[left]
    mass[left] = _ROOT_HALF_PI * erfcx(-np.minimum(x - move, 35.0) * np.sqrt(0.5))  # R(z - s)
    width[left] = _ROOT_HALF_PI * erfcx(-x * np.sqrt(0.5)) - mass[left]
    log_phi[left] = -0.5 * x * x - LOG_ROOT_TAU
    x, move = z[right], s[right]
    mass[right] = np.exp(np.clip(0.5 * move * move - move * x, -700.0, 300.0)) * ndtr(x - move)
    width[right] = ndtr(x) - mass[right]
    width = np.maximum(width * sign, 1e-290)
    value = rate * t + (np.log(width) + log_phi - np.log(size))
    if flat:
        log_h, ratios = log_psi(z)
        value = np.where(straight, rate * t + (log_h + np.log(sd)), value)

    def slopes() -> tuple[Array, Array]:
        density = np.ones_like(z)
        density[right] = np.exp(-0.5 * x * x - LOG_ROOT_TAU)
        by_mean = -size * mass / width
        by_sd = size * (density - s * mass) / width
        if flat:
            Phi, phi = ratios()
            return np.where(straight, -Phi / sd, by_mean), np.where(straight, phi / sd, by_sd)
        return by_mean, by_sd

    return value, slopes
