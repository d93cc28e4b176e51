"""Experiments drawn at random, odd in every way at once: a suggestion always, valid, finite, by the model."""

import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Goal, Metric, Policy, RelativeThreshold, Strategy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Beta, Categorical, Double, Int, Normal, Weights
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.insight.predict import predict_assignments
from paretune_optimizer.policy import suggest

KINDS = (OutcomeKind.OK,) * 5 + (OutcomeKind.INFEASIBLE, OutcomeKind.CRASHED, OutcomeKind.STOPPED_EARLY)
STDDEVS = (None, None, 0.0, 1e-300, 1e-3, 1.0, 1e300)


def drawn_space(rng):
    makers = (
        lambda n, w: Double(n, -1.0, 2.0, when=w, prior=Normal(0.0, 0.3) if rng.random() < 0.3 else None),
        lambda n, w: Double(n, 1e-12, 1e12, log=True, when=w),
        lambda n, w: Double(n, 0.0, 1e-9, when=w, prior=Beta(0.5, 3.0) if rng.random() < 0.3 else None),
        lambda n, w: Int(n, 0, 2, when=w),
        lambda n, w: Int(n, 1, 2**40, log=True, when=w),
        lambda n, w: Double(n, grid=[0.1, 0.2, 7.0], when=w),
        lambda n, w: Categorical(n, ["a", "b", "c"], when=w, prior=Weights((1.0, 0.0, 2.0))),
        lambda n, w: Categorical(n, [f"v{i}" for i in range(12)], when=w),
    )
    root = Categorical("root", ["left", "right", "both"], default="right" if rng.random() < 0.5 else None)
    whens = (None, None, {"root": ["left"]}, {"root": ["right", "both"]})
    drawn = [(makers[rng.integers(len(makers))], whens[rng.integers(4)]) for _ in range(rng.integers(1, 7))]
    made = [root, *(make(f"p{i}", when) for i, (make, when) in enumerate(drawn))]
    if rng.random() < 0.3:
        made += [Double("u", 0, 1), Double("v", 0, 1)]
        return SearchSpace(tuple(made), (LinearConstraint({"u": 1.0, "v": 2.0}, 0.4),))
    return SearchSpace(tuple(made))


def drawn_metrics(rng):
    metrics = []
    for j in range(rng.integers(1, 6)):
        threshold = (None, None, 0.0, 1.0, RelativeThreshold("o1", 1.1))[rng.integers(5)]
        role = Strategy.OPTIMIZE if j == 0 or rng.random() < 0.6 else Strategy.STORE
        if j and threshold is not None and rng.random() < 0.5:
            role = Strategy.CONSTRAIN
        metrics.append(Metric(f"m{j}", Goal(int(rng.integers(1, 3))), role, threshold))
    return tuple(metrics)


def drawn_value(rng, shape, scale):
    constant, noise = 3.0, rng.standard_normal()
    odd = (constant, 0.0, noise, noise**9, float(round(noise)), math.exp(min(9.0 * noise, 300.0)), noise)
    return float(np.clip(scale * odd[shape], -1e300, 1e300))


def drawn_history(seed):
    rng = np.random.default_rng(seed)
    policy = (Policy.AUTO, Policy.GP, Policy.GP, Policy.GP, Policy.TPE, Policy.NSGA2)[seed % 6]
    settings = {"policy": policy, "seed": seed, "remeasure": bool(rng.random() < 0.3)}
    experiment = cases.experiment(drawn_space(rng), drawn_metrics(rng), **settings)
    shapes = [(int(rng.integers(7)), 10.0 ** rng.uniform(-12, 12)) for _ in experiment.metrics]
    history, others = History(experiment), History(cases.experiment(experiment.space, policy=Policy.RANDOM))
    rows = [p.assignments for p in suggest(others, int(rng.integers(1, 16)))]
    rows += rows[: int(rng.integers(0, 3))]  # the same again
    for n, assignments in enumerate(rows, 1):
        kind = KINDS[rng.integers(len(KINDS))]
        values = tuple(
            MetricValue(metric.name, drawn_value(rng, *shape), STDDEVS[rng.integers(len(STDDEVS))])
            for metric, shape in zip(experiment.metrics, shapes, strict=True)
            if kind is OutcomeKind.OK or (kind is OutcomeKind.STOPPED_EARLY and rng.random() < 0.6)
        )
        outcome = Outcome(kind, "" if kind is OutcomeKind.OK else "why")
        history.add_observation(Observation(assignments, values, outcome, id=f"o{n}", ordinal=n))
    return history


@pytest.mark.parametrize("seed", range(36))
def test_anything_goes(seed):
    history = drawn_history(seed)
    space = history.experiment.space
    try:
        proposals = suggest(history, 2)
    except FailedPrecondition:
        assert history.encoding.enumerate() is not None  # a finite space may be exhausted
        return
    for proposal in proposals:
        assert space.validate(proposal.assignments) == proposal.assignments
        told = proposal.provenance
        assert "failed" not in told.fallback_reason
        numbers = [n for one in told.predictions for n in (one.mean, one.stddev)]
        assert all(math.isfinite(n) for n in numbers)
        assert told.feasibility is None or 0.0 <= told.feasibility <= 1.0
    (prediction,) = predict_assignments(history, [proposals[0].assignments])
    assert 0.0 <= prediction.efficient <= 1.0
