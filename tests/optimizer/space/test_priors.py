"""Priors: the design follows them, and their densities are those of what is drawn."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Policy
from paretune.parameters import Beta, Categorical, Double, Int, Normal, Weights
from paretune_optimizer.policy import suggest
from paretune_optimizer.space.axes import Axis
from paretune_optimizer.space.priors import BELOW_ONE, bend_axis, density

U = (np.arange(20_000) + 0.5) / 20_000
PARAMETERS = [
    Double("x", -3.0, 5.0, prior=Normal(1.0, 0.5)),
    Double("edge", 0.0, 1.0, prior=Normal(-0.2, 0.3)),
    Double("lr", 1e-5, 1.0, log=True, prior=Normal(np.log(1e-3), 1.0)),
    Double("b", 2.0, 4.0, prior=Beta(2.0, 5.0)),
    Int("k", 1, 9, prior=Normal(3.0, 1.0)),
    Int("w", 1, 1000, log=True, prior=Normal(np.log(64.0), 0.3)),
    Double("g", grid=[0.1, 0.2, 0.9], prior=Normal(0.2, 0.1)),
    Int("h", grid=[1, 2, 4, 8], prior=Beta(1.0, 3.0)),
    Categorical("c", ["a", "b", "c"], prior=Weights((1.0, 0.0, 3.0))),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda p: p.name)
def test_draws_are_in_range_and_have_the_density_told(parameter):
    axis = Axis.of(parameter)
    bent = bend_axis(axis, U)
    assert bent.min() >= 0.0
    assert bent.max() < 1.0
    assert np.all(np.diff(bent) >= 0.0)
    assert np.all(np.isfinite(density(axis, axis.from_unit(bent))))
    if axis.levels and axis.levels <= 9 and parameter.name != "k":
        level = axis.level(axis.from_unit(bent)).astype(int)
        share = np.bincount(level, minlength=axis.levels) / U.size
        told = density(axis, axis.at_level(np.arange(axis.levels, dtype=float))) / axis.levels
        assert np.allclose(share, told, atol=1e-3)
    elif not axis.levels:
        share, edges = np.histogram(bent, bins=20, range=(0.0, 1.0), density=True)
        assert np.allclose(share, density(axis, 0.5 * (edges[1:] + edges[:-1])), rtol=0.1, atol=0.15)


@pytest.mark.parametrize(
    ("name", "centre"), [("x", 1.0), ("lr", 1e-3), ("k", 3), ("w", 64), ("g", 0.2)], ids=lambda v: str(v)
)
def test_the_median_is_the_mean_of_a_normal_well_inside(name, centre):
    axis = Axis.of(next(p for p in PARAMETERS if p.name == name))
    middle = axis.value(float(axis.from_unit(bend_axis(axis, np.array([0.5])))[0]))
    assert middle == pytest.approx(centre, rel=0.02)


def test_impossible_choices_are_never_drawn_and_far_beliefs_stay_finite():
    choices = Axis.of(PARAMETERS[-1])
    assert not np.any(choices.from_unit(bend_axis(choices, U)) == 1.0)
    ends = np.array([0.0, 0.5, BELOW_ONE])
    for prior in (Normal(1e9, 1e-6), Normal(-1e300, 1.0), Beta(1e-3, 1e-3), Beta(1e6, 1.0)):
        axis = Axis.of(Double("x", 0.0, 1.0, prior=prior))
        bent = bend_axis(axis, ends)
        assert np.all((bent >= 0.0) & (bent < 1.0))
        assert np.all(np.isfinite(density(axis, bent)))


@pytest.mark.parametrize("stddev", [5e-324, 1e-12, 1.0, 1e308])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("far", [3.0, 1e6, 1e308])
def test_beliefs_beyond_the_range_end_at_its_edge(stddev, side, far):
    prior = Normal(side * far, stddev)
    for parameter in (
        Double("x", -1.0, 2.0, prior=prior),
        Int("k", 1, 2, log=True, prior=prior),
        Int("w", 1, 10**9, prior=prior),
        Double("g", grid=[-1.0, 0.0, 2.0], prior=prior),
    ):
        axis = Axis.of(parameter)
        z = axis.from_unit(bend_axis(axis, np.array([0.0, 0.5, BELOW_ONE])))
        assert np.all(np.isfinite(density(axis, z)))
        if parameter.name in "xg" and stddev < 1.0:
            assert z[1] == pytest.approx(0.0 if side < 0 else 1.0, abs=1e-3)


@pytest.mark.parametrize("policy", [Policy.SOBOL, Policy.AUTO, Policy.TPE, Policy.NSGA2])
def test_the_design_follows_the_priors(policy):
    space = (
        Double("x", 0.0, 1.0, prior=Normal(0.8, 0.05)),
        Categorical("c", ["a", "b"], prior=Weights((0.0, 1.0))),
        Double("free", 0.0, 1.0),
    )
    _, proposals = cases.search(cases.experiment(space, policy=policy), lambda a: (a["x"], a["free"]), 6)
    assert all(0.6 < p.assignments["x"] < 1.0 for p in proposals)
    assert {p.assignments["c"] for p in proposals} == {"b"}
    assert np.ptp([p.assignments["free"] for p in proposals]) > 0.5


def spread_of(prior, count):
    """Mean distance from 0.8, the best x whatever the rest, of the suggestions that a model made."""
    space = (Double("x", 0.0, 1.0, prior=prior), *cases.CUBE)

    def evaluate(a):
        late = 3.0 * (a["x"] - 0.8) ** 2 + (a["x1"] - 0.3) ** 2 + (a["x2"] - 0.6) ** 2
        return a["x0"] + late, 1.0 - a["x0"] + late

    _, proposals = cases.search(cases.experiment(space, observation_budget=count), evaluate, count)
    return [abs(p.assignments["x"] - 0.8) for p in proposals if p.provenance.policy is Policy.GP]


def test_the_engine_starts_from_beliefs_and_gets_over_wrong_ones():
    right, none = spread_of(Normal(0.8, 0.05), 16), spread_of(None, 16)
    assert np.mean(right) < 0.8 * np.mean(none)
    wrong = spread_of(Normal(0.3, 0.1), 40)
    assert np.mean(wrong[:4]) > 0.3, "a belief that pulls nowhere was not believed"
    assert np.mean(wrong[-8:]) < np.mean(wrong[:4]) / 2


def test_random_search_stays_uniform():
    space = (Double("x", 0.0, 1.0, prior=Normal(0.9, 0.01)),)
    _, proposals = cases.search(cases.experiment(space, policy=Policy.RANDOM), lambda a: (0.0, 0.0), 20)
    assert np.ptp([p.assignments["x"] for p in proposals]) > 0.5


@pytest.mark.parametrize("policy", [Policy.AUTO, Policy.SOBOL, Policy.GP, Policy.TPE, Policy.NSGA2])
@pytest.mark.parametrize("kind", ["tree", "net"])
def test_defaults_of_the_active_parameters_come_first(policy, kind):
    space = (
        Categorical("kind", ["tree", "net"], default=kind),
        Int("depth", 1, 20, default=7, prior=Normal(15.0, 1.0), when={"kind": ["tree"]}),
        Double("lr", 1e-4, 1.0, log=True, default=0.003, when={"kind": ["net"]}),
        Double("x", 0.0, 1.0, default=0.125),
    )
    history = cases.History(cases.experiment(space, policy=policy))
    first, second = suggest(history, 2)
    own = {"tree": {"depth": 7}, "net": {"lr": 0.003}}[kind]
    assert first.assignments == pytest.approx({"kind": kind, "x": 0.125} | own)
    assert second.assignments != first.assignments
