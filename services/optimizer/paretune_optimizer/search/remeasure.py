"""Whether measuring a tried configuration once more tells more about the front than a new one.

Both choices are judged by the same question: by how much is the hypervolume of the expected front expected to
grow? One more measurement moves the expected noise-free value of a configuration by a Gaussian step of
deviation (knowledge gradient, Frazier, Powell and Dayanik 2009)

    s^2 / sqrt(s^2 + t^2),    s: posterior deviation now, t: deviation of one measurement,

and leaves, in this approximation, all other configurations where they are. So the value of a new
configuration is its expected improvement with that deviation instead of s. A tried one may lose what it has:

    E[improvement over the front without it] - improvement of its present mean over the front without it,

which is not negative, and zero for a configuration that is known exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.history import History
from paretune_optimizer.model.feasibility import chances, probability
from paretune_optimizer.model.gp import GaussianProcess
from paretune_optimizer.model.surrogate import Surrogate
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.acquisition import Baseline, predict_optimized
from paretune_optimizer.search.improvement import Improvement, expected_improvement

Array = NDArray[np.float64]

CONSIDERED = 32
"""Tried configurations that are looked at: those of which one more measurement says most."""
MOVES = 0.01
"""Share of the front's range that a measurement must be expected to move a mean by; less is no reason."""
CERTAIN = 1e-4
"""Deviation, in units of the model, that stands for none."""


def worth_repeating(
    history: History,
    surrogate: Surrogate,
    known: Baseline,
    pending: Array,
    new: Array | None,
    reference: Array,
) -> Array | None:
    """Return the tried configuration that is worth more than a new one, if there is one.

    Args:
        history: the experiment.
        surrogate: its models.
        known: tried configurations that may be efficient.
        pending: coordinates in training (b x p): never to be repeated at the same time.
        new: the best new configuration (p), or None if there is none.
        reference: reference point (m), standardised.

    Returns:
        Coordinates (p) of a configuration in `known`, or None.
    """
    if not known.Z.shape[0]:
        return None
    processes = [surrogate.metrics[j].gp for j in history.roles.optimized]
    conditions = chances(history, surrogate)
    rates = np.array([surrogate.metrics[j].transform.rate for j in history.roles.optimized])
    ideal = np.minimum(known.mean.min(axis=0), 0.0)

    def improvement(front: Array) -> Improvement:
        rng = generator(history.experiment.seed, len(history), Stream.WORLDS)  # the same directions each time
        return expected_improvement([front], reference, ideal, rates, rng)

    free = ~np.any(np.all(known.Z[:, None] == pending[None], axis=2), axis=1)
    step = _step(processes, history.encoding.features(known.Z), known.sd)
    share = step.max(axis=1) / np.maximum(np.ptp(known.mean[known.efficient], axis=0).max(), 0.1)
    value = np.zeros(known.Z.shape[0])
    for i in np.argsort(-share, kind="stable")[:CONSIDERED]:
        if not free[i] or share[i] < MOVES:
            continue
        others = known.efficient.copy()
        others[i] = False
        gain = improvement(known.mean[others])
        value[i] = _expected(gain, known.mean[i], step[i]) - _expected(gain, known.mean[i], step[i] * 0.0)
    value *= probability(conditions, history.encoding.features(known.Z))
    best = int(np.argmax(value))
    if new is None:
        return known.Z[best] if value[best] > 0.0 else None
    mean, sd = predict_optimized(history, surrogate, new[None])
    X = history.encoding.features(new[None])
    rival = _expected(improvement(known.mean[known.efficient]), mean[0], _step(processes, X, sd)[0])
    return known.Z[best] if value[best] > rival * probability(conditions, X)[0] else None


def _expected(improvement: Improvement, mean: Array, sd: Array) -> float:
    """Return the expected improvement of a value of given mean and deviation (m each)."""
    return float(np.exp(improvement.log_value(mean[:, None, None], np.maximum(sd, CERTAIN)[:, None])[0][0]))


def _step(processes: list[GaussianProcess], X: Array, sd: Array) -> Array:
    """Return by how much one measurement moves the mean at features X (B x D); deviations B x m."""
    noise = np.empty_like(sd)
    for j, gp in enumerate(processes):
        reported = {row.tobytes(): v for row, v in zip(gp.rows.X, gp.rows.variance, strict=True)}
        usual = float(np.median(gp.rows.variance)) if gp.rows.variance.size else 0.0
        noise[:, j] = gp.nugget + np.array([reported.get(row.tobytes(), usual) for row in X])
    return sd**2 / np.sqrt(sd**2 + noise)
