"""How certain the front is: attainment surfaces, and Vorob'ev's mean front.

A draw of the front is either the front of observations drawn at random (resampling) or that of a joint
posterior draw of noise-free values (model). The surface of level q is the border of what at least a share q
of the draws attains: Fonseca, Guerreiro, Lopez-Ibanez and Paquete 2011, exact for two and three metrics, from
moocore. Mean and deviation of random fronts: Binois, Ginsbourger and Roustant 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from paretune.errors import FailedPrecondition, InvalidArgument
from paretune.insight import Attainment, AttainmentSource, AttainmentSurface, VorobevExpectation
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.draws import contenders, joint_draws, model_serves, require_model
from paretune_optimizer.insight.front import feasible_rows, named, reference_of
from paretune_optimizer.sampling import Stream, generator
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]

LEVELS = (0.05, 0.5, 0.95)
EXACT_METRICS = 3
SAMPLES = {1: 256, 2: 256, 3: 64}
MOST_SAMPLES = {1: 4096, 2: 4096, 3: 128}
MEAN_SAMPLES = {2: 4096, 3: 64}
"""Draws that Vorob'ev's mean is found from; with three metrics the cost grows with their square and more."""


@single_threaded
def attainment(
    history: History,
    source: AttainmentSource | None = None,
    levels: Sequence[float] = (),
    samples: int = 0,
    sample_size: int = 0,
    reference: Mapping[str, float] | None = None,
) -> Attainment:
    """Return attainment surfaces of the front.

    Args:
        history: the experiment.
        source: where draws come from; None: the model when it serves, else resampling.
        levels: probabilities of the surfaces; none: 0.05, 0.5, 0.95.
        samples: number of draws; 0: 256, or 64 with three metrics.
        sample_size: observations per resampled draw, without replacement; 0: all, with replacement.
        reference: reference point by metric, see `front`.

    Returns:
        Surfaces in the metrics' units; deterministic.

    Raises:
        InvalidArgument: more draws or larger ones than can be had; a wrong reference point.
        FailedPrecondition: TOO_MANY_METRICS beyond three; TOO_FEW_OBSERVATIONS when nothing feasible was
            observed, or for the model.
    """
    m = len(history.roles.optimized)
    _check(history, m, samples, sample_size)
    rows = feasible_rows(history, len(history))
    Y = history.Y[rows][:, history.roles.optimized]
    if rows.size == 0:
        raise FailedPrecondition("Nothing feasible was observed yet.", reason="TOO_FEW_OBSERVATIONS",
                                 metadata={"observations": "0"})  # fmt: skip
    plain = non_dominated(Y)
    ref = reference_of(history, Y[plain], reference)
    if source is None:
        serves = model_serves(history, int(plain.sum()))
        source = AttainmentSource.MODEL if serves else AttainmentSource.RESAMPLING
    count = samples or SAMPLES[m]
    if source is AttainmentSource.MODEL:
        require_model(history)
        draws = joint_draws(history, contenders(history, rows[plain])[0], count)
        fronts = [draw[non_dominated(draw)] for draw in draws]
    else:
        fronts = _resampled(history, count, sample_size)
    wanted = tuple(levels) or LEVELS
    surfaces = tuple(
        _surface(history, level, points)
        for level, points in zip(wanted, attained(fronts, wanted), strict=True)
    )
    mean = _expectation(history, fronts, ref) if m > 1 else None
    return Attainment(surfaces, source, count, named(history, ref), mean, len(history))


def _check(history: History, m: int, samples: int, sample_size: int) -> None:
    if m > EXACT_METRICS:
        raise FailedPrecondition(
            f"Attainment is computed for up to {EXACT_METRICS} optimized metrics; this experiment has {m}.",
            reason="TOO_MANY_METRICS",
            metadata={"metrics": str(m), "most": str(EXACT_METRICS)},
        )
    if samples and not 2 <= samples <= MOST_SAMPLES[m]:
        raise InvalidArgument.of(
            "samples",
            f"is {samples}; it must be 2 to {MOST_SAMPLES[m]} with {m} optimized metrics (0: default)",
        )
    if not 0 <= sample_size <= len(history):
        raise InvalidArgument.of(
            "sample_size", f"is {sample_size}; it must be 1 to {len(history)}, the number of observations"
        )


def _resampled(history: History, count: int, size: int) -> list[Array]:
    """Fronts of random draws of all observations, failed ones included, which leave their place empty."""
    n = len(history)
    Y = np.full((n, len(history.roles.optimized)), np.nan)
    rows = feasible_rows(history, n)
    Y[rows] = history.Y[rows][:, history.roles.optimized]
    rng = generator(history.experiment.seed, n, Stream.REPORT)
    fronts = []
    for _ in range(count):
        drawn = rng.choice(n, size=size, replace=False) if size else rng.integers(n, size=n)
        some = Y[drawn]
        fronts.append(some[non_dominated(some)])
    return fronts


def attained(fronts: Sequence[Array], levels: Sequence[float]) -> list[Array]:
    """Return the surfaces (k x m, minimised) that shares of the fronts attain, one per level.

    Args:
        fronts: sets of points (P x m), minimised, m at most 3; a set may be empty and then attains nothing.
        levels: shares, above 0, at most 1.
    """
    points, sets, nowhere = _labelled(fronts)
    if points.shape[1] == 1:
        best = np.sort([front.min() if front.size else np.inf for front in fronts])
        found = [best[int(np.ceil(level * len(fronts) - 1e-9)) - 1] for level in levels]
        return [np.array([[value]]) if np.isfinite(value) else np.empty((0, 1)) for value in found]
    shares, where = np.unique(levels, return_inverse=True)
    table = np.asarray(moocore.eaf(points, sets, percentiles=100.0 * shares), dtype=np.float64)
    edges = np.flatnonzero(np.diff(table[:, -1])) + 1
    # One block per percentile, in their order, which survives the rounding of the last column.
    blocks = [block[:, :-1] for block in np.split(table, edges)]
    kept = [block[np.all(block < nowhere, axis=1)] for block in blocks]
    return [kept[i] for i in where]


def _labelled(fronts: Sequence[Array]) -> tuple[Array, NDArray[np.int64], Array]:
    """Return all points, the number of the front of each, and a place beyond them all.

    Every front also gets that place for a point: moocore counts only sets that have points.
    """
    everything = np.vstack(fronts)
    m = everything.shape[1]
    if everything.shape[0] == 0:
        return np.ones((len(fronts), m)), np.arange(len(fronts)), np.ones(m)
    worst, best = everything.max(axis=0), everything.min(axis=0)
    nowhere = worst + np.maximum(worst - best, 1e-6 * np.maximum(np.abs(worst), 1.0))
    sizes = [front.shape[0] + 1 for front in fronts]
    points = np.vstack([np.vstack([front, nowhere[None, :]]) for front in fronts])
    return points, np.repeat(np.arange(len(fronts)), sizes), nowhere


def _surface(history: History, level: float, points: Array) -> AttainmentSurface:
    order = np.lexsort(points.T[::-1])
    return AttainmentSurface(float(level), tuple(named(history, point) for point in points[order]))


def _expectation(history: History, fronts: Sequence[Array], ref: Array) -> VorobevExpectation:
    """Vorob'ev's mean front: differences to the reference point, so that no digits are lost."""
    some = [front[np.all(front < ref, axis=1)] - ref for front in fronts[: MEAN_SAMPLES[ref.size]]]
    volumes = np.array([hypervolume(front, np.zeros(ref.size)) for front in some])
    if not np.any(volumes > 0.0):
        return VorobevExpectation(AttainmentSurface(1.0, ()), 0.0, 0.0)
    # Volumes of size one, whatever the units.
    scale = np.maximum(-np.vstack(some).min(axis=0), 1e-300)
    zero = np.zeros(ref.size)
    # A point at the reference point adds no volume, and keeps an empty draw in the count.
    points = np.vstack([np.vstack([front / scale, zero[None, :]]) for front in some])
    sets = np.repeat(np.arange(len(some)), [front.shape[0] + 1 for front in some])
    found = moocore.vorob_t(points, sets, ref=zero)
    mean = np.asarray(found["ve"], dtype=np.float64)
    deviation = float(moocore.vorob_dev(points, sets, ref=zero, ve=mean)) if mean.size else 0.0
    surface = mean[np.all(mean < 0.0, axis=1)] * scale + ref
    level = float(found["threshold"]) / 100.0
    return VorobevExpectation(
        _surface(history, level, surface), float(volumes.mean()), max(0.0, deviation) * float(np.prod(scale))
    )
