"""Chances that a configuration runs and keeps its constraints, as log probabilities with gradients.

One form serves both kinds (Gelbart, Snoek and Adams 2014, arXiv 1403.5607):

    log p = log Phi(side (threshold - mean) / sqrt(variance + extra))

* failures: regression on labels +1 (ran) and -1 (INFEASIBLE), side -1, threshold 0, extra 0.1;
* constraint metrics: their own model, side +1, the user's threshold, extra 0.

The chance of failure is tempered by the exponent min(1, failures / 5), so that one stray failure does not
fence off a region.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

from paretune_optimizer.history import History
from paretune_optimizer.model.gp import Forward, GaussianProcess
from paretune_optimizer.model.surrogate import Surrogate

Array = NDArray[np.float64]

PROBIT_EXTRA = 0.1
TEMPER = 5
_ROOT_TWO_BY_PI = float(np.sqrt(2.0 / np.pi))


@dataclass(frozen=True)
class Chance:
    """Log probability of one condition.

    Attributes:
        gp: model of the quantity.
        threshold: where the condition flips, in units of the model.
        side: +1 if small values are good, -1 if large ones are.
        extra: variance added to the model's.
        power: exponent of the probability.
    """

    gp: GaussianProcess
    threshold: float
    side: float
    extra: float
    power: float = 1.0

    def log_probability(self, X: Array) -> Array:
        """Return the log probability, not tempered (B), at features (B x D)."""
        mean, variance = self.gp.predict(X)
        return log_ndtr(self._z(mean[:, 0], variance))

    def forward(self, X: Array) -> tuple[Array, tuple[Array, Array, Forward]]:
        """Return the tempered log probability (B), and what `backward` needs."""
        mean, variance, kept = self.gp.forward(X)
        z = self._z(mean[:, 0], variance)
        return self.power * log_ndtr(z), (z, variance, kept)

    def backward(self, kept: tuple[Array, Array, Forward]) -> Array:
        """Return the gradient (B x D) of the tempered log probability."""
        z, variance, forward = kept
        # d log Phi / dz = phi / Phi, by the scaled complementary error function: no overflow far to the left.
        with np.errstate(over="ignore"):
            hazard = self.power * _ROOT_TWO_BY_PI / erfcx(-z * np.sqrt(0.5))
        spread = variance + self.extra
        by_mean = -self.side * hazard / np.sqrt(spread)
        return self.gp.backward(forward, by_mean[:, None], -0.5 * hazard * z / spread)

    def _z(self, mean: Array, variance: Array) -> Array:
        return self.side * (self.threshold - mean) / np.sqrt(variance + self.extra)


def chances(history: History, surrogate: Surrogate) -> list[Chance]:
    """Return the conditions that a configuration of this experiment must meet."""
    found: list[Chance] = []
    if surrogate.feasibility is not None:
        power = min(1.0, surrogate.failures / TEMPER)
        found.append(Chance(surrogate.feasibility, 0.0, -1.0, PROBIT_EXTRA, power))
    thresholds = history.thresholds()
    for j in history.roles.constrained:
        model = surrogate.metrics[j]
        bound = model.transform.threshold(float(thresholds[j])) if np.isfinite(thresholds[j]) else np.inf
        if np.isfinite(bound):
            found.append(Chance(model.gp, bound, 1.0, 0.0))
    return found


def probability(conditions: list[Chance], X: Array) -> Array:
    """Return the probability (B) that all conditions hold, taken as independent."""
    total = np.zeros(X.shape[0])
    for chance in conditions:
        total += chance.log_probability(X)
    return np.exp(total)
