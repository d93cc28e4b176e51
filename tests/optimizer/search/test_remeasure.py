"""Measuring again: on request only, where it tells most, never without noise, never twice at once."""

from dataclasses import replace

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Minimize, Policy
from paretune.parameters import Categorical
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest

PLANE = cases.CUBE[:2]
SMALL = tuple(Categorical(c, [f"{c}{k}" for k in range(3)]) for c in "ab")
MANY = tuple(Minimize(name) for name in "fghk")


def trade_off(spread, metrics=2):
    noise = np.random.default_rng(0)

    def evaluate(a):
        x, y = (v if isinstance(v, float) else 0.3 * int(v[1]) for v in a.values())
        told = np.array([x + y * y, (1.0 - x) ** 2 + y * y, 0.5 + y, x * y][:metrics])
        return tuple(told + spread * noise.standard_normal(metrics))

    return evaluate


def repeats(proposals):
    return [p.provenance.repeats for p in proposals]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_only_on_request(count):
    plain = cases.experiment(SMALL, MANY[:count])
    history, _ = cases.search(plain, trade_off(0.3, count), 9)
    with pytest.raises(FailedPrecondition):
        suggest(history)
    history.update_experiment(replace(plain, remeasure=True))
    told = suggest(history)[0].provenance
    assert (told.policy, told.repeats, told.fallback_reason) == (Policy.GP, 1, "")


def test_a_new_one_comes_first_where_it_tells_more():
    asked = cases.experiment(PLANE, remeasure=True)
    history = cases.scattered(asked, trade_off(0.3), 20)
    assert not any(repeats(suggest(history, 2)))


def test_nothing_is_repeated_without_noise():
    asked = cases.experiment(PLANE, remeasure=True)
    history = cases.scattered(asked, trade_off(0.0), 30)
    assert not any(repeats(suggest(history, 4)))


def test_the_same_suggestion_in_a_fresh_process():
    asked = cases.experiment(SMALL, remeasure=True)
    lived, _ = cases.search(asked, trade_off(0.3), 11)
    fresh = History(asked)
    for observation in lived.observations:
        fresh.add_observation(observation)
    assert [p.assignments for p in suggest(lived, 3)] == [p.assignments for p in suggest(fresh, 3)]


def test_a_batch_repeats_nothing_twice():
    asked = cases.experiment(SMALL, remeasure=True)
    history, _ = cases.search(asked, trade_off(0.3), 9)
    batch = [tuple(p.assignments.values()) for p in suggest(history, 3)]
    assert len(set(batch)) == len(batch) > 1


def test_a_finite_noisy_space_goes_on_when_all_is_tried():
    asked = cases.experiment(SMALL, remeasure=True)
    history, proposals = cases.search(asked, trade_off(0.3), 30)
    assert max(repeats(proposals)) > 1
    tried = {tuple(o.assignments.values()) for o in history.observations}
    assert len(tried) == 9


def test_a_finite_space_without_noise_ends():
    asked = cases.experiment(SMALL, remeasure=True)
    with pytest.raises(FailedPrecondition):  # a few repeats convince it that there is none
        cases.search(asked, trade_off(0.0), 20)


def test_the_badly_measured_one_is_chosen():
    asked = cases.experiment(SMALL, remeasure=True)
    history = History(asked)
    exact = trade_off(0.0)
    everything = [{"a": f"a{i}", "b": f"b{k}"} for i in range(3) for k in range(3)]
    for n, assignments in enumerate(everything, 1):
        stddev = 0.3 if assignments == {"a": "a1", "b": "b0"} else 1e-6  # on the front
        history.add_observation(cases.result(history, assignments, exact(assignments), n, stddev))
    (proposal,) = suggest(history)
    assert proposal.assignments == {"a": "a1", "b": "b0"}
    assert proposal.provenance.repeats == 1


@pytest.mark.parametrize("results", [True, False])
def test_a_space_smaller_than_the_design_is_measured_again(results):
    asked = cases.experiment(tuple(Categorical(c, ["x", "y"]) for c in "ab"), remeasure=True)
    history, noise = History(asked), np.random.default_rng(0)
    made = []
    for n in range(1, 8):  # the design has six points, the space four
        (proposal,) = suggest(history, ordinal=n)
        made.append(proposal.provenance.policy)
        if results:
            values = noise.standard_normal(2)
            history.add_observation(cases.result(history, proposal.assignments, values, n))
        else:
            history.add_pending(f"s{n}", n, proposal.assignments)
    assert made == [Policy.SOBOL] * 6 + [Policy.GP if results else Policy.SOBOL]
