"""Attainment against counting by hand, and what must hold of any random front."""

import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition, InvalidArgument
from paretune.experiment import Maximize, Minimize
from paretune.insight import AttainmentSource
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.attainment import attained, attainment
from paretune_optimizer.insight.front import pareto_front

METRICS = (Maximize("score"), Minimize("seconds"))


def evaluate(a):
    return 100.0 + 10 * a["x0"], math.exp(a["x0"] - 1.0 + a["x1"])


def noisy(a):
    rng = np.random.default_rng(int(1e9 * a["x0"]))
    return tuple(v + 0.3 * s * rng.standard_normal() for v, s in zip(evaluate(a), (10.0, 1.0), strict=True))


@pytest.fixture(scope="module")
def history() -> History:
    return cases.scattered(cases.experiment(metrics=METRICS), noisy, 40)


def share(fronts, point) -> float:
    return float(np.mean([front.size > 0 and np.any(np.all(front <= point, axis=1)) for front in fronts]))


@pytest.mark.parametrize("m", [2, 3])
def test_surfaces_agree_with_counting(m):
    rng = np.random.default_rng(m)
    fronts = []
    for _ in range(11):
        points = rng.random((rng.integers(1, 9), m))
        fronts.append(points[non_dominated(points)])
    fronts[3] = np.empty((0, m))
    for level, surface in zip((0.05, 0.5, 0.95), attained(fronts, (0.05, 0.5, 0.95)), strict=True):
        if level == 0.95:
            assert surface.shape == (0, m), "one of eleven attains nothing"
            continue
        assert np.all(non_dominated(surface))
        for point in surface:
            assert share(fronts, point) >= level > share(fronts, point - 1e-9)
        for point in rng.random((300, m)):
            on_or_behind = bool(np.any(np.all(surface <= point, axis=1)))
            assert on_or_behind == (share(fronts, point) >= level)


def test_levels_may_repeat_and_come_in_any_order():
    fronts = [np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])]
    whole, half, again = attained(fronts, (1.0, 0.5, 0.5))
    assert whole.tolist() == [[1.0, 1.0]]
    assert sorted(half.tolist()) == sorted(again.tolist()) == [[0.0, 1.0], [1.0, 0.0]]


def test_single_metric_gives_quantiles():
    fronts = [np.array([[float(k)]]) for k in range(9)] + [np.empty((0, 1))]
    low, middle, all_ = attained(fronts, (0.1, 0.5, 1.0))
    assert (low.item(), middle.item(), all_.size) == (0.0, 4.0, 0)


@pytest.mark.parametrize("source", AttainmentSource)
def test_surfaces_are_nested_and_in_own_units(history, source):
    told = attainment(history, source, reference={"score": 90.0, "seconds": 4.0})
    assert told == attainment(history, source, reference={"score": 90.0, "seconds": 4.0})
    assert [surface.level for surface in told.surfaces] == [0.05, 0.5, 0.95]
    assert told.observation_count == 40
    optimist, _, pessimist = told.surfaces
    for point in pessimist.points:
        assert any(p["score"] >= point["score"] and p["seconds"] <= point["seconds"] for p in optimist.points)
    scores = [point["score"] for point in optimist.points]
    assert scores == sorted(scores, reverse=True)
    mean = told.expectation
    assert mean.hypervolume > 0
    assert mean.deviation > 0
    assert 0.2 < mean.surface.level < 0.8


def test_whole_sample_without_replacement_is_the_observed_front(history):
    told = attainment(history, AttainmentSource.RESAMPLING, samples=5, sample_size=40, levels=[1.0])
    front = pareto_front(history)
    (surface,) = told.surfaces
    assert [p["score"] for p in surface.points] == [p.values["score"] for p in front]
    assert told.expectation.hypervolume == pytest.approx(front.hypervolume)
    assert told.expectation.deviation == pytest.approx(0.0, abs=1e-12)


def test_fewer_observations_make_a_worse_and_relatively_less_certain_front(history):
    small, large = (
        attainment(history, AttainmentSource.RESAMPLING, sample_size=size, samples=100).expectation
        for size in (5, 30)
    )
    assert small.hypervolume < large.hypervolume
    assert small.deviation / small.hypervolume > 2 * large.deviation / large.hypervolume


def test_noise_makes_the_model_uncertain():
    quiet, loud = (cases.scattered(cases.experiment(metrics=METRICS), f, 40) for f in (evaluate, noisy))
    reference = {"score": 90.0, "seconds": 4.0}
    certain, uncertain = (attainment(h, AttainmentSource.MODEL, reference=reference) for h in (quiet, loud))
    assert certain.expectation.deviation < 0.3 * uncertain.expectation.deviation


def test_three_metrics():
    metrics = (*METRICS, Minimize("size"))
    history = cases.scattered(cases.experiment(metrics=metrics), lambda a: (*evaluate(a), a["x2"]), 15)
    told = attainment(history, samples=16)
    assert set(told.surfaces[0].points[0]) == {"score", "seconds", "size"}
    assert told.expectation.hypervolume > 0


def test_four_metrics_are_refused_with_the_number():
    metrics = tuple(Minimize(f"m{i}") for i in range(4))
    history = cases.scattered(cases.experiment(metrics=metrics), lambda a: (1.0, a["x0"], a["x1"], 2.0), 5)
    with pytest.raises(FailedPrecondition) as caught:
        attainment(history)
    assert caught.value.reason == "TOO_MANY_METRICS"
    assert caught.value.metadata == {"metrics": "4", "most": "3"}


def test_bad_requests(history):
    with pytest.raises(InvalidArgument, match="samples"):
        attainment(history, samples=5000)
    with pytest.raises(InvalidArgument, match="sample_size"):
        attainment(history, sample_size=41)
    with pytest.raises(FailedPrecondition, match="Nothing feasible"):
        attainment(History(cases.experiment()))
