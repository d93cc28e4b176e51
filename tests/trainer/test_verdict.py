"""Judgement of endings that real processes rarely produce; the others are in test_node.py."""

import pytest

from paretune.observation import FailureReason, OutcomeKind
from paretune_trainer.ending import Ending, Step
from paretune_trainer.verdict import Rules, judge

RULES = Rules(["accuracy"])


def result(**changes):
    return {"values": {"accuracy": [0.5, None]}, "stopped": False, "step": 3, "facts": {}, **changes}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        result(values=None),
        result(values={"accuracy": 0.5}),
        result(values={"accuracy": []}),
        result(values={"accuracy": ["high", None]}),
        result(step="late"),
        result(facts=3),
    ],
)
def test_a_result_that_is_none_is_a_crash(broken):
    verdict = judge(Ending(result=broken), RULES)
    assert verdict.outcome.kind is OutcomeKind.CRASHED
    assert verdict.outcome.failure is FailureReason.NO_RESULT


@pytest.mark.parametrize("failure", [{}, {"kind": "odd"}, {"kind": None, "reason": None, "facts": None}])
def test_a_failure_without_kind_is_a_crash_with_a_reason(failure):
    verdict = judge(Ending(failure=failure), RULES)
    assert verdict.outcome.kind is OutcomeKind.CRASHED
    assert verdict.outcome.reason


@pytest.mark.parametrize(("stderr", "kept"), [(0.0, 0.0), (0.1, 0.1), (-1, None), ("x", None), (1e400, None)])
def test_standard_errors_are_finite_and_not_negative(stderr, kept):
    verdict = judge(Ending(result=result(values={"accuracy": [0.5, stderr]})), RULES)
    assert verdict.values[0].stddev == kept


def test_a_result_counts_even_when_the_process_was_killed_after_it():
    assert (
        judge(Ending(result=result(), timed_out=True, exit_status=-9), RULES).outcome.kind is OutcomeKind.OK
    )


def test_an_early_stop_may_give_part_of_the_vector():
    verdict = judge(Ending(result=result(values={}, stopped=True)), RULES)
    assert verdict.outcome.kind is OutcomeKind.STOPPED_EARLY
    assert verdict.outcome.step == 3
    assert verdict.values == ()


def test_the_step_of_a_failure_is_the_last_one_reported():
    assert judge(Ending(exit_status=-11), RULES, Step(7, {})).outcome.step == 7
    assert judge(Ending(result=result()), RULES, Step(7, {})).outcome.step == 0


def test_death_by_an_unnamed_signal_is_described_too():
    assert "signal 99" in judge(Ending(exit_status=-99), RULES).outcome.reason
