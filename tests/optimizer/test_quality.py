"""The point of it all: more front from the same number of trials. Seeds and budgets are fixed."""

import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Maximize, Minimize, Policy
from paretune.parameters import Categorical, Double, Int
from paretune_optimizer.fronts.hypervolume import hypervolume


def zdt1(a):
    """Zitzler, Deb and Thiele 2000, eq. 7."""
    x = np.array(list(a.values()))
    g = 1.0 + 9.0 * x[1:].mean()
    return x[0], g * (1.0 - math.sqrt(x[0] / g))


def test_zdt1_with_automatic_reference_point():
    # Ideal 0.877; a reference point from the observed nadir locks the search at 0.37.
    space = [Double(f"x{i}", 0, 1) for i in range(12)]
    history, _ = cases.search(cases.experiment(space, observation_budget=60, seed=1), zdt1, 60)
    assert hypervolume(history.Y, np.full(2, 1.1)) >= 0.80


NETWORK = (
    Int("width", 8, 256, log=True),
    Int("depth", 1, 8),
    Double("lr", 1e-5, 1e-1, log=True),
    Double("dropout", 0.0, 0.6),
    Categorical("activation", ["relu", "gelu", "tanh"]),
)


def network(a):
    """Accuracy against time of an imagined network: saturates with size, sharp in the learning rate."""
    size = math.log(a["width"] * a["depth"]) / math.log(2048)
    lr = math.log10(a["lr"]) + 2.8 + 0.6 * size
    bonus = {"relu": 0.0, "gelu": 0.03, "tanh": -0.08}[a["activation"]]
    drop = (a["dropout"] - 0.4 * size) ** 2
    accuracy = (0.6 + 0.3 * size + bonus - 0.25 * drop) * math.exp(-0.4 * lr * lr)
    return accuracy, 1.0 + 0.02 * a["width"] * a["depth"] * (1.3 if a["activation"] == "gelu" else 1.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_beats_random_with_three_times_the_trials_on_a_mixed_noisy_problem(seed):
    metrics = (Maximize("accuracy"), Minimize("ms"))
    noise = np.random.default_rng(seed)

    def measured(a):
        return [v * (1 + 0.01 * noise.standard_normal()) for v in network(a)]

    def volume(policy, count):
        experiment = cases.experiment(NETWORK, metrics, seed=seed, policy=policy, observation_budget=40)
        history, _ = cases.search(experiment, measured, count)
        truth = np.array([network(o.assignments) for o in history.observations]) * [-1, 1]
        return hypervolume(truth, np.array([-0.3, 30.0]))

    assert volume(Policy.AUTO, 40) > volume(Policy.RANDOM, 120)


def test_three_metrics_beat_random():
    metrics = tuple(Minimize(f"f{j}") for j in range(3))
    space = [Double(f"x{i}", 0, 1) for i in range(5)]

    def sphere(a):
        """DTLZ2, Deb et al. 2002, eq. 9."""
        x = np.array(list(a.values()))
        r, t = 1.0 + np.sum((x[2:] - 0.5) ** 2), x[:2] * math.pi / 2
        return r * np.cos(t[0]) * np.cos(t[1]), r * np.cos(t[0]) * np.sin(t[1]), r * np.sin(t[0])

    def volume(policy):
        experiment = cases.experiment(space, metrics, seed=1, policy=policy, observation_budget=60)
        return hypervolume(cases.search(experiment, sphere, 60)[0].Y, np.full(3, 1.1))

    assert volume(Policy.AUTO) > 1.2 * volume(Policy.RANDOM)


def test_single_metric_finds_the_minimum():
    space = [Double(f"x{i}", 0, 1) for i in range(4)]

    def bowl(a):
        return (sum((x - 0.3 - 0.1 * i) ** 2 for i, x in enumerate(a.values())),)

    experiment = cases.experiment(space, (Minimize("f"),), seed=2, observation_budget=30)
    history, _ = cases.search(experiment, bowl, 30)
    assert history.Y.min() < 1e-3
