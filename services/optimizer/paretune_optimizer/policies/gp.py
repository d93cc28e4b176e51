"""The engine: Gaussian processes and log noisy expected hypervolume improvement.

    history -> surrogate -> baseline, reference point -> acquisition -> maximize -> one configuration

Everything here is a pure function of the history, the taken points and the ordinal; see `surrogate` for why
remembered hyperparameters do not break that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune_optimizer.acquisition import Baseline, baseline, build, predict_optimized
from paretune_optimizer.encoding import ENUMERATION_LIMIT
from paretune_optimizer.feasibility import Chance, chances, probability
from paretune_optimizer.history import History
from paretune_optimizer.maximize import Deadline, fresh, maximize, pool
from paretune_optimizer.reference_point import reference_point
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.surrogate import Surrogate, surrogate_of

Array = NDArray[np.float64]


def propose(history: History, ordinal: int, pending: Array, taken: Array, deadline: Deadline) -> Array | None:
    """Return the configuration of highest acquisition.

    Args:
        history: the experiment, with at least one observation.
        ordinal: ordinal of the suggestion.
        pending: coordinates in training, earlier ones of the same batch included (b x p).
        taken: coordinates never to propose again (t x p).
        deadline: when to stop refining.

    Returns:
        Valid coordinates (p), or None if nothing untaken was found.

    Raises:
        numpy.linalg.LinAlgError: if a covariance matrix cannot be factorised.
    """
    surrogate = surrogate_of(history)
    conditions = chances(history, surrogate)
    known = baseline(history, surrogate, conditions)
    rng = generator(history.experiment.seed, ordinal, Stream.SEARCH)
    everything = history.encoding.enumerate(ENUMERATION_LIMIT)
    if everything is None:
        candidates = pool(history.encoding, known.Z[known.efficient], rng)
    else:
        candidates = everything[fresh(history.encoding, everything, taken)]
    if candidates.shape[0] == 0:
        return None
    reference = standardised_reference(history, surrogate, conditions, known, candidates)
    worlds = generator(history.experiment.seed, ordinal, Stream.WORLDS)
    cheap, full = build(history, surrogate, known, pending, reference, worlds)
    if everything is not None:
        return candidates[int(np.argmax(full.value(candidates)))]
    return maximize(cheap, full, candidates, taken, rng, deadline)[0]


def standardised_reference(
    history: History, surrogate: Surrogate, conditions: list[Chance], known: Baseline, candidates: Array
) -> Array:
    """Return the reference point (m) in the units of the models; see `reference_point`."""
    thresholds = history.thresholds()
    bounds = np.full(len(history.roles.optimized), np.nan)
    for k, j in enumerate(history.roles.optimized):
        if np.isfinite(thresholds[j]):
            bounds[k] = surrogate.metrics[j].transform.threshold(float(thresholds[j]))
    mean, _ = predict_optimized(history, surrogate, candidates)
    if conditions:
        likely = probability(conditions, history.encoding.features(candidates))
        mean = mean[likely >= 0.5 * likely.max()] if likely.size else mean
    ok = history.ok
    observed = predict_optimized(history, surrogate, history.Z[ok[-1000:]])[0] if ok.size else mean[:0]
    return reference_point(bounds, np.vstack([mean, known.mean]), observed)
