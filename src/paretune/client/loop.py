"""The loop over an experiment's trials: suggest, train, report, until the budget is filled.

Any number of loops, in threads, processes and machines, may work on one experiment at the same time: the
Store counts the budget. Running a loop again resumes where the experiment is.
"""

import logging
import random
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

from paretune.client.call import default_worker
from paretune.client.trial import Trial, not_reported
from paretune.errors import FailedPrecondition
from paretune.observation import Suggestion

if TYPE_CHECKING:
    from paretune.client.handle import ExperimentHandle

log = logging.getLogger("paretune")

PATIENCE = 300.0
"""Seconds for which a loop goes on trying while the services do not answer."""

MAX_CRASHES = 10
"""Crashes in a row after which a loop gives up: something is wrong with the code, not with one trial."""

LONGEST_POLL = 5.0


class TrialLoop:
    """Gives trials one by one, with at most `parallelism` of them unfinished at any time.

    Args:
        handle: the experiment.
        parallelism: trials that may be open at once; above 1 the body hands each to a thread.
        worker: name of the holder of the leases.
        patience: seconds to go on trying while the services do not answer.
        max_crashes: crashes in a row after which to give up.
    """

    def __init__(
        self,
        handle: "ExperimentHandle",
        parallelism: int = 1,
        *,
        worker: str | None = None,
        patience: float = PATIENCE,
        max_crashes: int = MAX_CRASHES,
    ) -> None:
        self._handle, self._parallelism, self._patience = handle, max(parallelism, 1), patience
        self._worker = worker or default_worker()
        self._max_crashes = max_crashes
        self._changed = threading.Condition()
        self._open: list[Trial] = []
        self._crashes: list[Trial] = []
        self._stopped = False
        self._jitter = random.Random()  # noqa: S311 - spreads polls over time, nothing else

    def __iter__(self) -> Generator[Trial, None, None]:
        """Trials until the budget is filled or the experiment gives no more.

        Raises:
            FailedPrecondition: TRIAL_NOT_REPORTED or TOO_MANY_CRASHES.
            Unavailable: the services did not come back in time.
        """
        while True:
            self._wait_for_room()
            suggestion = self._next()
            if suggestion is None:
                return
            trial = Trial(
                self._handle.client,
                suggestion,
                ttl=self._handle.experiment.lease_policy.ttl,
                patience=self._patience,
                on_end=self._ended,
            )
            with self._changed:
                if not trial.ended:
                    self._open.append(trial)
            try:
                yield trial
            finally:
                left = self._parallelism == 1 and not trial.entered and not trial.ended
                if left:
                    trial.release()
            if left:
                raise not_reported(trial)

    def stop(self) -> None:
        """Wait no longer, for room or for what others hold: whoever waits is let go without a trial."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _ended(self, trial: Trial) -> None:
        with self._changed:
            if trial in self._open:
                self._open.remove(trial)
            if trial.crash is not None:
                self._crashes.append(trial)
            elif trial.observation is not None:
                self._crashes.clear()
            self._changed.notify_all()

    def _wait_for_room(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._open) < self._parallelism)
            if len(self._crashes) >= self._max_crashes:
                last = self._crashes[-1]
                raise FailedPrecondition(
                    f"{len(self._crashes)} trials in a row crashed, the last one with {last.crash!r}. "
                    "Mend the training, then run the loop again: it resumes.",
                    reason="TOO_MANY_CRASHES",
                    metadata={"crashes": str(len(self._crashes))},
                ) from last.crash

    def _next(self) -> Suggestion | None:
        poll = 0.1
        while not self._stopped:
            try:
                return self._handle.client.suggest(
                    self._handle.id, worker=self._worker, within_budget=True, patience=self._patience
                )[0]
            except FailedPrecondition as error:
                if not self._more_may_come(error):
                    return None
            with self._changed:
                if not self._stopped:
                    self._changed.wait(poll * self._jitter.uniform(0.5, 1.0))
            poll = min(poll * 1.6, LONGEST_POLL)
        return None

    def _more_may_come(self, error: FailedPrecondition) -> bool:
        """Whether the refusal may pass: others still hold the last suggestions and may fail."""
        if error.reason == "BUDGET_EXHAUSTED":
            return int(error.metadata.get("observed", 0)) < int(error.metadata.get("budget", 0))
        if error.reason == "EXPERIMENT_NOT_ACTIVE":
            state = error.metadata.get("state", "not active")
            log.warning("%s gives no more trials: it is %s", self._handle.id, state)
            return False
        if error.reason == "SPACE_EXHAUSTED":
            return False
        raise error
