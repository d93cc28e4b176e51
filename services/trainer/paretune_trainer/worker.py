"""The pull loop: lease a suggestion, train it, report it, again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from paretune.errors import (
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    NotFound,
    ParetuneError,
)
from paretune.experiment import Experiment
from paretune.observation import FailureReason, Observation, Outcome, OutcomeKind, Suggestion
from paretune.rpc.channel import new_request_id
from paretune_trainer.job import seed_of
from paretune_trainer.leasing import LeaseClient, LeaseKeeper
from paretune_trainer.node import Node, Run, Task
from paretune_trainer.rota import ExperimentClient, Rota
from paretune_trainer.runner import CannotStart, Listener
from paretune_trainer.schema import CannotRun, check
from paretune_trainer.verdict import Verdict

log = logging.getLogger("paretune.trainer")

_CALL_SECONDS: Final = 10.0
_BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_REST_SECONDS: Final = {"BUDGET_EXHAUSTED": 1.0, "SPACE_EXHAUSTED": 30.0, "EXPERIMENT_NOT_ACTIVE": 1.0}


class WorkerClient(ExperimentClient, LeaseClient, Protocol):
    """What is needed of `paretune.client.Client`."""

    def suggest(
        self,
        experiment_id: str,
        count: int = 1,
        *,
        worker: str | None = None,
        within_budget: bool = False,
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Sequence[Suggestion]:
        """Lease suggestions."""
        ...

    def release(self, suggestion_id: str, fence: str, *, patience: float | None = None) -> object:
        """Hand a suggestion back."""
        ...

    def observe(
        self,
        observation: Observation,
        *,
        fence: str = "",
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Observation:
        """Record a result."""
        ...


class Workers:
    """One thread per slot, each leasing, training and reporting one suggestion at a time.

    Args:
        node: where trials run.
        client: how Optimizer and Store are reached.
    """

    def __init__(self, node: Node, client: WorkerClient) -> None:
        self._node, self._client = node, client
        self._rota = Rota(client, node.config.experiments)
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"slot-{number}", daemon=True)
            for number in range(1, node.config.slots + 1)
        ]

    def start(self) -> None:
        """Begin to look for work."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace: float, hurry: float = 8.0) -> bool:
        """Take no more work; hand back what has not ended after `grace` seconds.

        Args:
            grace: seconds for running trials to end by themselves.
            hurry: further seconds for handing back.

        Returns:
            Whether every slot came to rest.
        """
        self._stopping.set()
        self._node.draining.set()
        self._join(grace)
        self._giving_up.set()
        self._node.cancel_all()
        return self._join(hurry)

    def _join(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._stopping.is_set():
            worked = False
            try:
                if not self._node.draining.is_set():
                    worked = self._turn()
            except ParetuneError as error:
                log.warning("no work to be had: %s", error)
            except Exception:
                # A slot that died silently would be worse than anything that can be wrong here.
                log.exception("unexpected error; the slot goes on")
            if not worked:
                self._stopping.wait(self._node.config.poll)

    def _turn(self) -> bool:
        """Work for the experiment whose turn it is; whether there was something to do."""
        experiment = self._rota.next()
        if experiment is None:
            return False
        try:
            with self._node.slot():
                task = self._task(experiment)
                self._node.prepare(task)
                leased = self._lease(experiment)
                if leased is None:
                    return False
                return self._train(experiment, task, *leased)
        except FailedPrecondition:  # no free slot: somebody runs something by hand
            return False
        except CannotRun as error:
            self._rota.refuse(experiment, str(error))
        except CannotStart as error:
            log.error("%s", error)
            self._rota.rest(experiment, 5.0)
        finally:
            self._rota.done(experiment)
        return False

    @staticmethod
    def _task(experiment: Experiment) -> Task:
        if experiment.workload is None:
            raise CannotRun("It names no workload.")
        metrics = [metric.name for metric in experiment.metrics]
        target = check(experiment.workload, [parameter.name for parameter in experiment.space], metrics)
        return Task(experiment.workload, target, {}, 0, metrics, experiment.id)

    def _lease(self, experiment: Experiment) -> tuple[Suggestion, bool] | None:
        """A suggestion, and whether its lease may be old; None when there is none to be had."""
        request_id = new_request_id()
        for attempt, pause in enumerate(self._backoff()):
            try:
                found = self._client.suggest(
                    experiment.id,
                    1,
                    worker=self._node.config.worker,
                    within_budget=True,
                    request_id=request_id,
                    patience=_CALL_SECONDS,
                )
                return (found[0], attempt > 0) if found else None
            except FailedPrecondition as error:
                self._rota.rest(experiment, _REST_SECONDS.get(error.reason, 5.0))
                return None
            except (NotFound, InvalidArgument, InternalError) as error:
                log.warning("experiment %s: no suggestion: %s", experiment.id, error)
                self._rota.rest(experiment, 5.0)
                return None
            except ParetuneError as error:
                log.warning("experiment %s: no suggestion yet: %s", experiment.id, error)
            if self._stopping.wait(pause):
                return None
        return None

    @staticmethod
    def _backoff() -> Iterator[float]:
        yield from _BACKOFF_SECONDS
        while True:
            yield _BACKOFF_SECONDS[-1]

    def _train(self, experiment: Experiment, task: Task, suggestion: Suggestion, old_lease: bool) -> bool:
        """Train one suggestion and see to it that this is known; whether something was recorded."""
        task = replace(
            task,
            parameters=suggestion.assignments,
            seed=seed_of(experiment.seed, suggestion.ordinal),
            suggestion_id=suggestion.id,
        )
        run = Run(task)
        if self._giving_up.is_set():
            run.steering.cancel()
        log.info("%s #%d starts (attempt %d)", experiment.id, suggestion.ordinal, suggestion.attempt)
        with self._kept(experiment, suggestion, run, old_lease) as keeper:
            try:
                verdict = self._node.train(run, Listener(step=keeper.add))
            except CannotStart:
                self._release(suggestion)
                raise
            if keeper.over:
                return False
            if verdict is None or verdict.not_run:
                self._release(suggestion)
                if verdict:
                    raise CannotRun(verdict.not_run)
                return False
            keeper.flush(patience=2.0)
            return self._report(experiment, suggestion, run, verdict)

    @contextmanager
    def _kept(
        self, experiment: Experiment, suggestion: Suggestion, run: Run, old_lease: bool
    ) -> Iterator[LeaseKeeper]:
        keeper = LeaseKeeper(
            self._client,
            suggestion,
            experiment.lease_policy.ttl,
            [metric.name for metric in experiment.metrics],
            run.steering,
            beat_at_once=old_lease,
        )
        try:
            yield keeper
        finally:
            keeper.stop()

    def _release(self, suggestion: Suggestion) -> None:
        """Hand back, as well as it goes: what is not handed back expires."""
        fence = suggestion.lease.fence if suggestion.lease else ""
        try:
            self._client.release(suggestion.id, fence, patience=3.0)
            log.info("suggestion %s is handed back", suggestion.id)
        except ParetuneError as error:
            log.info("suggestion %s could not be handed back and will expire: %s", suggestion.id, error)

    def _report(
        self,
        experiment: Experiment,
        suggestion: Suggestion,
        run: Run,
        verdict: Verdict,
    ) -> bool:
        """Record the result, however long that takes: a finished training is never dropped for an outage."""
        observation = Observation(
            assignments=suggestion.assignments,
            values=verdict.values,
            outcome=verdict.outcome,
            experiment_id=experiment.id,
            suggestion_id=suggestion.id,
            metadata=verdict.metadata,
            worker=self._node.config.worker,
            attempt=suggestion.attempt,
            start_time=run.start_time,
        )
        request_id, fence = new_request_id(), suggestion.lease.fence if suggestion.lease else ""
        refused = False
        for pause in self._backoff():
            try:
                self._client.observe(observation, fence=fence, request_id=request_id, patience=_CALL_SECONDS)
            except (FailedPrecondition, NotFound) as error:
                log.warning("the result of %s is not wanted any more: %s", suggestion.id, error)
                return False
            except InvalidArgument as error:
                log.error("the result of %s was refused: %s", suggestion.id, error)
                if refused:
                    return False
                # Once more, as what can always be recorded: that it was no usable result, and why.
                refused, request_id = True, new_request_id()
                observation = replace(observation, values=(), metadata={}, outcome=_refused(error))
            except ParetuneError as error:
                log.warning("the result of %s waits to be recorded: %s", suggestion.id, error)
                if self._giving_up.wait(pause):
                    log.error("the result of %s is lost: the node has to stop", suggestion.id)
                    return False
            else:
                break
        outcome = observation.outcome
        log.info("%s #%d %s %s", experiment.id, suggestion.ordinal, outcome.kind.name, outcome.reason)
        self._rota.ran(experiment, crashed=outcome.kind is OutcomeKind.CRASHED)
        return True


def _refused(error: InvalidArgument) -> Outcome:
    reason = f"The Store refused the result: {error}"[:1000]
    return Outcome(OutcomeKind.CRASHED, reason, FailureReason.NO_RESULT)
