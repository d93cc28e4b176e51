"""The client for scripts and services: every verb of paretune as a blocking call.

    with Client("127.0.0.1:50051") as client:
        experiment = client.create_experiment(name="digits", parameters=[...], metrics=[...])

All verbs take and give the frozen values of the vocabulary. A call is retried with the same request until it
is answered or its time is up, so that each happens once, also when a service restarts meanwhile.

Errors of every verb: `Unavailable` (nobody answers there), `DeadlineExceeded` (no answer in time),
`ResourceExhausted` (overload); those that say something about the arguments are listed at the verb.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from paretune.client import calls
from paretune.client.call import WATCH_PAUSE, Call, Pages, Retries, pause_of_watch, with_advice
from paretune.client.calls import Heartbeat
from paretune.client.handle import ExperimentHandle
from paretune.client.insight_verbs import InsightVerbs
from paretune.client.new_experiment import from_fields, same_search
from paretune.client.record_verbs import RecordVerbs
from paretune.errors import AlreadyExists, ParetuneError, ResourceExhausted, Unavailable
from paretune.experiment import Experiment, ExperimentState
from paretune.observation import (
    Event,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Scalar
from paretune.rpc import tracing
from paretune.rpc.channel import DEFAULT_TIMEOUT, open_channel
from paretune.rpc.credentials import Credentials
from paretune.rpc.replicas import Replicas
from paretune.rpc.status import translated

T = TypeVar("T")

log = logging.getLogger("paretune")

DEFAULT_ADDRESS = "127.0.0.1:50051"


class Client(RecordVerbs, InsightVerbs):
    """A connection to one Optimizer, whose port also serves the Store. Safe to share between threads.

    Args:
        address: ``host:port`` or ``unix:path`` of the Optimizer; several with commas, see
            `paretune.rpc.replicas`.
        timeout: seconds until a call gives up.
        credentials: token, CA and certificate; default: what the environment says (PARETUNE_TOKEN, ...).
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        credentials: Credentials | None = None,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self._closed = False
        tracing.start_client()
        self.credentials = Credentials.from_environment() if credentials is None else credentials
        # `run` retries, and for longer.
        self._replicas = Replicas(address, partial(open_channel, retries=False, credentials=self.credentials))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.address!r})"

    def close(self) -> None:
        """Close the connection; calls under way end with an error."""
        self._closed = True
        for channel in self._replicas.channels.values():
            channel.close()

    def run(self, call: Call[T], *, patience: float | None = None) -> T:
        """Run a call, trying again while the service does not answer, for `patience` seconds in all.

        Raises:
            ParetuneError: what the service said, or `Unavailable` or `DeadlineExceeded`.
        """
        if self._closed:
            raise Unavailable("This client is closed; open a new one.", reason="CLIENT_CLOSED")
        limit = self.timeout if patience is None else patience
        retries, begin, metadata = Retries(limit), time.monotonic(), self.credentials.metadata()
        while True:
            left = max(begin + limit - time.monotonic(), 0.001)
            address, channel = self._replicas.pick(call.request)
            invoke = channel.unary_unary(
                call.method, call.request.__class__.SerializeToString, call.reply.FromString
            )
            try:
                with translated(), tracing.trial(call.request) as trial:
                    reply = invoke(call.request, timeout=min(left, self.timeout), metadata=metadata)
                    trial.follow(reply)
                    return call.read(reply)
            except ParetuneError as error:
                elapsed = time.monotonic() - begin
                self._replicas.failed(address, error)
                time.sleep(retries.delay(with_advice(error, address, self.address, elapsed), elapsed))

    def stream(self, call: Call[T], *, timeout: float) -> Iterator[T]:
        """What the replies of a streaming call mean, one by one; it must end within `timeout` seconds.

        Raises:
            ParetuneError: what the service said, or `Unavailable`; nothing is tried again.
        """
        invoke = self._replicas.pick(call.request)[1].unary_stream(
            call.method, call.request.__class__.SerializeToString, call.reply.FromString
        )
        with translated():
            for reply in invoke(call.request, timeout=timeout, metadata=self.credentials.metadata()):
                yield call.read(reply)

    def _all(self, pages: Pages[T]) -> Iterator[T]:
        token = ""
        while True:
            items, token = self.run(pages.page(token))
            yield from items
            if not token:
                return

    # Experiments

    def create_experiment(
        self,
        experiment: Experiment | None = None,
        *,
        exist_ok: bool = False,
        request_id: str | None = None,
        **fields: Any,
    ) -> ExperimentHandle:
        """Record an experiment, given whole or as the fields of `paretune.client.new_experiment`.

        With `exist_ok` an experiment of the same `id`, parameters and metrics is resumed as it is.

        Raises:
            InvalidArgument: with the path of every offending field.
            AlreadyExists: the chosen id is taken, or taken by another search.
        """
        new = experiment or from_fields(fields)
        try:
            return ExperimentHandle(self, self.run(calls.create_experiment(new, request_id)))
        except AlreadyExists:
            if not exist_ok:
                raise
        return ExperimentHandle(self, same_search(self.get_experiment(new.id), new))

    def experiment(self, experiment_id: str) -> ExperimentHandle:
        """A handle on a recorded experiment.

        Raises:
            NotFound: there is none with this id.
        """
        return ExperimentHandle(self, self.get_experiment(experiment_id))

    def get_experiment(self, experiment_id: str) -> Experiment:
        """The experiment as it is now, with its progress.

        Raises:
            NotFound: there is none with this id.
        """
        return self.run(calls.get_experiment(experiment_id))

    def list_experiments(
        self,
        states: Iterable[ExperimentState] = (),
        labels: Mapping[str, str] | None = None,
        name: str = "",
        project: str = "",
    ) -> Iterator[Experiment]:
        """Experiments, newest first: in these states (default: all but ARCHIVED), with these labels."""
        return self._all(calls.list_experiments(states, labels, name, project))

    def update_experiment(
        self, experiment_id: str, *, etag: str = "", request_id: str | None = None, **changes: Any
    ) -> Experiment:
        """Change some fields of an experiment.

        These are name, observation_budget, parallelism, remeasure, lease_policy, metadata, labels, state
        and metrics (thresholds and units).

        Raises:
            InvalidArgument: another field, or a value that is not allowed.
            NotFound: there is none with this id.
            Aborted: `etag` is not the current one.
        """
        return self.run(calls.update_experiment(experiment_id, etag, changes, request_id))

    def delete_experiment(self, experiment_id: str, *, etag: str = "", request_id: str | None = None) -> None:
        """Remove the experiment with everything recorded in it.

        Raises:
            NotFound: there is none with this id.
            Aborted: `etag` is not the current one.
        """
        self.run(calls.delete_experiment(experiment_id, etag, request_id))

    # Suggestions

    def suggest(
        self,
        experiment_id: str,
        count: int = 1,
        *,
        worker: str | None = None,
        within_budget: bool = False,
        compute_limit: float | None = None,
        request_id: str | None = None,
        patience: float | None = None,
    ) -> list[Suggestion]:
        """Configurations to train next, leased by `worker` (default: this host, process and thread).

        Args:
            experiment_id: the experiment.
            count: how many, 1 to 1000; fewer come when a budget or a finite space leaves fewer.
            worker: name of the holder of the leases.
            within_budget: refuse rather than go past the observation budget.
            compute_limit: seconds that the Optimizer may compute (default 5).
            request_id: makes the call happen once, however often it is sent.
            patience: seconds to go on trying while nobody answers (default: the client's timeout).

        Raises:
            NotFound: there is no such experiment.
            FailedPrecondition: EXPERIMENT_NOT_ACTIVE, BUDGET_EXHAUSTED or SPACE_EXHAUSTED.
        """
        call = calls.suggest(experiment_id, count, worker, within_budget, compute_limit, request_id)
        return self.run(call, patience=patience)

    def queue(
        self,
        experiment_id: str,
        assignments: Mapping[str, Scalar],
        metadata: Mapping[str, str] | None = None,
        *,
        request_id: str | None = None,
    ) -> Suggestion:
        """Queue a configuration of your own; the next worker gets it.

        Raises:
            InvalidArgument: the configuration is not in the search space.
            FailedPrecondition: EXPERIMENT_NOT_ACTIVE.
        """
        return self.run(calls.queue(experiment_id, assignments, metadata, request_id))

    def heartbeat(
        self, suggestion_id: str, fence: str, *, log_tail: str = "", patience: float | None = None
    ) -> Heartbeat:
        """Extend a lease; gives what the worker should do.

        Args:
            suggestion_id: what is trained.
            fence: of the lease.
            log_tail: the end of what the training printed, for people who watch: at most 16 KiB.
            patience: seconds to go on trying while nobody answers.

        Raises:
            FailedPrecondition: STALE_LEASE or SUGGESTION_FINISHED: stop, the work is not yours any more.
        """
        return self.run(calls.heartbeat(suggestion_id, fence, log_tail), patience=patience)

    def release(
        self,
        suggestion_id: str,
        fence: str,
        *,
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Suggestion:
        """Hand a leased suggestion back, to be queued again.

        Raises:
            FailedPrecondition: STALE_LEASE or SUGGESTION_FINISHED.
        """
        return self.run(calls.release(suggestion_id, fence, request_id), patience=patience)

    def cancel(self, suggestion_id: str, *, request_id: str | None = None) -> Suggestion:
        """Withdraw a suggestion; its worker is told with the next heartbeat.

        Raises:
            FailedPrecondition: SUGGESTION_FINISHED.
        """
        return self.run(calls.cancel(suggestion_id, request_id))

    def stop(
        self, suggestion_id: str, reason: str, *, attempt: int = 0, request_id: str | None = None
    ) -> Suggestion:
        """Ask the holder of a suggestion to stop at its next step and to report what it has.

        Raises:
            FailedPrecondition: SUGGESTION_FINISHED, or STALE_LEASE when nobody or another attempt holds it.
        """
        return self.run(calls.stop(suggestion_id, reason, attempt, request_id))

    def get_suggestion(self, suggestion_id: str) -> Suggestion:
        """One suggestion as it is now."""
        return self.run(calls.get_suggestion(suggestion_id))

    def list_suggestions(
        self, experiment_id: str, states: Iterable[SuggestionState] = ()
    ) -> Iterator[Suggestion]:
        """Suggestions by ordinal, in these states (default: all)."""
        return self._all(calls.list_suggestions(experiment_id, states))

    # Events

    def watch(
        self, experiment_id: str, resume_token: str = "", skip_checkpoints: bool = False
    ) -> Iterator[Event]:
        """Everything that happens in an experiment, from its beginning, and then live, without end.

        When the service restarts, or has no room for it for a while, the stream goes on after the last event
        that was seen.

        Raises:
            NotFound: there is no such experiment.
            Unavailable: the service did not come back within the client's timeout.
        """
        while True:
            self.get_experiment(experiment_id)  # waits for a service, and says so when there is none
            call = calls.watch(experiment_id, resume_token, skip_checkpoints)
            address, channel = self._replicas.pick(call.request)
            invoke = channel.unary_stream(
                call.method, call.request.__class__.SerializeToString, call.reply.FromString
            )
            stream = invoke(call.request, metadata=self.credentials.metadata())
            pause = WATCH_PAUSE
            try:
                with translated():
                    for reply in stream:
                        yield from call.read(reply)
                        resume_token = reply.resume_token or resume_token
            except (Unavailable, ResourceExhausted) as error:
                self._replicas.failed(address, error)
                log.info("the stream of %s broke off and is resumed: %s", experiment_id, error)
                pause = pause_of_watch(error)
            finally:
                stream.cancel()
            time.sleep(pause)
