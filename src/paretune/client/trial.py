"""`Trial`: one suggestion being trained under its lease. The loop that makes them is in `loop`.

Leaving ``with trial:`` settles what happened:

    reported                      nothing left to do
    an exception                  recorded as CRASHED with its text; the loop goes on
    KeyboardInterrupt and such    the lease is released, the exception goes on
    a report that was refused     the lease is released, the error goes on: the program is wrong
    the lease was lost meanwhile  somebody else has the suggestion now; the loop goes on
    nothing reported              the lease is released, FailedPrecondition TRIAL_NOT_REPORTED
"""

import logging
import traceback
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from paretune.client import report
from paretune.client.lease import KeptLease
from paretune.errors import FailedPrecondition, InvalidArgument, NotFound, ParetuneError
from paretune.observation import (
    Checkpoint,
    Directive,
    FailureReason,
    Observation,
    Outcome,
    OutcomeKind,
    Suggestion,
)
from paretune.parameters import Assignments, Scalar, unknown_name

if TYPE_CHECKING:
    from paretune.client import Client

log = logging.getLogger("paretune")

RELEASE_PATIENCE = 5.0
"""Seconds to try to hand a lease back; it expires by itself when that fails."""


class Trial:
    """One suggestion being trained; a background thread keeps its lease.

    Attributes:
        suggestion: what is trained, with its provenance.
        assignments: the value of every active parameter, by name; also ``trial["lr"]``.
        metadata: free notes that go with the report.
        observation: what was recorded; None so far.
    """

    def __init__(
        self,
        client: "Client",
        suggestion: Suggestion,
        *,
        ttl: float,
        patience: float,
        on_end: Callable[["Trial"], None] = lambda trial: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._patience, self._on_end = client, patience, on_end
        self.suggestion = suggestion
        self.assignments: Assignments = dict(suggestion.assignments)
        self.metadata: dict[str, str] = {}
        self.observation: Observation | None = None
        self.crash: BaseException | None = None
        self.entered = False
        self.ended = False
        self._refused: BaseException | None = None
        self._start_time = now()
        self._fence = suggestion.lease.fence if suggestion.lease else ""
        self._lease = KeptLease(client, suggestion.id, self._fence, ttl)
        # A trial that is dropped without a report must not keep its lease for ever.
        weakref.finalize(self, self._lease.stop).atexit = False

    def __repr__(self) -> str:
        return f"Trial({self.suggestion.id!r}, {self.assignments})"

    def __getitem__(self, parameter: str) -> Scalar:
        """The value of an active parameter."""
        if parameter in self.assignments:
            return self.assignments[parameter]
        raise KeyError(unknown_name("active parameter", parameter, self.assignments))

    @property
    def should_stop(self) -> bool:
        """Whether training on is of no use: stopped early, cancelled, or the lease was lost."""
        return self._lease.lost.is_set() or self._lease.directive in (
            Directive.STOP_EARLY,
            Directive.CANCEL,
        )

    @property
    def lost(self) -> bool:
        """Whether the suggestion is not ours any more."""
        return self._lease.lost.is_set()

    # Reports

    def observe(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> Observation:
        """Report the metric vector: ``trial.observe(accuracy=0.97, inference_ms=(1.8, 0.05))``.

        Args:
            values: metric -> value, or (value, standard error); for names that are no identifiers.
            named: the same by keyword.

        Raises:
            InvalidArgument: unknown or missing metrics, or a value that is not finite.
            FailedPrecondition: the lease was lost, or the trial was reported before.
        """
        return self._report({**(values or {}), **named}, Outcome())

    def stopped_early(
        self, step: int, values: Mapping[str, Any] | None = None, /, **named: Any
    ) -> Observation:
        """Report a training that was stopped after `step`, with the metric vector then, as far as known."""
        return self._report({**(values or {}), **named}, Outcome(OutcomeKind.STOPPED_EARLY, step=step))

    def infeasible(
        self, reason: str, values: Mapping[str, Any] | None = None, /, **named: Any
    ) -> Observation:
        """Report that the configuration cannot work, such as "out of memory"; the model learns it."""
        outcome = Outcome(OutcomeKind.INFEASIBLE, reason, FailureReason.DECLARED)
        return self._report({**(values or {}), **named}, outcome)

    def crashed(self, error: BaseException | str) -> Observation:
        """Report a failure that says nothing about the configuration."""
        self.crash = error if isinstance(error, BaseException) else RuntimeError(error)
        outcome, notes = crash_report(error)
        self.metadata.update(notes)
        return self._report({}, outcome)

    def checkpoint(self, step: int, values: Mapping[str, Any] | None = None, /, **named: Any) -> Directive:
        """Record the metric vector after `step`; gives what to do next.

        A checkpoint that cannot be delivered within the client's timeout is left out: it is not worth a
        training.

        Raises:
            InvalidArgument: an unknown metric, or a value that is not finite.
        """
        vector = self._values({**(values or {}), **named})
        try:
            self._lease.directive = self._client.record_checkpoints(
                self.suggestion.id, self._fence, [Checkpoint(self.suggestion.id, step, vector)]
            )
        except (FailedPrecondition, NotFound):
            self._lease.lost.set()
            return Directive.CANCEL
        except InvalidArgument as error:
            self._refused = error
            raise
        except ParetuneError as error:
            log.warning("checkpoint %d of %s is left out: %s", step, self.suggestion.id, error)
        return self._lease.directive

    def release(self) -> None:
        """Hand the suggestion back, for somebody else to train."""
        if self.ended:
            return
        self._end()
        try:
            self._client.release(self.suggestion.id, self._fence, patience=RELEASE_PATIENCE)
        except (ParetuneError, ValueError) as error:
            log.info("%s was not released, its lease will expire: %s", self.suggestion.id, error)

    def _values(self, values: Mapping[str, Any]) -> Any:
        try:
            return report.metric_values(values)
        except report.NotFinite:
            raise
        except InvalidArgument as error:
            self._refused = error
            raise

    def _report(self, values: Mapping[str, Any], outcome: Outcome) -> Observation:
        if self.ended:
            raise FailedPrecondition(
                f"{self.suggestion.id} was reported or released before; report a trial once.",
                reason="SUGGESTION_FINISHED",
            )
        observation, fence = report.observation_of(
            self.suggestion.experiment_id,
            self.suggestion,
            {value.metric: value for value in self._values(values)},
            outcome,
            self.metadata,
            self._start_time,
        )
        try:
            self.observation = self._client.observe(observation, fence=fence, patience=self._patience)
        except (FailedPrecondition, NotFound):
            self._lease.lost.set()
            raise
        except ParetuneError as error:
            self._refused = error
            raise
        self._end()
        return self.observation

    def _end(self) -> None:
        self.ended = True
        self._lease.stop()
        self._on_end(self)

    # The block

    def __enter__(self) -> Self:
        if self.ended:
            raise FailedPrecondition(
                f"{self.suggestion.id} was reported before, or released because its loop was left: keep what "
                "trials() gives in a variable while you train.",
                reason="SUGGESTION_FINISHED",
            )
        self.entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self.ended:
            return False
        if self.lost and (error is None or isinstance(error, Exception)):
            log.warning("%s belongs to somebody else now; its result is dropped", self.suggestion.id)
            self._end()
            return True
        if error is None:
            self.release()
            raise not_reported(self)
        if not isinstance(error, Exception) or error is self._refused:
            self.release()
            return False
        return self._crash(error)

    def _crash(self, error: Exception) -> bool:
        log.warning("%s crashed and is recorded so: %s", self.suggestion.id, crash_report(error)[0].reason)
        try:
            self.crashed(error)
        except (FailedPrecondition, NotFound):
            self._end()  # the lease was lost meanwhile: nothing to record
        return True


def not_reported(trial: Trial) -> FailedPrecondition:
    """The error of a trial that was left without a report."""
    return FailedPrecondition(
        f"{trial.suggestion.id} was left without a report. Inside `with trial:` call trial.observe(...), "
        "trial.infeasible(...) or trial.release().",
        reason="TRIAL_NOT_REPORTED",
        metadata={"suggestion": trial.suggestion.id},
    )


def crash_report(error: BaseException | str) -> tuple[Outcome, dict[str, str]]:
    """The outcome that an exception means, and notes: the last lines of its traceback."""
    if isinstance(error, str):
        return Outcome(OutcomeKind.CRASHED, error or "unknown"), {}
    failure = FailureReason.EXCEPTION
    if isinstance(error, report.NotFinite):
        failure = FailureReason.NOT_FINITE
    elif isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's own
        failure = FailureReason.OUT_OF_MEMORY
    elif isinstance(error, TimeoutError):
        failure = FailureReason.TIMEOUT
    text = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_tb(error.__traceback__))
    return Outcome(OutcomeKind.CRASHED, _clean(text[:2000]), failure), {"traceback": _clean(trace[-4000:])}


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()
