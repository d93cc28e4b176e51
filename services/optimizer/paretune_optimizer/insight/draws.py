"""Joint posterior draws of what was tried: the one object behind every statement about a noisy front.

Everything here is in the metrics' own units, minimised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from paretune.errors import FailedPrecondition
from paretune_optimizer.history import History
from paretune_optimizer.model.feasibility import chances
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.acquisition import baseline

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

FEWEST_BEYOND = 6
MOST_ROWS = 1000
MOST_POINTS = 200


def model_serves(history: History, points: int) -> bool:
    """Tell whether statements about the present front come from the model unless the user says otherwise.

    With fewer than 2 p + 6 finished trainings its noise is mostly prior; with more than 1000, or more than
    200 points to judge, it costs more than a report should.
    """
    fewest = 2 * history.encoding.dimension + FEWEST_BEYOND
    return fewest <= history.ok.size <= MOST_ROWS and points <= MOST_POINTS


def model_exists(history: History) -> bool:
    """Tell whether there are two finished trainings, the least that a model can be made of."""
    return history.ok.size >= 2


def require_model(history: History) -> None:
    """Check that a model can be made.

    Raises:
        FailedPrecondition: reason TOO_FEW_OBSERVATIONS.
    """
    if not model_exists(history):
        raise FailedPrecondition(
            f"A model needs at least 2 finished trainings; there are {history.ok.size}.",
            reason="TOO_FEW_OBSERVATIONS",
            metadata={"observations": str(history.ok.size)},
        )


def contenders(history: History, rows: Ints) -> tuple[Array, Ints]:
    """Return the distinct configurations that may be efficient, with those of given rows among them.

    Args:
        history: the experiment.
        rows: rows of the history to include.

    Returns:
        Coordinates (b x p), and the place of each of the rows among them.
    """
    surrogate = surrogate_of(history)
    known = baseline(history, surrogate, chances(history, surrogate)).Z
    Z, where = np.unique(np.vstack([known, history.Z[rows]]), axis=0, return_inverse=True)
    return Z, where.reshape(-1)[known.shape[0] :]


def joint_draws(history: History, Z: Array, count: int) -> Array:
    """Return joint posterior draws of the noise-free optimised metrics.

    Args:
        history: the experiment.
        Z: distinct coordinates (b x p).
        count: number of draws, S.

    Returns:
        Values (S x b x m), own units, minimised; NaN in all metrics of a point that misses a threshold in
        that draw, so that it neither is efficient nor excludes another.

    Raises:
        numpy.linalg.LinAlgError: if a covariance matrix cannot be factorised.
    """
    surrogate = surrogate_of(history)
    rng = generator(history.experiment.seed, len(history), Stream.REPORT)
    X = history.encoding.features(Z)
    columns = []
    for j in history.roles.optimized:
        model = surrogate.metrics[j]
        drawn = model.gp.worlds(X, rng.standard_normal((count, Z.shape[0])))[1]
        columns.append(model.transform.inverse(drawn))
    draws = np.stack(columns, axis=2)
    draws[~within(history, draws)] = np.nan
    return draws


def within(history: History, values: Array) -> NDArray[np.bool_]:
    """Return which points (... x m) keep the thresholds on optimised metrics."""
    bound = history.thresholds()[history.roles.optimized]
    return np.all(values <= np.where(np.isfinite(bound), bound, np.inf), axis=-1)


def expected_values(history: History, Z: Array) -> tuple[Array, Array]:
    """Return expected noise-free values of all modelled metrics and their standard deviations.

    Args:
        history: the experiment.
        Z: coordinates (b x p).

    Returns:
        Means and deviations (b x M), own units, minimised; NaN in columns that have no model.
    """
    surrogate = surrogate_of(history)
    X = history.encoding.features(Z)
    mean = np.full((Z.shape[0], len(history.roles.metrics)), np.nan)
    spread = mean.copy()
    for j, model in surrogate.metrics.items():
        centre, variance = model.gp.predict(X)
        mean[:, j], spread[:, j] = model.transform.moments(centre[:, 0], np.sqrt(variance))
    return mean, spread
