"""The assembled acquisition: gradient along relaxed coordinates, pending points, baseline."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Minimize
from paretune_optimizer.model.feasibility import chances
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.search.acquisition import BASELINE, baseline, build
from paretune_optimizer.search.floors import Floors


def evaluate(a):
    x = [v if not isinstance(v, str) else 0.2 * len(v) for v in a.values()]
    t = np.tanh(x[0])
    return None if x[0] > 0.9 else (t + 0.1 * x[-1], 1 - t + 0.2 * np.sin(x[1]), x[-1])


def assembled(parameters, m=2, pending=0, count=24):
    noise = np.random.default_rng(9)  # the same for every caller: models are compared
    metrics = tuple(Minimize(f"m{j}") for j in range(m))
    history = cases.scattered(
        # Noise keeps the covariance well conditioned, so that differences can be trusted.
        cases.experiment(parameters, metrics),
        lambda a: None if evaluate(a) is None else np.array(evaluate(a)[:m]) + 0.2 * noise.standard_normal(m),
        count,
    )
    surrogate = surrogate_of(history)
    known = baseline(history, surrogate, chances(history, surrogate))
    rng = np.random.default_rng(0)
    waiting = history.encoding.from_unit(rng.random((pending, history.encoding.dimension)))
    ideal = known.mean.min(axis=0)
    cheap, full = build(history, surrogate, known, waiting, np.full(m, 2.0), ideal, Floors.none(m), rng)
    return history, cheap, full, known, waiting, rng


@pytest.mark.parametrize("pending", [0, 3])
@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("parameters", [cases.CUBE, cases.TREE], ids=["cube", "tree"])
def test_gradient_matches_differences(parameters, m, pending):
    history, _, full, _, _, rng = assembled(parameters, m, pending)
    encoding = history.encoding
    Z = encoding.from_unit(rng.random((6, encoding.dimension)) * 0.9 + 0.05)
    value, gradient = full.value_and_gradient(Z)
    assert np.allclose(value, full.value(Z), atol=1e-9)
    active = encoding.active(Z)
    for k, i in enumerate(encoding.relaxed):
        up, down = Z.copy(), Z.copy()
        up[:, i] += 1e-6
        down[:, i] -= 1e-6
        numeric = (full.value(up) - full.value(down)) / 2e-6
        expected = np.where(active[:, i], numeric, 0.0)
        assert np.allclose(gradient[:, k], expected, rtol=1e-4, atol=1e-4)


def test_pending_points_lower_the_acquisition_around_them():
    _, without, same, _, _, _ = assembled(cases.CUBE)
    assert without is same
    _, _, full, _, waiting, _ = assembled(cases.CUBE, pending=1)
    assert full.value(waiting)[0] < without.value(waiting)[0] - 1.0


def test_baseline_holds_the_front_and_is_bounded():
    history, _, _, known, _, _ = assembled(cases.CUBE, count=120)
    assert known.Z.shape[0] <= BASELINE
    assert known.efficient.any()
    assert len(np.unique(known.Z, axis=0)) == len(known.Z)
    assert known.mean.shape == known.sd.shape == (len(known.Z), 2)
    assert len(history) == 120
