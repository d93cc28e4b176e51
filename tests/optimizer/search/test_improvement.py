"""EHVI: against Monte Carlo, far tails, and derivatives against differences."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import paretune_optimizer.search.improvement as improvement_module
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.search.floors import Floors
from paretune_optimizer.search.improvement import expected_improvement
from paretune_optimizer.search.psi import log_psi, log_psi_exponential


def setting(m, worlds=3, candidates=4, rates=None, floors=None):
    rng = np.random.default_rng(m)
    fronts = [rng.random((6, m)) for _ in range(worlds)]
    reference = np.full(m, 1.1)
    mean, sd = rng.random((m, candidates, worlds)) * 0.8, rng.random((m, candidates)) * 0.3 + 0.05
    rates = np.zeros(m) if rates is None else rates
    improvement = expected_improvement(fronts, reference, np.full(m, 0.0), rates, rng, floors)
    return fronts, reference, mean, sd, improvement, rng


def monte_carlo(fronts, reference, mean, sd, rng, count=3000, map_=lambda y: y):
    total = np.zeros(mean.shape[1])
    error = np.zeros(mean.shape[1])
    for b in range(mean.shape[1]):
        gains = []
        for w, front in enumerate(fronts):
            base = hypervolume(map_(front), map_(reference))
            draws = mean[:, b, w] + sd[:, b] * rng.standard_normal((count, mean.shape[0]))
            gains += [hypervolume(map_(np.vstack([front, y])), map_(reference)) - base for y in draws]
        total[b], error[b] = np.mean(gains), np.std(gains) / np.sqrt(len(gains))
    return total, error


@pytest.mark.parametrize("m", [1, 2, 3])
def test_exact_value_agrees_with_monte_carlo(m):
    fronts, reference, mean, sd, improvement, rng = setting(m)
    expected, error = monte_carlo(fronts, reference, mean, sd, rng)
    assert np.all(np.abs(np.exp(improvement.log_value(mean, sd)[0]) - expected) < 4.5 * error + 1e-6)


def test_log_modelled_metrics_improve_in_their_own_units():
    rates = np.array([0.9, -0.6])  # one minimised, one maximised metric under a logarithm
    fronts, reference, mean, sd, improvement, rng = setting(2, rates=rates)
    expected, error = monte_carlo(fronts, reference, mean, sd, rng, map_=lambda y: np.exp(rates * y) / rates)
    assert np.all(np.abs(np.exp(improvement.log_value(mean, sd)[0]) - expected) < 4.5 * error)


def test_scalarised_value_for_four_metrics_ranks_as_monte_carlo_does():
    fronts, reference, mean, sd, improvement, rng = setting(4, candidates=12)
    expected, _ = monte_carlo(fronts, reference, mean, sd, rng, count=600)
    assert np.corrcoef(improvement.log_value(mean, sd)[0], np.log(expected))[0, 1] > 0.95


def test_scalarised_value_counts_log_modelled_metrics_in_their_own_units(monkeypatch):
    monkeypatch.setattr(improvement_module, "DIRECTIONS", 1024)
    rates = np.array([0.9, -0.6, 0.0, 1.5])

    def own(y):
        return np.where(rates == 0.0, y, np.exp(rates * y) / np.where(rates == 0.0, 1.0, rates))

    fronts, reference, mean, sd, improvement, rng = setting(4, candidates=12, rates=rates)
    expected, _ = monte_carlo(fronts, reference, mean, sd, rng, count=1500, map_=own)
    assert np.corrcoef(improvement.log_value(mean, sd)[0], np.log(expected))[0, 1] > 0.99


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("rate", [0.0, 0.9])
def test_improvement_beyond_a_floor_counts_by_its_hope(m, rate):
    # The mean of a metric that cannot get below its floor and of one that can, weighed by the hope.
    rates, floor, hope = np.full(m, rate), 0.1, 0.25
    floors = Floors(np.full(m, -np.inf), np.ones(m))
    floors.value[0], floors.hope[0] = floor, hope
    fronts, reference, mean, sd, improvement, rng = setting(m, worlds=2, rates=rates, floors=floors)
    fronts = [np.maximum(front, floor) for front in fronts]
    improvement = expected_improvement(fronts, reference, np.full(m, 0.0), rates, rng, floors)
    open_ = expected_improvement(fronts, reference, np.full(m, 0.0), rates, rng)

    def own(y):
        return np.exp(rate * y) / rate if rate else y

    def held(y):
        return own(np.maximum(y, np.where(np.arange(m) == 0, floor, -np.inf)))

    closed, error = monte_carlo(fronts, reference, mean, sd, rng, map_=held)
    expected = hope * np.exp(open_.log_value(mean, sd)[0]) + (1.0 - hope) * closed
    assert np.all(np.abs(np.exp(improvement.log_value(mean, sd)[0]) - expected) < 4.5 * error + 1e-6)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("rate", [0.0, 0.8, -0.8])
@pytest.mark.parametrize("hope", [1.0, 0.3])
def test_derivatives_match_differences(m, rate, hope):
    floors = Floors(np.full(m, 0.2), np.full(m, hope))
    _, _, mean, sd, improvement, _ = setting(m, rates=np.full(m, rate), floors=floors)
    by_mean, by_sd = improvement.log_value(mean, sd)[1]()
    step = 1e-6
    for j in range(m):
        for w in range(mean.shape[2]):
            up, down = mean.copy(), mean.copy()
            up[j, :, w] += step
            down[j, :, w] -= step
            numeric = (improvement.log_value(up, sd)[0] - improvement.log_value(down, sd)[0]) / (2 * step)
            assert np.max(np.abs(by_mean[j, :, w] - numeric)) < 1e-6
        up, down = sd.copy(), sd.copy()
        up[j] += step
        down[j] -= step
        numeric = (improvement.log_value(mean, up)[0] - improvement.log_value(mean, down)[0]) / (2 * step)
        assert np.max(np.abs(by_sd[j] - numeric)) < 1e-6


def test_far_from_the_front_value_and_slope_stay_finite_and_informative():
    _, _, mean, sd, improvement, _ = setting(2)
    far = mean + 400.0
    value, slopes = improvement.log_value(far, sd)
    by_mean, by_sd = slopes()
    assert np.all(np.isfinite(value))
    assert np.all(value < -1e4)
    assert np.all(by_mean.sum(axis=2) < 0.0)
    assert np.all(np.isfinite(by_sd))


@pytest.mark.parametrize("z", [-60.0, -49.9, -8.0, -1.0, 0.0, 0.5, 6.0])
def test_log_psi_against_its_definition(z):
    log_h, ratios = log_psi(np.array([z]))
    ratio_Phi, ratio_phi = ratios()
    if z > -30:
        exact = quad(lambda t: (z - t) * norm.pdf(t), max(-40.0, z - 12), z, epsabs=1e-300)[0]
        assert np.isclose(log_h[0], np.log(exact), rtol=1e-9, atol=1e-9)
    assert np.isclose(np.log(ratio_Phi[0]), norm.logcdf(z) - log_h[0], atol=1e-5)
    assert np.isclose(np.log(ratio_phi[0]), norm.logpdf(z) - log_h[0], atol=1e-5)


def test_exponential_psi_tends_to_the_plain_one_for_small_rates():
    z, sd = np.linspace(-12, 5, 40)[None, :], np.array([[0.7]])
    t = z * sd
    plain = log_psi(z)[0] + np.log(sd)
    for rate in (1e-3, -1e-3, 1e-4, -1e-7):
        assert np.allclose(
            log_psi_exponential(t, z, sd, np.array([rate]))[0], plain, atol=20 * abs(rate) + 1e-6
        )
