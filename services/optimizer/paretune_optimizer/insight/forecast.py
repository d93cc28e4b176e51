"""What the next trials would bring: the search played on within posterior draws.

In each of 32 worlds, one joint draw of the noise-free values of what was tried and of promising candidates,
expected hypervolume improvement picks candidates one by one, the world answers with noise, and the posterior
of that world learns. The hypervolume of the true values of what was tried or picked is the forecast. Trials
in progress come first, and a candidate fails as often as the model says.

The posterior over the finite set of points is updated by rank one per pick, so a step costs one evaluation of
the acquisition and O(N t). What is not optimal: candidates are fixed beforehand, so that the fine polish of
late trials is missing, and hyperparameters are taken for true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.insight import HypervolumeForecast, StopAdvice
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import model_exists, within
from paretune_optimizer.insight.front import feasible_rows, named, reference_of
from paretune_optimizer.model.feasibility import chances, probability
from paretune_optimizer.model.gp import cholesky
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.search.acquisition import Baseline, baseline, build
from paretune_optimizer.search.floors import floors_of
from paretune_optimizer.search.improvement import EXACT_METRICS, expected_improvement
from paretune_optimizer.search.maximize import fresh, pool
from paretune_optimizer.space.encoding import ENUMERATION_LIMIT
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]

WORLDS, BEST, OTHERS = 32, 192, 64
MANY_WORLDS, MANY_BEST, MANY_OTHERS = 12, 64, 32
"""For four and more metrics, where improvement costs many times as much."""
DEFAULT_TRIALS, MOST_DEFAULT = 10, 20
LOW, HIGH = 0.05, 0.95
FAR = 10.0
"""Standard deviations beyond the worst expected value at which a missing reference point is put."""


@dataclass(frozen=True)
class _Stage:
    """Where every world is played.

    Attributes:
        tried: number of points that were tried; they come first among the N.
        forced: points of trials in progress.
        mean: posterior means (m x N), standardised.
        covariance: posterior covariances (m x N x N).
        factor: their lower Cholesky factors (m x N x N).
        noise: variance of one measurement (m).
        feasible: chance of each point to be feasible (N).
        reference: reference point of the acquisition (m), standardised.
        rates: see `metrics.Transform.rate` (m).
    """

    tried: int
    forced: Ints
    mean: Array
    covariance: Array
    factor: Array
    noise: Array
    feasible: Array
    reference: Array
    rates: Array


@single_threaded
def should_stop(
    history: History,
    trials: int = 0,
    threshold: float = 0.01,
    reference: Mapping[str, float] | None = None,
) -> StopAdvice:
    """Return the forecast of the hypervolume and whether the next trials are worth their while.

    Args:
        history: the experiment; the answer is a pure function of it.
        trials: number of trials to forecast; 0: what the budget leaves, 1 to 20, or 10.
        threshold: expected relative gain below which to stop.
        reference: reference point by metric, see `front`.

    Raises:
        InvalidArgument: a wrong reference point.
        numpy.linalg.LinAlgError: if a covariance matrix cannot be factorised.
    """
    rows = feasible_rows(history, len(history))
    Y = history.Y[rows][:, history.roles.optimized]
    ref = reference_of(history, Y[non_dominated(Y)], reference)
    if not model_exists(history) or rows.size == 0:
        why = "Too few feasible observations for a forecast: go on."
        return StopAdvice(False, why, reference_point=named(history, ref), observation_count=len(history))
    count = trials or default_trials(history)
    rng = generator(history.experiment.seed, len(history), Stream.REPORT)
    staged = _stage(history, ref, rng)
    if staged is None:
        why = "Every configuration of the search space was tried: stop."
        volume = hypervolume(Y, ref)
        return StopAdvice(True, why, volume, 0.0, (), named(history, ref), len(history))
    worlds = WORLDS if ref.size <= EXACT_METRICS else MANY_WORLDS
    volumes = np.array([_play(history, staged, ref, count, rng) for _ in range(worlds)])  # S x count + 1
    return _advice(history, volumes, threshold, ref)


def default_trials(history: History) -> int:
    """Return how many trials are forecast when nobody says."""
    budget = history.experiment.observation_budget
    return int(np.clip(budget - len(history), 1, MOST_DEFAULT)) if budget else DEFAULT_TRIALS


def _advice(history: History, volumes: Array, threshold: float, ref: Array) -> StopAdvice:
    now = float(volumes[:, 0].mean())
    gain = volumes - volumes[:, :1]
    mean = gain[:, -1].mean()
    relative = float(mean / now) if now > 0.0 else float(mean > 0.0)
    low, high = np.quantile(gain[:, -1], [LOW, HIGH]) / (now if now > 0.0 else 1.0)
    trials = volumes.shape[1] - 1
    stop = relative < threshold
    reason = (
        f"{trials} more trial{' is' if trials == 1 else 's are'} expected to add {relative:.2%} "
        "to the hypervolume "
        f"(90 % interval {low:.2%} to {high:.2%}), {'below' if stop else 'not below'} {threshold:.2%}: "
        f"{'stop' if stop else 'go on'}."
    )
    bands = np.quantile(volumes, [LOW, HIGH], axis=0)
    forecast = tuple(
        HypervolumeForecast(k, float(volumes[:, k].mean()), float(bands[0, k]), float(bands[1, k]))
        for k in range(1, trials + 1)
    )
    return StopAdvice(stop, reason, now, relative, forecast, named(history, ref), len(history))


def _stage(history: History, ref: Array, rng: np.random.Generator) -> _Stage | None:
    """The points of all worlds; None when nothing is left to try."""
    surrogate = surrogate_of(history)
    conditions = chances(history, surrogate)
    known = baseline(history, surrogate, conditions)
    models = [surrogate.metrics[j] for j in history.roles.optimized]
    mean = known.mean if known.Z.shape[0] else np.zeros((1, ref.size))
    bound = [model.transform.threshold(float(r)) for model, r in zip(models, ref, strict=True)]
    reference = np.clip(np.array(bound), mean.min(axis=0) - FAR, mean.max(axis=0) + FAR)
    candidates = _candidates(history, known, reference, rng)
    pending = np.unique(history.pending, axis=0)
    pending = pending[fresh(history.encoding, pending, known.Z)] if pending.shape[0] else pending
    if candidates.shape[0] + pending.shape[0] == 0:
        return None
    Z = np.vstack([known.Z, pending, candidates])
    X = history.encoding.features(Z)
    joint = [model.gp.joint(X) for model in models]
    noise = [model.gp.nugget + _typical(model.gp.rows.variance) for model in models]
    return _Stage(
        known.Z.shape[0],
        known.Z.shape[0] + np.arange(pending.shape[0]),
        np.stack([one for one, _ in joint]),
        np.stack([one for _, one in joint]),
        np.stack([cholesky(K, model.gp.signal) for model, (_, K) in zip(models, joint, strict=True)]),
        np.array(noise),
        probability(conditions, X) if conditions else np.ones(Z.shape[0]),
        reference,
        np.array([model.transform.rate for model in models]),
    )


def _typical(variance: Array) -> float:
    return float(np.median(variance)) if variance.size else 0.0


def _candidates(history: History, known: Baseline, reference: Array, rng: np.random.Generator) -> Array:
    """Untried configurations: the most promising ones, and some of the others."""
    encoding = history.encoding
    taken = np.vstack([history.Z, history.pending])
    everything = encoding.enumerate(ENUMERATION_LIMIT)
    Z = pool(encoding, known.Z[known.efficient], rng) if everything is None else everything
    Z = Z[fresh(encoding, Z, taken)]
    few = reference.size <= EXACT_METRICS
    best, others = (BEST, OTHERS) if few else (MANY_BEST, MANY_OTHERS)
    if Z.shape[0] <= best + others:
        return Z
    none = np.empty((0, encoding.dimension))
    ideal = np.min(known.mean, axis=0, initial=0.0)
    surrogate = surrogate_of(history)
    cheap, _ = build(history, surrogate, known, none, reference, ideal, floors_of(history, surrogate), rng)
    order = np.argsort(-cheap.value(Z), kind="stable")
    return Z[np.concatenate([order[:best], rng.choice(order[best:], size=others, replace=False)])]


def _play(history: History, stage: _Stage, ref: Array, trials: int, rng: np.random.Generator) -> Array:
    """Hypervolume (own units) of the true values of one world, after 0, 1, ... trials."""
    m, N = stage.mean.shape
    normals = rng.standard_normal((m, N))
    truth = stage.mean + np.stack([L @ e for L, e in zip(stage.factor, normals, strict=True)])
    lives = rng.random(N) < stage.feasible
    noise = np.sqrt(stage.noise)[:, None] * rng.standard_normal((m, N))
    own = _own_units(history, truth)
    believed = _Belief(stage, trials)
    counted = np.zeros(N, dtype=np.bool_)
    counted[: stage.tried] = True
    open_ = ~counted
    volumes = [hypervolume(own[counted], ref)]
    for step in range(trials):
        if not np.any(open_):
            volumes.append(volumes[-1])
            continue
        forced = step < stage.forced.size
        pick = int(stage.forced[step]) if forced else believed.best(stage, counted, open_, rng)
        open_[pick] = False
        if lives[pick]:
            believed.learn(pick, truth[:, pick] + noise[:, pick])
            counted[pick] = True
        volumes.append(max(volumes[-1], hypervolume(own[counted], ref)))
    return np.array(volumes)


def _own_units(history: History, values: Array) -> Array:
    """Minimised values (N x m) of standardised ones (m x N), NaN where a threshold is missed."""
    surrogate = surrogate_of(history)
    columns = [
        surrogate.metrics[j].transform.inverse(row)
        for j, row in zip(history.roles.optimized, values, strict=True)
    ]
    own = np.stack(columns, axis=1)
    own[~within(history, own)] = np.nan
    return own


class _Belief:
    """Posterior over the points of a stage, updated by rank one per measurement."""

    def __init__(self, stage: _Stage, trials: int) -> None:
        self.covariance, self.noise = stage.covariance, stage.noise
        self.mean = stage.mean.copy()
        self.variance = np.stack([np.diagonal(K) for K in stage.covariance]).copy()
        self.factors = np.zeros((*stage.mean.shape, trials))
        self.learned = 0

    def learn(self, pick: int, values: Array) -> None:
        """Condition on measured values (m) of one point."""
        t = self.learned
        for j, K in enumerate(self.covariance):
            V = self.factors[j, :, :t]
            column = K[:, pick] - V @ V[pick]
            spread = max(float(column[pick]) + self.noise[j], 1e-12)
            self.mean[j] += column * (values[j] - self.mean[j, pick]) / spread
            self.factors[j, :, t] = column / np.sqrt(spread)
            self.variance[j] -= self.factors[j, :, t] ** 2
        self.learned += 1

    def best(self, stage: _Stage, counted: Mask, open_: Mask, rng: np.random.Generator) -> int:
        """Return the open point of the highest expected hypervolume improvement, feasibility included."""
        at = np.flatnonzero(open_)
        front = self.mean[:, counted].T
        front = front[non_dominated(front)]
        ideal = np.vstack([front, np.zeros((1, front.shape[1]))]).min(axis=0)
        improvement = expected_improvement([front], stage.reference, ideal, stage.rates, rng)
        sd = np.sqrt(np.maximum(self.variance[:, at], 1e-12))
        value = improvement.log_value(self.mean[:, at, None], sd)[0]
        value = value + np.log(np.maximum(stage.feasible[at], 1e-300))
        return int(at[np.argmax(np.nan_to_num(value, nan=-np.inf))])
