"""From how a trial's process ended to what is recorded: the outcome, the metric vector, the notes."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from paretune.observation import FailureReason, MetricValue, Outcome, OutcomeKind
from paretune_trainer.ending import Ending, Step

_LOG_TAIL_BYTES: Final = 4000
_FAILURES: Final = {
    "infeasible": (OutcomeKind.INFEASIBLE, FailureReason.DECLARED),
    "out_of_memory": (OutcomeKind.INFEASIBLE, FailureReason.OUT_OF_MEMORY),
    "exception": (OutcomeKind.CRASHED, FailureReason.EXCEPTION),
    "command": (OutcomeKind.CRASHED, FailureReason.EXCEPTION),
    "unusable": (OutcomeKind.CRASHED, FailureReason.NO_RESULT),
}


@dataclass(frozen=True)
class Verdict:
    """What is recorded of a trial.

    Attributes:
        not_run: why the workload could not even be loaded, as a sentence; then nothing is recorded.
    """

    outcome: Outcome
    values: tuple[MetricValue, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    not_run: str = ""


@dataclass(frozen=True)
class Rules:
    """What the verdict depends on besides the ending.

    Attributes:
        metrics: names of the metrics to record; None: whatever the workload returns.
        time_limit: seconds, for the sentence about a timeout.
        timeout_is_infeasible: whether slow configurations are infeasible instead of crashed.
    """

    metrics: Sequence[str] | None = None
    time_limit: float = 0.0
    timeout_is_infeasible: bool = False


def judge(ending: Ending, rules: Rules, last_step: Step | None = None) -> Verdict:
    """The verdict on one ending.

    Args:
        ending: how it ended; not cancelled.
        rules: what is expected.
        last_step: last intermediate vector, whose values stand in where a failed trial has no others.
    """
    if ending.result is not None:
        verdict = _of_result(ending.result, rules)
    elif ending.failure is not None:
        verdict = _of_failure(ending.failure)
    else:
        verdict = Verdict(_of_silence(ending, rules))
    return Verdict(
        _with_step(verdict.outcome, last_step),
        verdict.values,
        {**verdict.metadata, **_notes(ending, verdict.outcome)},
        verdict.not_run,
    )


def _of_result(result: Mapping[str, Any], rules: Rules) -> Verdict:
    try:
        stopped = bool(result["stopped"])
        facts = {str(key): str(value) for key, value in result["facts"].items()}
        vector = {str(name): (float(v[0]), v[1]) for name, v in result["values"].items()}
        step = int(result["step"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return Verdict(_crashed("The result channel carried something that is not a result.", "NO_RESULT"))
    wanted = list(vector) if rules.metrics is None else list(rules.metrics)
    extra = sorted(set(vector) - set(wanted))
    if extra:
        facts["unrecorded_metrics"] = ", ".join(extra)[:1000]
    missing = [name for name in wanted if name not in vector]
    if missing and not stopped:
        return Verdict(_crashed(_about_missing(missing, list(vector)), "NO_RESULT"), metadata=facts)
    values = {name: vector[name] for name in wanted if name in vector}
    bad = [name for name, (value, _) in values.items() if not math.isfinite(value)]
    if bad:
        shown = ", ".join(f"{name} is {values[name][0]}" for name in bad)
        outcome = Outcome(OutcomeKind.INFEASIBLE, f"{shown}: no finite number.", FailureReason.NOT_FINITE)
        return Verdict(outcome, _measured(values, leave_out=bad), facts)
    kind = OutcomeKind.STOPPED_EARLY if stopped else OutcomeKind.OK
    return Verdict(Outcome(kind, step=step if stopped else 0), _measured(values), facts)


def _about_missing(missing: Sequence[str], returned: Sequence[str]) -> str:
    given = f"it returned {', '.join(returned)}" if returned else "it returned none"
    return (
        f"The workload did not return {', '.join(missing)} ({given}): make it return these metrics, or name "
        "the experiment's metrics as the workload does."
    )[:4000]


def _measured(
    values: Mapping[str, tuple[float, Any]], leave_out: Sequence[str] = ()
) -> tuple[MetricValue, ...]:
    """As recorded; a standard error that is no finite positive number is unknown, not a reason to fail."""
    return tuple(
        MetricValue(name, value, float(e) if isinstance(e, float | int) and 0 <= e < math.inf else None)
        for name, (value, e) in values.items()
        if name not in leave_out
    )


def _of_failure(failure: Mapping[str, Any]) -> Verdict:
    kind, reason = str(failure.get("kind")), str(failure.get("reason") or "No reason was given.")
    facts = {str(key): str(value) for key, value in dict(failure.get("facts") or {}).items()}
    if failure.get("traceback"):
        facts["traceback"] = str(failure["traceback"])
    if kind == "load":
        outcome = Outcome(OutcomeKind.CRASHED, reason, FailureReason.EXCEPTION)
        return Verdict(outcome, metadata=facts, not_run=reason)
    outcome_kind, code = _FAILURES.get(kind, (OutcomeKind.CRASHED, FailureReason.NO_RESULT))
    return Verdict(Outcome(outcome_kind, reason, code), metadata=facts)


def _of_silence(ending: Ending, rules: Rules) -> Outcome:
    """The process ended without a word."""
    if ending.timed_out:
        reason = f"The training did not end within {rules.time_limit:g} s."
        kind = OutcomeKind.INFEASIBLE if rules.timeout_is_infeasible else OutcomeKind.CRASHED
        return Outcome(kind, reason, FailureReason.TIMEOUT)
    if ending.garbage:
        return _crashed(f"The result channel carried {ending.garbage}.", "NO_RESULT")
    if ending.exit_status < 0:
        return _crashed(_about_signal(-ending.exit_status), "SIGNAL")
    return _crashed(
        f"The process ended with exit status {ending.exit_status} before the workload returned.", "NO_RESULT"
    )


def _about_signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    hint = " The machine may have run out of memory." if number == signal.SIGKILL else ""
    return f"The process was killed by {name}.{hint}"


def _crashed(reason: str, code: str) -> Outcome:
    return Outcome(OutcomeKind.CRASHED, reason, FailureReason[code])


def _with_step(outcome: Outcome, last_step: Step | None) -> Outcome:
    if outcome.kind is OutcomeKind.OK or outcome.step or last_step is None:
        return outcome
    return Outcome(outcome.kind, outcome.reason, outcome.failure, max(last_step.step, 0))


def _notes(ending: Ending, outcome: Outcome) -> dict[str, str]:
    notes = {"duration_s": f"{ending.seconds:.3f}"}
    if ending.leftovers:
        notes["processes_left_behind"] = str(ending.leftovers)
    if outcome.kind is OutcomeKind.CRASHED and (tail := ending.log.tail(_LOG_TAIL_BYTES)):
        notes["log_tail"] = tail
    return notes
