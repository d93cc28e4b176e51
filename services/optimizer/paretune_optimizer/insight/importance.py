"""How much each parameter matters: Sobol's total effects on the model's mean, and on reaching the front.

The total effect of parameter i on a target f is E[Var(f | all others)] / Var(f), by Jansen's formula

    mean of (f(a) - f(a'))^2 / 2 / Var(f),   a' = a with parameter i drawn anew,

on quasi-random points (Saltelli et al. 2010, Computer Physics Communications 181, table 2). Under linear
constraints a' is drawn within them, which estimates the same quantity for dependent parameters (Kucherenko,
Tarantola and Annoni 2012). An inactive parameter changes nothing, an unordered one is just another input.

Reaching the front is an event, "among the tenth of the space closest to the predicted front", times the
probability of being feasible: target sensitivity analysis (Marrel and Chabridon 2021). Closeness is the
additive epsilon of Zitzler et al. 2003 in shares of the front's range. A variance of the distance itself
would be ruled by the bad end of the space, where nobody wants to go.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from paretune.insight import Importance, ParameterImportance, TargetImportance
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import require_model
from paretune_optimizer.model.feasibility import Chance, chances, probability
from paretune_optimizer.model.gp import GaussianProcess
from paretune_optimizer.model.surrogate import Surrogate, surrogate_of
from paretune_optimizer.policies.gp import standardised_thresholds
from paretune_optimizer.sampling import Stream, generator, sobol_points
from paretune_optimizer.search.acquisition import baseline
from paretune_optimizer.space.encoding import Encoding
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]

EVALUATIONS = 16_384
FEWEST_PAIRS, MOST_PAIRS = 256, 1024
REDRAWS = 16
CLOSEST = 0.1
FRONT_POINTS = 100


@single_threaded
def importance(history: History) -> Importance:
    """Return how much each parameter matters for each modelled metric and for reaching the front.

    Args:
        history: the experiment; the answer is a pure function of it.

    Returns:
        Targets in the order of the metrics, then the front; parameters by falling importance.

    Raises:
        FailedPrecondition: TOO_FEW_OBSERVATIONS.
        numpy.linalg.LinAlgError: if a covariance matrix cannot be factorised.
    """
    require_model(history)
    surrogate = surrogate_of(history)
    rng = generator(history.experiment.seed, len(history), Stream.REPORT)
    conditions = chances(history, surrogate)
    names = history.encoding.names
    predicted: dict[int, list[Array]] = {j: [] for j in surrogate.metrics}
    feasible: list[Array] = []
    for block in changed_pairs(history.encoding, rng):
        X = history.encoding.features(block)
        feasible.append(probability(conditions, X))
        for j, model in surrogate.metrics.items():
            predicted[j].append(model.gp.mean_at(X))
    means = {j: np.concatenate(values) for j, values in predicted.items()}
    explained = {j: explained_share(model.gp) for j, model in surrogate.metrics.items()}
    targets = [
        _target(history.roles.names[j], total_effects(means[j], len(names)), explained[j], names)
        for j in sorted(means)
    ]
    optimized = history.roles.optimized
    wanted = np.stack([means[j] for j in optimized], axis=1)
    event = _reaching(history, surrogate, conditions, np.concatenate(feasible), wanted)
    trust = min(explained[j] for j in optimized)
    targets.append(_target("", total_effects(event, len(names)), trust, names))
    return Importance(tuple(targets), len(history))


def changed_pairs(encoding: Encoding, rng: np.random.Generator) -> Iterator[Array]:
    """Yield points (N x p) of the space, then for each parameter the same points with it drawn anew.

    One block at a time: all of them grow with the square of p, to two gigabytes of 1000 parameters.
    """
    p = encoding.dimension
    pairs = int(np.clip(EVALUATIONS // (p + 1), FEWEST_PAIRS, MOST_PAIRS))
    pairs = 1 << (pairs.bit_length() - 1)
    # Both halves from one sequence, so that a point and its redraw are independent.
    U = sobol_points(2 * p, pairs, rng)
    # Latent coordinates: an inactive parameter keeps its value for when a change of its parent wakes it.
    latent = np.stack([axis.from_unit(U[:, i]) for i, axis in enumerate(encoding.axes)], axis=1)
    if not np.all(encoding.satisfied(encoding.snap(latent))):
        valid = encoding.sample(U[:, :p], rng)
        latent = np.where(encoding.active(valid), valid, latent) if valid.shape == latent.shape else valid
    yield encoding.snap(latent)
    for i, axis in enumerate(encoding.axes):
        moved = latent.copy()
        moved[:, i] = axis.from_unit(U[: latent.shape[0], p + i])
        for _ in range(REDRAWS):
            bad = ~encoding.satisfied(encoding.snap(moved))
            if not np.any(bad):
                break
            moved[bad, i] = axis.from_unit(rng.random(int(bad.sum())))
        bad = ~encoding.satisfied(encoding.snap(moved))
        moved[bad, i] = latent[bad, i]
        yield encoding.snap(moved)


def total_effects(values: Array, parameters: int) -> Array:
    """Return the total-effect indices (p), 0 to 1, of a target at the points of `changed_pairs`, in order."""
    table = values.reshape(parameters + 1, -1)  # p + 1 x N
    spread = float(np.var(values))
    if not spread > 1e-24 * float(np.max(np.abs(values), initial=0.0)) ** 2:
        return np.zeros(parameters)
    return np.minimum(0.5 * np.mean((table[1:] - table[0]) ** 2, axis=1) / spread, 1.0)


def explained_share(gp: GaussianProcess) -> float:
    """Return the share of the data's variance that leave-one-out predictions explain; at most 1."""
    rows = gp.rows
    if rows.y.size < 2:
        return 0.0
    residual, _ = gp.leave_one_out()
    centre = np.average(rows.y, weights=rows.count)
    total = float(np.sum(rows.count * (rows.y - centre) ** 2))
    return 1.0 - float(np.sum(rows.count * residual**2)) / total if total > 0.0 else 0.0


def _reaching(
    history: History, surrogate: Surrogate, conditions: list[Chance], feasible: Array, means: Array
) -> Array:
    """Event of being among the closest tenth to the front, times P(feasible), at means (B x m)."""
    known = baseline(history, surrogate, conditions)
    likely = means[feasible >= 0.5]
    front = np.vstack([known.mean, likely[non_dominated(likely)]])
    front = front[non_dominated(front)]
    if front.shape[0] == 0:
        return feasible
    front = front[np.unique(np.linspace(0, front.shape[0] - 1, FRONT_POINTS).astype(int))]
    behind = distance_to_front(means, front, standardised_thresholds(history, surrogate))
    return feasible * (behind <= np.quantile(behind, CLOSEST))


def distance_to_front(means: Array, front: Array, bounds: Array) -> Array:
    """Return how far points (B x m) lie behind a front (P x m) and beyond thresholds (m, NaN: none).

    In shares of the front's range, or of the points' standard deviation where that is larger: where metrics
    hardly compete the front is short, and which of them is shorter by chance must not decide.
    """
    scale = np.maximum(np.maximum(np.ptp(front, axis=0), means.std(axis=0)), 1e-9)
    behind = np.min([np.max((means - point) / scale, axis=1) for point in front], axis=0)
    bounded = np.isfinite(bounds)
    if np.any(bounded):
        beyond = np.max((means[:, bounded] - bounds[bounded]) / scale[bounded], axis=1)
        behind = np.maximum(behind, beyond)
    return behind


def _target(metric: str, effects: Array, explained: float, names: list[str]) -> TargetImportance:
    whole = float(effects.sum())
    order = np.argsort(-effects, kind="stable")
    return TargetImportance(
        metric,
        tuple(
            ParameterImportance(names[i], float(effects[i]), float(effects[i] / whole) if whole else 0.0)
            for i in order
        ),
        explained,
    )
