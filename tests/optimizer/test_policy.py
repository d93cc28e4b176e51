"""Suggestions: valid and model-based whatever the data, deterministic, exhausted when nothing is left."""

import math
from dataclasses import replace

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Maximize, Minimize, Policy, Strategy
from paretune.observation import OutcomeKind, Suggestion, SuggestionState
from paretune.parameters import Categorical, Double, Int
from paretune_optimizer import policy
from paretune_optimizer.history import History
from paretune_optimizer.model.surrogate import surrogate_of
from paretune_optimizer.policies import gp
from paretune_optimizer.policy import design_size, suggest


def two(a):
    x = [v if isinstance(v, float | int) else 0.1 * len(v) for v in a.values()]
    s = sum(math.tanh(abs(v)) for v in x)
    return s, 1.0 / (0.1 + s) + 0.1 * math.sin(5 * x[0])


def without_age(proposals):
    """Proposals but for the one thing that tells when they were made."""
    return [replace(p, provenance=replace(p.provenance, model_age=0.0)) for p in proposals]


noise = np.random.default_rng(0)
ODD = {
    "constant": lambda a: (1.0, 2.0),
    "one constant": lambda a: (two(a)[0], 7.0),
    "zero": lambda a: (0.0, 0.0),
    "scales apart by 1e12": lambda a: (1e12 * two(a)[0], two(a)[1]),
    "scales apart by 1e-300": lambda a: (1e-300 * two(a)[0], 1e300 * two(a)[1]),
    "huge offset": lambda a: (1e9 + two(a)[0], two(a)[1]),
    "outliers": lambda a: (two(a)[0], 1e30 if noise.random() < 0.15 else two(a)[1]),
    "good outliers": lambda a: (two(a)[0], -1e30 if noise.random() < 0.1 else two(a)[1]),
    "noise only": lambda a: tuple(noise.standard_normal(2)),
    "heavy noise": lambda a: tuple(noise.standard_cauchy(2)),
    "equal metrics": lambda a: (two(a)[0], two(a)[0]),
    "steps": lambda a: (float(round(two(a)[0])), float(round(two(a)[1]))),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_metrics_never_stop_the_model(name):
    _, proposals = cases.search(cases.experiment(cases.MIXED, observation_budget=20), ODD[name], 14)
    late = proposals[8:]
    assert [p.provenance.policy for p in late] == [Policy.GP] * 6
    assert [p.provenance.fallback_reason for p in late] == [""] * 6
    for proposal in late:
        for told in proposal.provenance.predictions:
            assert math.isfinite(told.mean)
            assert math.isfinite(told.stddev)


@pytest.mark.parametrize(
    "parameters",
    [cases.CUBE, cases.MIXED, cases.TREE, cases.CATEGORIES, cases.GRIDS, cases.POLYTOPE],
    ids=["cube", "mixed", "tree", "categories", "grids", "polytope"],
)
def test_every_kind_of_space(parameters):
    _, proposals = cases.search(cases.experiment(parameters, observation_budget=20), two, 14)
    assert all(p.provenance.policy is Policy.GP for p in proposals[8:])
    seen = {tuple(p.assignments.items()) for p in proposals}
    assert len(seen) == 14


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_hardly_any_data(count, m):
    metrics = tuple(Minimize(f"m{j}") for j in range(m))
    experiment = cases.experiment(cases.CUBE, metrics, policy=Policy.GP)
    history = cases.scattered(experiment, lambda a: [sum(a.values()) * (j + 1) for j in range(m)], count)
    (proposal,) = suggest(history)
    experiment.space.validate(proposal.assignments)
    assert proposal.provenance.policy is Policy.GP
    assert proposal.provenance.fallback_reason == ""


def test_fewer_rows_than_dimensions():
    parameters = [Double(f"x{i}", 0, 1) for i in range(60)]
    history = cases.scattered(cases.experiment(parameters, policy=Policy.GP), two, 8)
    assert suggest(history)[0].provenance.fallback_reason == ""


def test_repeated_points_with_different_values():
    history = History(cases.experiment(cases.CUBE, policy=Policy.GP))
    for n in range(1, 13):
        at = {"x0": 0.5, "x1": 0.5, "x2": 0.1 * (n % 2)}
        history.add_observation(cases.result(history, at, (float(n), -float(n)), n))
    assert suggest(history)[0].provenance.fallback_reason == ""


def test_nothing_but_failures_is_explored_away_from_them():
    history = cases.scattered(cases.experiment(cases.CUBE, policy=Policy.GP), lambda a: None, 12)
    (proposal,) = suggest(history)
    assert proposal.provenance.policy is Policy.GP
    assert proposal.provenance.feasibility is not None


def test_crashed_rows_teach_nothing():
    history = cases.scattered(cases.experiment(cases.CUBE, policy=Policy.GP), two, 12)
    before = suggest(history, ordinal=50)[0]
    outcome = cases.Outcome(OutcomeKind.CRASHED, "node lost")
    observation = cases.Observation({"x0": 0.1, "x1": 0.2, "x2": 0.3}, (), outcome, id="lost", ordinal=13)
    history.add_observation(observation)
    after = suggest(history, ordinal=50)[0]
    assert after.assignments == before.assignments
    assert after.provenance.feasibility is None


def test_failures_are_learned():
    def evaluate(a):
        return None if a["x0"] > 0.5 else (1.0 - a["x0"] + a["x1"], a["x0"] + a["x2"] ** 2)

    _, proposals = cases.search(cases.experiment(observation_budget=40), evaluate, 32)
    late = [p.assignments["x0"] > 0.5 for p in proposals[16:]]
    assert sum(late) <= 5  # half of the space fails, and the front ends at the edge of it


def test_metric_constraints_are_kept():
    metrics = (*cases.TWO, Maximize("accuracy", strategy=Strategy.CONSTRAIN, threshold=0.7))

    def evaluate(a):
        return a["x0"] + a["x1"], 1 - a["x0"] + a["x1"], 1.0 - a["x2"]

    _, proposals = cases.search(cases.experiment(cases.CUBE, metrics, observation_budget=40), evaluate, 26)
    assert sum(p.assignments["x2"] <= 0.3 for p in proposals[16:]) >= 8


def test_thresholds_on_optimised_metrics_focus_the_search():
    def evaluate(a):
        return a["x0"] + a["x1"] + a["x2"], 1 - a["x0"] + a["x1"] + a["x2"]

    metrics = (Minimize("f", threshold=0.4), Minimize("g"))
    _, proposals = cases.search(cases.experiment(cases.CUBE, metrics, observation_budget=40), evaluate, 28)
    assert np.mean([evaluate(p.assignments)[0] < 0.45 for p in proposals[16:]]) > 0.6


def test_far_outliers_of_an_optimised_metric_do_not_count_as_better_than_its_threshold():
    def evaluate(a):
        return 1e6 if a["x0"] > 0.9 else 1.0 + a["x0"], a["x1"] - a["x0"]

    metrics = (Minimize("loss", threshold=50.0), Minimize("g"))
    history = cases.scattered(cases.experiment(metrics=metrics), evaluate, 40)
    surrogate = surrogate_of(history)
    worst = surrogate.metrics[0].transform.forward(history.Y[:, 0]).max()
    assert gp.standardised_thresholds(history, surrogate)[0] <= worst


def test_same_history_same_suggestion_in_a_fresh_process_that_never_asked_before():
    experiment = cases.experiment(cases.MIXED, seed=5, observation_budget=30)
    lived, proposals = cases.search(experiment, two, 18)
    last = without_age(suggest(lived, 2, ordinal=19))
    fresh = History(experiment)
    for observation in lived.observations:
        fresh.add_observation(observation)
    assert without_age(suggest(fresh, 2, ordinal=19)) == last
    shuffled = History(experiment)
    for observation in lived.observations[::-1]:
        shuffled.add_observation(observation)
    assert without_age(suggest(shuffled, 2, ordinal=19)) == last
    _, again = cases.search(experiment, two, 18)
    assert without_age(again) == without_age(proposals)


def test_other_seeds_other_suggestions():
    one, other = (cases.search(cases.experiment(seed=s), two, 1)[1][0].assignments for s in (1, 2))
    assert one != other


def test_an_amended_observation_changes_what_was_learned():
    experiment = cases.experiment(seed=5, policy=Policy.GP)
    history = cases.scattered(experiment, two, 14)
    suggest(history)
    first = history.observations[3]
    history.add_observation(cases.result(history, first.assignments, (-9.0, -9.0), 4))
    fresh = History(experiment)
    for observation in history.observations:
        fresh.add_observation(observation)
    assert len(history) == 14
    assert without_age(suggest(history, ordinal=20)) == without_age(suggest(fresh, ordinal=20))


def test_batches_and_pending_points_spread():
    history = cases.scattered(cases.experiment(cases.CUBE, observation_budget=30), two, 15)
    batch = suggest(history, 4, ordinal=16)
    points = np.array([list(p.assignments.values()) for p in batch])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(4)
    assert distance.min() > 0.01
    history.add_pending("s16", 16, batch[0].assignments)
    assert suggest(history, ordinal=17)[0].assignments == batch[1].assignments


def test_exhausted_space():
    space = (Categorical("a", ["x", "y"]), Int("k", 0, 2))
    _, proposals = cases.search(cases.experiment(space, observation_budget=10), two, 6)
    assert len({tuple(p.assignments.items()) for p in proposals}) == 6
    history, _ = cases.search(cases.experiment(space), two, 4)
    assert len(suggest(history, 5)) == 2
    history.add_pending("s5", 5, suggest(history)[0].assignments)
    history.add_pending("s6", 6, suggest(history)[0].assignments)
    with pytest.raises(FailedPrecondition) as caught:
        suggest(history)
    assert caught.value.reason == "SPACE_EXHAUSTED"


@pytest.mark.parametrize("wanted", [Policy.RANDOM, Policy.SOBOL, Policy.GRID, Policy.GP, Policy.AUTO])
def test_policies(wanted):
    _, proposals = cases.search(cases.experiment(cases.MIXED, policy=wanted, observation_budget=24), two, 12)
    made = {p.provenance.policy for p in proposals}
    expected = {Policy.GP: {Policy.SOBOL, Policy.GP}, Policy.AUTO: {Policy.SOBOL, Policy.GP}}
    assert made == expected.get(wanted, {wanted})
    assert [p.provenance.observation_count for p in proposals] == list(range(12))


def test_no_time_left_gives_a_quasi_random_point_and_says_why():
    history = cases.scattered(cases.experiment(observation_budget=20), two, 15)
    (proposal,) = suggest(history, budget=0.0)
    assert proposal.provenance.policy is Policy.SOBOL
    assert "no time" in proposal.provenance.fallback_reason


def test_a_clock_that_runs_out_cuts_the_search_but_not_the_model():
    history = cases.scattered(cases.experiment(observation_budget=20), two, 15)
    ticks = iter(range(1000))
    (proposal,) = suggest(history, budget=4.0, clock=lambda: float(next(ticks)))
    assert proposal.provenance.policy is Policy.GP
    history.experiment.space.validate(proposal.assignments)


def test_a_broken_model_falls_back_and_says_why(monkeypatch):
    def broken(*_):
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr(gp, "propose", broken)
    history = cases.scattered(cases.experiment(observation_budget=20), two, 15)
    (proposal,) = suggest(history)
    assert proposal.provenance.policy is Policy.SOBOL
    assert "singular" in proposal.provenance.fallback_reason
    assert proposal.provenance.predictions == ()


def test_defaults_come_first():
    space = (Double("x", 0, 1, default=0.125), Int("k", 1, 9, default=3), Double("y", 0, 1))
    _, proposals = cases.search(cases.experiment(space), two, 1)
    assert proposals[0].assignments == {"x": 0.125, "k": 3, "y": 0.5}


@pytest.mark.parametrize("wanted", list(Policy))
def test_defaults_are_suggested_once_under_every_policy_whatever_came_before(wanted):
    space = (Double("x", 0, 1, default=0.125), Int("k", 1, 9, default=3))
    defaults = {"x": 0.125, "k": 3}
    history = History(cases.experiment(space, policy=wanted))
    history.add_observation(cases.result(history, {"x": 0.5, "k": 5}, (1.0, 1.0), 1))
    first, second = suggest(history, 2, ordinal=2)
    assert first.assignments == defaults != second.assignments
    # Whoever cancels it does not get it again.
    for state in (SuggestionState.LEASED, SuggestionState.CANCELLED):
        history.set_suggestion(Suggestion("s2", "case", 2, defaults, state))
    assert suggest(history, ordinal=3)[0].assignments != defaults


def test_design_size_follows_dimension_and_budget():
    def size(p, budget):
        space = tuple(Double(f"x{i}", 0, 1) for i in range(p))
        return design_size(History(cases.experiment(space, observation_budget=budget)))

    assert [size(12, 100), size(12, 60), size(12, 0), size(2, 100), size(12, 5)] == [20, 12, 20, 6, 2]
    assert policy.EXHAUSTED == "SPACE_EXHAUSTED"


def test_the_design_goes_on_until_as_many_results_are_in():
    def policies(results, pending, budget):
        history = cases.scattered(cases.experiment(cases.CUBE, observation_budget=budget), two, results)
        for n in range(results + 1, results + pending + 1):
            history.add_pending(str(n), n, suggest(history)[0].assignments)
        return suggest(history)[0].provenance.policy

    size = design_size(History(cases.experiment(cases.CUBE, observation_budget=60)))
    assert policies(size, 0, 60) is Policy.GP
    assert policies(size - 1, 4, 60) is Policy.SOBOL
    assert policies(1, 60 // 2 - 1, 60) is Policy.GP
    assert policies(1, size + 4, 0) is Policy.SOBOL


def test_model_age_counts_from_the_last_fit():
    history = cases.scattered(cases.experiment(observation_budget=20), two, 15)
    now = [100.0]
    assert suggest(history, clock=lambda: now[0])[0].provenance.model_age == 0.0
    now[0] = 107.5
    assert suggest(history, clock=lambda: now[0])[0].provenance.model_age == 7.5
