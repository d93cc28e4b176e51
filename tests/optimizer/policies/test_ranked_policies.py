"""TPE and NSGA-II: valid, distinct, deterministic, and better than chance."""

import math
import time
from dataclasses import replace

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Minimize, Policy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Categorical, Double, Int
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.history import History
from paretune_optimizer.policies import nsga2, tpe
from paretune_optimizer.policy import suggest

BOTH = pytest.mark.parametrize("policy", [Policy.TPE, Policy.NSGA2], ids=lambda p: p.name)


def two(a):
    x = [v if isinstance(v, float | int) else 0.1 * len(v) for v in a.values()]
    s = sum(math.tanh(abs(v)) for v in x)
    return s, 1.0 / (0.1 + s) + 0.1 * math.sin(5 * x[0])


def zdt1(a):
    """Zitzler, Deb and Thiele 2000, eq. 7."""
    x = np.array(list(a.values()))
    g = 1.0 + 9.0 * x[1:].mean()
    return x[0], g * (1.0 - math.sqrt(x[0] / g))


@BOTH
@pytest.mark.parametrize(
    "parameters",
    [cases.CUBE, cases.MIXED, cases.TREE, cases.CATEGORIES, cases.GRIDS, cases.POLYTOPE],
    ids=["cube", "mixed", "tree", "categories", "grids", "polytope"],
)
def test_every_kind_of_space(policy, parameters):
    experiment = cases.experiment(parameters, observation_budget=36, policy=policy)
    _, proposals = cases.search(experiment, two, 30)
    late = proposals[13:]
    assert {p.provenance.policy for p in late} == {policy}
    assert {p.provenance.fallback_reason for p in proposals} == {""}
    assert {p.provenance.policy for p in proposals[:6]} == {Policy.SOBOL}
    assert len({tuple(p.assignments.items()) for p in proposals}) == 30
    assert [p.provenance.observation_count for p in proposals] == list(range(30))


@BOTH
def test_same_history_same_suggestion_whatever_the_order_of_arrival(policy):
    experiment = cases.experiment(cases.MIXED, seed=5, observation_budget=36, policy=policy)
    lived, _ = cases.search(experiment, two, 24)
    again = History(experiment)
    for observation in lived.observations[::-1]:
        again.add_observation(observation)
    assert suggest(again, 3, ordinal=25) == suggest(lived, 3, ordinal=25)
    assert suggest(lived, ordinal=25)[0].assignments != suggest(lived, ordinal=26)[0].assignments
    other = History(replace(experiment, seed=6))
    for observation in lived.observations:
        other.add_observation(observation)
    assert suggest(other, ordinal=25)[0].assignments != suggest(lived, ordinal=25)[0].assignments


@BOTH
def test_batches_and_pending_configurations_are_distinct(policy):
    experiment = cases.experiment(cases.CUBE, policy=policy, observation_budget=36)
    history = cases.scattered(experiment, two, 20)
    batch = suggest(history, 8, ordinal=21)
    assert len({tuple(p.assignments.items()) for p in batch}) == 8
    history.add_pending("s21", 21, batch[0].assignments)
    assert suggest(history, ordinal=22)[0].assignments == batch[1].assignments


@BOTH
@pytest.mark.parametrize("m", [1, 3, 4])
def test_other_numbers_of_metrics(policy, m):
    metrics = tuple(Minimize(f"m{j}") for j in range(m))

    def evaluate(a):
        x = list(a.values())
        return [sum((v - j / 4) ** 2 for v in x) for j in range(m)]

    experiment = cases.experiment(cases.CUBE, metrics, policy=policy, observation_budget=36)
    _, proposals = cases.search(experiment, evaluate, 26)
    assert proposals[-1].provenance.policy is policy


@BOTH
@pytest.mark.parametrize("values", [(1.0, 2.0), (1e308, -1e308), (0.0, 5e-324)], ids=str)
def test_constant_and_extreme_metrics(policy, values):
    experiment = cases.experiment(cases.MIXED, policy=policy, observation_budget=36)
    flip = [1.0]

    def evaluate(a):
        flip[0] = -flip[0]
        return values if abs(values[0]) < 2 else (values[0] * flip[0], values[1] * flip[0])

    _, proposals = cases.search(experiment, evaluate, 22)
    assert [p.provenance.fallback_reason for p in proposals] == [""] * 22


def test_tpe_explores_away_from_failures_when_all_failed():
    experiment = cases.experiment(cases.CUBE, policy=Policy.TPE)
    history = History(experiment)
    for n in range(1, 26):
        at = {"x0": 0.3 * n / 25, "x1": n * 0.37 % 1, "x2": n * 0.61 % 1}
        history.add_observation(cases.result(history, at, None, n))
    batch = suggest(history, 6, ordinal=26)
    assert {p.provenance.policy for p in batch} == {Policy.TPE}
    assert min(p.assignments["x0"] for p in batch) > 0.4


def test_nsga2_without_parents_serves_the_design_and_says_why():
    history = cases.scattered(cases.experiment(policy=Policy.NSGA2), lambda a: None, 45)
    (proposal,) = suggest(history)
    assert proposal.provenance.policy is Policy.SOBOL
    assert "NSGA2" in proposal.provenance.fallback_reason


@BOTH
def test_crashed_rows_teach_nothing(policy):
    history = cases.scattered(cases.experiment(policy=policy, observation_budget=36), two, 20)
    before = suggest(history, ordinal=50)[0]
    outcome = Outcome(OutcomeKind.CRASHED, "node lost")
    lost = Observation({"x0": 0.1, "x1": 0.2, "x2": 0.3}, (), outcome, id="lost", ordinal=21)
    history.add_observation(lost)
    assert suggest(history, ordinal=50)[0].assignments == before.assignments


@BOTH
def test_a_failing_half_is_left(policy):
    def evaluate(a):
        return None if a["x0"] > 0.5 else (1.0 - a["x0"] + a["x1"], a["x0"] + a["x2"] ** 2)

    experiment = cases.experiment(policy=policy, observation_budget=60)
    _, proposals = cases.search(experiment, evaluate, 60)
    assert sum(p.assignments["x0"] > 0.5 for p in proposals[20:]) <= 14  # chance: 20


@BOTH
def test_beats_random(policy):
    space = [Double(f"x{i}", 0, 1) for i in range(6)]

    def volumes(of):
        told = []
        for seed in range(5):
            experiment = cases.experiment(space, observation_budget=80, seed=seed, policy=of)
            told.append(hypervolume(cases.search(experiment, zdt1, 80)[0].Y, np.full(2, 4.0)))
        return np.array(told)

    chance, found = volumes(Policy.RANDOM), volumes(policy)
    assert found.mean() > 1.15 * chance.mean()
    assert np.sum(found > chance) >= 4


def deep_tree():
    space = [Categorical("root", ["a", "b", "c", "d"]), Double("x", 0, 1)]
    for branch in "abcd":
        space.append(Categorical(f"{branch}_kind", ["u", "v", "w"], when={"root": [branch]}))
        space.append(Int(f"{branch}_n", 1, 50, when={"root": [branch]}))
        space += [Double(f"{branch}_{leaf}", 0, 1, when={f"{branch}_kind": [leaf]}) for leaf in "uvw"]
    return space


def on_tree(a):
    """The front lies in one leaf of twelve."""
    branch = a["root"]
    leaf = a[f"{branch}_kind"]
    miss = (0 if branch == "c" else 1) + (0 if leaf == "v" else 0.5) + (a[f"{branch}_{leaf}"] - 0.3) ** 2
    miss += abs(a[f"{branch}_n"] - 10) / 50
    return miss + a["x"], miss + (1 - a["x"]) ** 2


@BOTH
def test_finds_the_leaf_of_a_deep_tree(policy):
    def leaf_share(of, seed):
        experiment = cases.experiment(deep_tree(), seed=seed, policy=of, observation_budget=90)
        _, proposals = cases.search(experiment, on_tree, 90)
        return np.mean([p.assignments.get("c_kind") == "v" for p in proposals[45:]])

    found = [leaf_share(policy, seed) for seed in range(3)]
    assert np.mean(found) > 0.4  # chance: 1 / 12


@BOTH
def test_exhausts_a_finite_space(policy):
    space = (Categorical("a", ["x", "y", "z"]), Int("k", 0, 9))
    _, proposals = cases.search(cases.experiment(space, policy=policy, observation_budget=36), two, 30)
    assert len({tuple(p.assignments.items()) for p in proposals}) == 30


@pytest.mark.parametrize("module", [tpe, nsga2], ids=["tpe", "nsga2"])
def test_cost_grows_linearly(module):
    """Ten times the observations cost at most about ten times as much, plus what does not grow."""

    def cost(n):
        rng = np.random.default_rng(0)
        history = History(cases.experiment([Double(f"x{i}", 0, 1) for i in range(6)]))
        for k, x in enumerate(rng.random((n, 6)), 1):
            at = {f"x{i}": float(v) for i, v in enumerate(x)}
            values = tuple(MetricValue(m, v) for m, v in zip("fg", zdt1(at), strict=True))
            history.add_observation(Observation(at, values, id=f"o{k}", ordinal=k))
        empty = np.empty((0, 6))
        taken = [empty] if module is nsga2 else [empty, empty]
        spent = []
        for _ in range(3):
            start = time.process_time()
            module.propose(history, n + 1, *taken)
            spent.append(time.process_time() - start)
        return min(spent)

    assert cost(8000) < 25 * cost(800)
