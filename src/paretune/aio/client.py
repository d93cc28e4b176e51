"""`AsyncClient`: the verbs of `paretune.Client`, awaited."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from paretune.aio.handle import AsyncExperimentHandle
from paretune.aio.insight_verbs import AsyncInsightVerbs
from paretune.client import DEFAULT_ADDRESS, Client, calls
from paretune.client.call import WATCH_PAUSE, Call, Pages, Retries, pause_of_watch, with_advice
from paretune.client.calls import Heartbeat
from paretune.client.new_experiment import from_fields, same_search
from paretune.errors import AlreadyExists, ParetuneError, ResourceExhausted, Unavailable
from paretune.experiment import Experiment, ExperimentState
from paretune.observation import (
    Checkpoint,
    Directive,
    Event,
    Observation,
    Outcome,
    OutcomeKind,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Scalar
from paretune.rpc import tracing
from paretune.rpc.channel import DEFAULT_TIMEOUT, open_async_channel
from paretune.rpc.credentials import Credentials
from paretune.rpc.replicas import Replicas
from paretune.rpc.status import translated

T = TypeVar("T")

log = logging.getLogger("paretune")


class AsyncClient(AsyncInsightVerbs):
    """A connection to one Optimizer, for one event loop; the verbs of `Client`."""

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
        self._replicas = Replicas(
            address, partial(open_async_channel, retries=False, credentials=self.credentials)
        )
        self._blocking: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.address!r})"

    async def close(self) -> None:
        """Close the connection; calls under way end with an error."""
        self._closed = True
        for channel in self._replicas.channels.values():
            await channel.close()
        if self._blocking is not None:
            self._blocking.close()

    @property
    def blocking(self) -> Client:
        """A blocking client of the same address, for what lives in threads: leases, tables, pictures."""
        if self._blocking is None:
            self._blocking = Client(self.address, timeout=self.timeout, credentials=self.credentials)
        return self._blocking

    async def run(self, call: Call[T], *, patience: float | None = None) -> T:
        """Run a call as `Client.run` does."""
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
                    reply = await invoke(call.request, timeout=min(left, self.timeout), metadata=metadata)
                    trial.follow(reply)
                    return call.read(reply)
            except ParetuneError as error:
                elapsed = time.monotonic() - begin
                self._replicas.failed(address, error)
                await asyncio.sleep(
                    retries.delay(with_advice(error, address, self.address, elapsed), elapsed)
                )

    async def stream(self, call: Call[T], *, timeout: float) -> AsyncIterator[T]:
        """As `Client.stream`."""
        invoke = self._replicas.pick(call.request)[1].unary_stream(
            call.method, call.request.__class__.SerializeToString, call.reply.FromString
        )
        with translated():
            async for reply in invoke(call.request, timeout=timeout, metadata=self.credentials.metadata()):
                yield call.read(reply)

    async def _all(self, pages: Pages[T]) -> AsyncIterator[T]:
        token = ""
        while True:
            items, token = await self.run(pages.page(token))
            for item in items:
                yield item
            if not token:
                return

    # Experiments

    async def create_experiment(
        self,
        experiment: Experiment | None = None,
        *,
        exist_ok: bool = False,
        request_id: str | None = None,
        **fields: Any,
    ) -> AsyncExperimentHandle:
        """As `Client.create_experiment`."""
        new = experiment or from_fields(fields)
        try:
            return AsyncExperimentHandle(self, await self.run(calls.create_experiment(new, request_id)))
        except AlreadyExists:
            if not exist_ok:
                raise
        return AsyncExperimentHandle(self, same_search(await self.get_experiment(new.id), new))

    async def experiment(self, experiment_id: str) -> AsyncExperimentHandle:
        """As `Client.experiment`."""
        return AsyncExperimentHandle(self, await self.get_experiment(experiment_id))

    async def get_experiment(self, experiment_id: str) -> Experiment:
        """As `Client.get_experiment`."""
        return await self.run(calls.get_experiment(experiment_id))

    def list_experiments(
        self,
        states: Iterable[ExperimentState] = (),
        labels: Mapping[str, str] | None = None,
        name: str = "",
        project: str = "",
    ) -> AsyncIterator[Experiment]:
        """As `Client.list_experiments`."""
        return self._all(calls.list_experiments(states, labels, name, project))

    async def update_experiment(
        self, experiment_id: str, *, etag: str = "", request_id: str | None = None, **changes: Any
    ) -> Experiment:
        """As `Client.update_experiment`."""
        return await self.run(calls.update_experiment(experiment_id, etag, changes, request_id))

    async def delete_experiment(
        self, experiment_id: str, *, etag: str = "", request_id: str | None = None
    ) -> None:
        """As `Client.delete_experiment`."""
        await self.run(calls.delete_experiment(experiment_id, etag, request_id))

    # Suggestions

    async def suggest(
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
        """As `Client.suggest`."""
        call = calls.suggest(experiment_id, count, worker, within_budget, compute_limit, request_id)
        return await self.run(call, patience=patience)

    async def queue(
        self,
        experiment_id: str,
        assignments: Mapping[str, Scalar],
        metadata: Mapping[str, str] | None = None,
        *,
        request_id: str | None = None,
    ) -> Suggestion:
        """As `Client.queue`."""
        return await self.run(calls.queue(experiment_id, assignments, metadata, request_id))

    async def heartbeat(
        self, suggestion_id: str, fence: str, *, log_tail: str = "", patience: float | None = None
    ) -> Heartbeat:
        """As `Client.heartbeat`."""
        return await self.run(calls.heartbeat(suggestion_id, fence, log_tail), patience=patience)

    async def release(
        self,
        suggestion_id: str,
        fence: str,
        *,
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Suggestion:
        """As `Client.release`."""
        return await self.run(calls.release(suggestion_id, fence, request_id), patience=patience)

    async def cancel(self, suggestion_id: str, *, request_id: str | None = None) -> Suggestion:
        """As `Client.cancel`."""
        return await self.run(calls.cancel(suggestion_id, request_id))

    async def stop(
        self, suggestion_id: str, reason: str, *, attempt: int = 0, request_id: str | None = None
    ) -> Suggestion:
        """As `Client.stop`."""
        return await self.run(calls.stop(suggestion_id, reason, attempt, request_id))

    async def get_suggestion(self, suggestion_id: str) -> Suggestion:
        """As `Client.get_suggestion`."""
        return await self.run(calls.get_suggestion(suggestion_id))

    def list_suggestions(
        self, experiment_id: str, states: Iterable[SuggestionState] = ()
    ) -> AsyncIterator[Suggestion]:
        """As `Client.list_suggestions`."""
        return self._all(calls.list_suggestions(experiment_id, states))

    # Observations and checkpoints

    async def observe(
        self,
        observation: Observation,
        *,
        fence: str = "",
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Observation:
        """As `Client.observe`."""
        return await self.run(calls.observe(observation, fence, request_id), patience=patience)

    async def observe_batch(
        self,
        experiment_id: str,
        observations: Sequence[Observation | tuple[Observation, str]],
        *,
        request_id: str | None = None,
    ) -> list[Observation]:
        """As `Client.observe_batch`."""
        return await self.run(calls.observe_batch(experiment_id, observations, request_id))

    async def amend(
        self,
        observation: Observation,
        values: Mapping[str, Any] | None = None,
        *,
        reason: str,
        outcome: Outcome | None = None,
        author: str | None = None,
        request_id: str | None = None,
    ) -> Observation:
        """As `Client.amend`."""
        return await self.run(calls.amend(observation, values or {}, outcome, reason, author, request_id))

    async def get_observation(self, observation_id: str) -> Observation:
        """As `Client.get_observation`."""
        return await self.run(calls.get_observation(observation_id))

    def list_observations(
        self, experiment_id: str, outcomes: Iterable[OutcomeKind] = ()
    ) -> AsyncIterator[Observation]:
        """As `Client.list_observations`."""
        return self._all(calls.list_observations(experiment_id, outcomes))

    async def record_checkpoints(
        self,
        suggestion_id: str,
        fence: str,
        checkpoints: Iterable[Checkpoint],
        *,
        patience: float | None = None,
    ) -> Directive:
        """As `Client.record_checkpoints`."""
        return await self.run(calls.record_checkpoints(suggestion_id, fence, checkpoints), patience=patience)

    def list_checkpoints(self, suggestion_id: str) -> AsyncIterator[Checkpoint]:
        """As `Client.list_checkpoints`."""
        return self._all(calls.list_checkpoints(suggestion_id))

    async def watch(
        self, experiment_id: str, resume_token: str = "", skip_checkpoints: bool = False
    ) -> AsyncIterator[Event]:
        """As `Client.watch`."""
        while True:
            await self.get_experiment(experiment_id)
            call = calls.watch(experiment_id, resume_token, skip_checkpoints)
            address, channel = self._replicas.pick(call.request)
            invoke = channel.unary_stream(
                call.method, call.request.__class__.SerializeToString, call.reply.FromString
            )
            stream = invoke(call.request, metadata=self.credentials.metadata())
            pause = WATCH_PAUSE
            try:
                with translated():
                    async for reply in stream:
                        for event in call.read(reply):
                            yield event
                        resume_token = reply.resume_token or resume_token
            except (Unavailable, ResourceExhausted) as error:
                self._replicas.failed(address, error)
                log.info("the stream of %s broke off and is resumed: %s", experiment_id, error)
                pause = pause_of_watch(error)
            finally:
                stream.cancel()
            await asyncio.sleep(pause)
