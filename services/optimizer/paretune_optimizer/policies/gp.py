"""The engine: Gaussian processes and log noisy expected hypervolume improvement.

    history -> surrogate -> baseline, reference point -> acquisition -> maximize -> one configuration

Everything here is a pure function of the history, the taken points and the ordinal; see `surrogate` for why
remembered hyperparameters do not break that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune import metrics
from paretune_optimizer.history import History
from paretune_optimizer.model.feasibility import chances
from paretune_optimizer.model.surrogate import Surrogate, metric_rows, surrogate_of
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.acquisition import baseline, build
from paretune_optimizer.search.floors import floors_of
from paretune_optimizer.search.maximize import Deadline, fresh, maximize, pool
from paretune_optimizer.search.reference_point import (
    posterior_means,
    predicted_ends,
    reference_point,
    stance_of,
)
from paretune_optimizer.search.remeasure import worth_repeating
from paretune_optimizer.space.encoding import ENUMERATION_LIMIT

Array = NDArray[np.float64]


def propose(history: History, ordinal: int, pending: Array, taken: Array, deadline: Deadline) -> Array | None:
    """Return the configuration of highest acquisition; a tried one if the experiment may measure again.

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
    with metrics.work("fit"):
        surrogate = surrogate_of(history)
    conditions = chances(history, surrogate)
    known = baseline(history, surrogate, conditions)
    rng = generator(history.experiment.seed, ordinal, Stream.SEARCH)
    everything = history.encoding.enumerate(ENUMERATION_LIMIT)
    if everything is None:
        candidates = pool(history.encoding, known.Z[known.efficient], rng)
    else:
        candidates = everything[fresh(history.encoding, everything, taken)]
    exhausted = candidates.shape[0] == 0
    if exhausted:
        if everything is None or not history.experiment.remeasure:
            return None
        candidates = everything
    processes = [surrogate.metrics[j].gp for j in history.roles.optimized]
    start = np.vstack([candidates, known.Z[known.efficient]])
    stance, turn = stance_of(ordinal, len(processes))
    floors = floors_of(history, surrogate)
    broad = posterior_means(history.encoding, processes, start)
    ends, means = predicted_ends(
        history.encoding, processes, conditions, floors, start, broad, stance, deadline
    )
    bounds = standardised_thresholds(history, surrogate)
    reference = reference_point(bounds, means, broad[: candidates.shape[0]], stance, turn, len(history))
    worlds = generator(history.experiment.seed, ordinal, Stream.WORLDS)
    cheap, full = build(history, surrogate, known, pending, reference, means.min(axis=0), floors, worlds)
    best: Array | None
    if everything is not None:
        best = None if exhausted else candidates[int(np.argmax(full.value(candidates)))]
    else:
        candidates = np.unique(np.vstack([candidates, ends]), axis=0)
        best = maximize(cheap, full, candidates, taken, rng, deadline)[0]
    if not history.experiment.remeasure:
        return best
    again = worth_repeating(history, surrogate, known, pending, best, reference)
    return best if again is None else again


def standardised_thresholds(history: History, surrogate: Surrogate) -> Array:
    """Return the user's thresholds on optimised metrics (m) in the units of the models, NaN where none.

    Where values miss a threshold it is capped as they are: else those capped would look as if they met it.
    """
    thresholds = history.thresholds()
    bounds = np.full(len(history.roles.optimized), np.nan)
    for k, j in enumerate(history.roles.optimized):
        if np.isfinite(thresholds[j]):
            transform = surrogate.metrics[j].transform
            missed = np.any(history.Y[metric_rows(history, j), j] > thresholds[j])
            capped = transform.forward(thresholds[j : j + 1])[0]
            bounds[k] = capped if missed else transform.threshold(float(thresholds[j]))
    return bounds
