"""Metrics as columns to be minimised: roles, signs and monotone maps.

`Roles` is the ONE place where a goal becomes a sign. Everywhere else in the mathematics smaller is better.

A model sees standardised values z = (g(min(y, cap)) - centre) / scale with y already minimised and g one of

| map | g(y) | when |
|---|---|---|
| IDENTITY | y | always a candidate |
| LOG | s log(s y), s the sign of the goal | all values and a threshold are above zero, and of one magnitude |

chosen by leave-one-out likelihood with the Jacobian of the map (`surrogate`). Improvement is judged in the
metric's own units under either map (`psi.log_psi_exponential`). Yeo-Johnson maps were tried and
dropped: improvement then counted in bent units, and near zero the search chased digits nobody wants.

Only the bad tail is winsorised, five robust standard deviations out: capping the good tail would delete the
optimum. No value that misses the metric's threshold may look as if it met it. Where values of a constraint
miss it, the cap lies beyond it: nothing else matters about a constraint. A threshold of an optimised metric,
where improvement begins, is capped like the values (`gp.standardised_thresholds`): a higher cap would
cost the model its sight of what is good. docs/decisions/0054.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from paretune.experiment import Experiment, Goal, Metric, Strategy

Array = NDArray[np.float64]

WINSOR = 5.0
PAST_THRESHOLD = 1.5
"""Distance of a constraint's cap from the median, in distances of its threshold, where values miss that."""
LOG_DEPTH = 30.0
"""A metric whose smallest value is this many times below its median gets no logarithm: in the metric's own
units such values are all alike, and a model of their logarithms sees nothing else."""
HUGE = 1e300
"""Values beyond this are all alike to a model: differences of the largest floats overflow."""
_HERMITE_X, _HERMITE_W = np.polynomial.hermite_e.hermegauss(15)
_HERMITE_W = _HERMITE_W / _HERMITE_W.sum()


class Roles:
    """Which columns of the value matrix are optimised, constrained, stored, and with what sign."""

    def __init__(self, experiment: Experiment) -> None:
        """Read goals and strategies once."""
        self.metrics: tuple[Metric, ...] = experiment.metrics
        self.names = [metric.name for metric in self.metrics]
        self.column = {name: j for j, name in enumerate(self.names)}
        self.sign = np.array([1.0 if metric.goal is Goal.MINIMIZE else -1.0 for metric in self.metrics])
        self.optimized = [j for j, m in enumerate(self.metrics) if m.strategy is Strategy.OPTIMIZE]
        self.constrained = [j for j, m in enumerate(self.metrics) if m.strategy is Strategy.CONSTRAIN]

    @property
    def modelled(self) -> list[int]:
        """Columns that get a surrogate: optimised ones, then constrained ones."""
        return self.optimized + self.constrained


class Map(Enum):
    """Family of a monotone map."""

    IDENTITY = "identity"
    LOG = "log"


@dataclass(frozen=True)
class Transform:
    """A monotone map from minimised values to standardised ones.

    Attributes:
        map: family.
        sign: sign of the goal, for LOG: values of a maximised metric arrive negated.
        cap: largest (worst) value of g that is told from worse ones.
        centre: subtracted from g.
        scale: divided by, above zero.
    """

    map: Map
    sign: float
    cap: float
    centre: float
    scale: float

    def forward(self, y: Array) -> Array:
        """Return standardised values of minimised ones, capped."""
        return (np.minimum(self._g(y), self.cap) - self.centre) / self.scale

    @property
    def rate(self) -> float:
        """Return c when a step of z multiplies the metric's value by exp(c), 0 when z is no logarithm."""
        return self.sign * self.scale if self.map is Map.LOG else 0.0

    def threshold(self, y: float) -> float:
        """Return the standardised place of a threshold, not capped; minus infinity where g is undefined."""
        if self.map is Map.LOG and self.sign * y <= 0.0:
            return -np.inf if self.sign > 0.0 else np.inf
        return float((self._g(np.array([y]))[0] - self.centre) / self.scale)

    def inverse(self, z: Array) -> Array:
        """Return minimised values of standardised ones."""
        g = z * self.scale + self.centre
        if self.map is Map.IDENTITY:
            return g
        return self.sign * np.exp(np.clip(self.sign * g, -700.0, 700.0))

    def slope(self, y: Array) -> Array:
        """Return dz/dy at minimised values."""
        if self.map is Map.IDENTITY:
            return np.full_like(y, 1.0 / self.scale)
        return 1.0 / (np.abs(y) * self.scale)

    def moments(self, mean: Array, sd: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the minimised value when z is Gaussian.

        Fifteen-point Gauss-Hermite quadrature, exact for the identity.
        """
        if self.map is Map.IDENTITY:
            return self.inverse(mean), sd * self.scale
        values = self.inverse(mean[..., None] + sd[..., None] * _HERMITE_X)
        first = values @ _HERMITE_W
        return first, np.sqrt(np.maximum((values - first[..., None]) ** 2 @ _HERMITE_W, 0.0))

    def _g(self, y: Array) -> Array:
        if self.map is Map.IDENTITY:
            return np.clip(y, -HUGE, HUGE)
        return self.sign * np.log(np.maximum(self.sign * y, np.finfo(float).tiny))


def fit_transform(map_: Map, y: Array, sign: float, threshold: float = np.nan) -> Transform:
    """Return the map of a family that standardises given values.

    Args:
        map_: family.
        y: minimised values (n), finite; may be empty or constant.
        sign: sign of the metric's goal.
        threshold: of a constraint, minimised and in the domain of the map; NaN: there is none.

    Returns:
        A transform of which the scale is always positive and finite.
    """
    bare = Transform(map_, sign, np.inf, 0.0, 1.0)
    g = bare._g(y)
    middle, spread = _centre_width(g)
    cap = middle + WINSOR * spread if g.size and np.ptp(g) > 0.0 else np.inf
    if np.any(y > threshold):
        cap = max(cap, middle + PAST_THRESHOLD * (float(bare._g(np.array([threshold]))[0]) - middle))
    capped = np.minimum(g, cap)
    biggest = float(np.max(np.abs(capped - middle))) if capped.size else 0.0
    scale = biggest * float(np.std((capped - middle) / biggest)) if biggest > 0.0 else 0.0
    centre = middle + (biggest * float(np.mean((capped - middle) / biggest)) if biggest > 0.0 else 0.0)
    tiny = 1e-14 * max(abs(centre), np.finfo(float).tiny)
    if not np.isfinite(scale) or scale <= tiny:
        scale = max(abs(centre), 1.0)
    return Transform(map_, sign, cap, centre, scale)


def loggable(y: Array, threshold: float = np.nan) -> bool:
    """Tell whether values (n, in the user's units) are all above zero and of one magnitude.

    Not where the metric's threshold (NaN: none) is not above zero: on a logarithmic scale nothing gets there.
    """
    if not y.size or threshold <= 0.0:
        return False
    return bool(np.min(y) > 0.0) and bool(np.median(y) <= LOG_DEPTH * np.min(y))


def candidate_maps(y: Array, log: bool) -> list[Map]:
    """Return the families worth trying on minimised values (n); few or constant values get the identity.

    Args:
        y: minimised values (n).
        log: whether all values of the metric, later ones too, are `loggable`.
    """
    if y.size < 8 or np.ptp(np.clip(y, -HUGE, HUGE)) <= 1e-9 * np.max(np.abs(y)):
        return [Map.IDENTITY]
    return [Map.IDENTITY, Map.LOG] if log else [Map.IDENTITY]


def _centre_width(y: Array) -> tuple[float, float]:
    """Return median and robust standard deviation; a width that is never zero."""
    if y.size == 0:
        return 0.0, 1.0
    low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
    width = high / 1.349 - low / 1.349
    if not np.isfinite(width) or width <= 0.0:
        width = float(np.max(np.abs(y - middle)))
    if not np.isfinite(width) or width <= np.finfo(float).tiny:
        width = max(1.0, abs(float(middle)))
    return float(middle), float(width)
