"""The pull loop: lease a suggestion, train it, report it, again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final, Protocol

from paretune.errors import (
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    NotFound,
    ParetuneError,
    PermissionDenied,
    Unauthenticated,
)
from paretune.experiment import Experiment
from paretune.observation import Observation, OutcomeKind, Suggestion
from paretune.rpc.channel import new_request_id
from paretune_trainer.ending import CannotStart, Listener
from paretune_trainer.job import seed_of
from paretune_trainer.leasing import LeaseClient, LeaseKeeper
from paretune_trainer.node import Node, Run, Task
from paretune_trainer.placement import Seat
from paretune_trainer.recording import CALL_SECONDS, RecordClient, backoff, record
from paretune_trainer.rota import ExperimentClient, Rota
from paretune_trainer.schema import CannotRun, check
from paretune_trainer.verdict import Verdict

log = logging.getLogger("paretune.trainer")

_TURNED_AWAY_SECONDS: Final = 10.0  # between tries with a token that is refused: it may be replaced
_ANSWER_SECONDS: Final = 2.0
_TROUBLE_SECONDS: Final = 5.0  # an experiment rests so long when something went wrong
_REST_SECONDS: Final = {"BUDGET_EXHAUSTED": 1.0, "SPACE_EXHAUSTED": 30.0, "EXPERIMENT_NOT_ACTIVE": 1.0}


class WorkerClient(ExperimentClient, LeaseClient, RecordClient, Protocol):
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


class Workers:
    """One thread per slot, each leasing, training and reporting one suggestion at a time.

    Args:
        node: where trials run.
        client: how Optimizer and Store are reached.
    """

    def __init__(self, node: Node, client: WorkerClient) -> None:
        self._node, self._client = node, client
        self._rota = Rota(client, node.config.experiments, project=node.config.project, unable=node.unable)
        self._stopping = threading.Event()
        self._giving_up = threading.Event()
        self._changed = threading.Condition()
        self._asking = self._training = 0  # slots that ask for a suggestion, and that hold one
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
            Whether no slot holds a suggestion any more.
        """
        self._stopping.set()
        self._node.draining.set()
        with self._changed:
            # Who only asks may have to wait long for an answer; the lease that it brings would expire.
            self._changed.wait_for(lambda: not self._asking, _ANSWER_SECONDS)
            self._changed.wait_for(lambda: not self._training, grace)
            self._giving_up.set()
            self._node.cancel_all()
            return self._changed.wait_for(lambda: not self._training, hurry)

    @contextmanager
    def _counted(self, what: str) -> Iterator[None]:
        """Let `stop` know that this slot is asking or training."""
        with self._changed:
            setattr(self, what, getattr(self, what) + 1)
        try:
            yield
        finally:
            with self._changed:
                setattr(self, what, getattr(self, what) - 1)
                self._changed.notify_all()

    def _work(self) -> None:
        while not self._stopping.is_set():
            worked, pause = False, self._node.config.poll
            try:
                if not self._node.draining.is_set():
                    worked = self._turn()
            except (Unauthenticated, PermissionDenied) as error:
                log.error("this node is turned away: %s", error)
                pause = _TURNED_AWAY_SECONDS
            except ParetuneError as error:
                log.warning("no work to be had: %s", error)
            except Exception:
                # A slot that died silently would be worse than anything that can be wrong here.
                log.exception("unexpected error; the slot goes on")
            if not worked:
                self._stopping.wait(pause)

    def _turn(self) -> bool:
        """Work for the experiment whose turn it is; whether there was something to do."""
        experiment = self._rota.next()
        if experiment is None:
            return False
        try:
            task = self._task(experiment)
            with self._node.slot(task) as seat:
                self._node.prepare(task)
                with ExitStack() as held:
                    with self._counted("_asking"):
                        leased = self._lease(experiment)
                        if leased is None:
                            return False
                        held.enter_context(self._counted("_training"))
                    try:
                        return self._train(experiment, task, seat, *leased)
                    except Exception:  # whatever it was, nobody works on it now
                        self._release(leased[0])
                        raise
        except FailedPrecondition:  # no free slot: somebody runs something by hand
            return False
        except CannotRun as error:
            self._rota.refuse(experiment, str(error))
        except (CannotStart, OSError) as error:
            log.error("%s", error)
            self._rota.rest(experiment, _TROUBLE_SECONDS)
        except Exception:
            self._rota.rest(experiment, _TROUBLE_SECONDS)
            raise
        finally:
            self._rota.done(experiment)
        return False

    @staticmethod
    def _task(experiment: Experiment) -> Task:
        if experiment.workload is None:
            raise CannotRun("It names no workload.")
        workload = replace(experiment.workload, settings=experiment.settings)
        metrics = [metric.name for metric in experiment.metrics]
        target = check(workload, [parameter.name for parameter in experiment.space], metrics)
        return Task(workload, target, {}, 0, metrics, experiment.id)

    def _lease(self, experiment: Experiment) -> tuple[Suggestion, bool] | None:
        """A suggestion, and whether its lease may be old; None when there is none to be had."""
        request_id = new_request_id()
        for attempt, pause in enumerate(backoff()):
            try:
                found = self._client.suggest(
                    experiment.id,
                    1,
                    worker=self._node.config.worker,
                    within_budget=True,
                    request_id=request_id,
                    patience=CALL_SECONDS,
                )
                return (found[0], attempt > 0) if found else None
            except FailedPrecondition as error:
                self._rota.rest(experiment, _REST_SECONDS.get(error.reason, _TROUBLE_SECONDS))
                return None
            except (NotFound, InvalidArgument, InternalError) as error:
                log.warning("experiment %s: no suggestion: %s", experiment.id, error)
                self._rota.rest(experiment, _TROUBLE_SECONDS)
                return None
            except ParetuneError as error:
                log.warning("experiment %s: no suggestion yet: %s", experiment.id, error)
            if self._stopping.wait(pause):
                return None
        return None

    def _train(
        self, experiment: Experiment, task: Task, seat: Seat, suggestion: Suggestion, old_lease: bool
    ) -> bool:
        """Train one suggestion and see to it that this is known; whether something was recorded."""
        task = replace(
            task,
            parameters=suggestion.assignments,
            seed=seed_of(experiment.seed, suggestion.ordinal),
            suggestion_id=suggestion.id,
        )
        run = Run(task, seat=seat)
        if self._giving_up.is_set():
            run.steering.cancel()
        log.info("%s #%d starts (attempt %d)", experiment.id, suggestion.ordinal, suggestion.attempt)
        with self._kept(experiment, suggestion, run, old_lease) as keeper:
            verdict = self._node.train(run, Listener(step=keeper.add, output=keeper.output))
            if keeper.over:
                return False
            if verdict is None:
                self._release(suggestion)
                return False
            if verdict.not_run:
                raise CannotRun(verdict.not_run)
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

    def _report(self, experiment: Experiment, suggestion: Suggestion, run: Run, verdict: Verdict) -> bool:
        """Record the result; whether it was."""
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
        recorded = record(self._client, observation, suggestion, self._giving_up)
        if recorded is None:
            return False
        outcome = recorded.outcome
        log.info("%s #%d %s %s", experiment.id, suggestion.ordinal, outcome.kind.name, outcome.reason)
        self._rota.ran(experiment, crashed=outcome.kind is OutcomeKind.CRASHED)
        return True
