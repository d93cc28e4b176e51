"""Experiments, results and a driver that lets tests speak to a Store in few words."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from paretune.errors import ParetuneError
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store.store import Store


def value(plain: float | int | str) -> types.Value:
    if isinstance(plain, str):
        return types.Value(string_value=plain)
    return types.Value(int_value=plain) if isinstance(plain, int) else types.Value(double_value=plain)


def assignments(lr: float = 0.5) -> dict[str, types.Value]:
    return {"lr": value(float(lr)), "layers": value(2), "activation": value("relu")}


def experiment(*, ttl: float | None = None, max_attempts: int = 0, **fields: Any) -> types.Experiment:
    whole = {
        "name": "digits",
        "parameters": [
            types.Parameter(name="lr", double_domain={"min": 0, "max": 1}),
            types.Parameter(name="layers", int_domain={"min": 1, "max": 5}),
            types.Parameter(name="activation", categorical_domain={"choices": ["relu", "gelu"]}),
        ],
        "metrics": [types.Metric(name="accuracy", goal=1), types.Metric(name="ms", goal=2)],
    }
    made = types.Experiment(**(whole | fields))
    if ttl is not None:
        made.lease_policy.ttl.CopyFrom(Duration(nanos=round(ttl % 1 * 1e9), seconds=int(ttl)))
    made.lease_policy.max_attempts = max_attempts
    return made


def metric_values(**values: float) -> list[types.MetricValue]:
    return [types.MetricValue(metric=n, value=v) for n, v in (values or {"accuracy": 0.9, "ms": 2.0}).items()]


def observation(
    experiment_id: str, *, suggestion: types.Suggestion | None = None, **fields: Any
) -> types.Observation:
    known: dict[str, Any] = {"experiment_id": experiment_id, "values": metric_values()}
    known |= {"suggestion_id": suggestion.id} if suggestion else {"assignments": assignments()}
    return types.Observation(**(known | fields))


def proposal(lr: float) -> pb.Proposal:
    made = pb.Proposal(assignments=assignments(lr))
    made.provenance.policy = types.POLICY_SOBOL
    made.provenance.observation_count = 3
    return made


def checkpoint(step: int, **values: float) -> types.Checkpoint:
    return types.Checkpoint(step=step, values=metric_values(**values) if values else metric_values(ms=1.0))


class FakeClock:
    """Time that passes when told to; the wall clock can also jump, which the steady one must not notice."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000_000
        self.offset = 0

    def wall(self) -> int:
        return self.now

    def steady(self) -> int:
        return self.now - self.offset

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000)

    def jump(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000)
        self.offset += round(seconds * 1_000_000)

    def restart(self) -> None:
        """A new process anchors the steady clock anew."""
        self.offset = 0


class Driver:
    """A Store with a loop of its own, so that tests are plain functions."""

    def __init__(self, open_store: Callable[[FakeClock], Store]) -> None:
        self.clock = FakeClock()
        self._open = open_store
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._numbers = itertools.count()
        self.store = self.run(self._opened())

    async def _opened(self) -> Store:
        return self._open(self.clock)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()

    def restart(self) -> None:
        self.run(self.store.close())
        self.clock.restart()
        self.store = self.run(self._opened())

    # Calls

    def bytes_of(self, request: Message) -> bytes:
        return self.run(self.store.write(request))

    def do(self, request: Message) -> Any:
        name = type(request).__name__
        if name.startswith(("Get", "List")):
            return self.run(self.store.read(request))
        return getattr(pb, name.replace("Request", "Response")).FromString(self.bytes_of(request))

    def at_once(self, requests: list[Any]) -> list[Any]:
        async def all_of_them() -> list[Any]:
            return await asyncio.gather(*map(self.store.write, requests), return_exceptions=True)

        replies = self.run(all_of_them())
        for reply in replies:
            assert isinstance(reply, bytes | ParetuneError), reply
        return replies

    def refused(self, request: Message, error: type[ParetuneError], reason: str = "") -> Any:
        """The error that the request ends with; nothing may have changed."""
        before = self.state()
        with pytest.raises(error) as caught:
            self.do(request)
        assert type(caught.value) is error
        if reason:
            assert caught.value.reason == reason
        assert self.state() == before
        return caught.value

    def state(self) -> list[Any]:
        """Everything that can be read, in an order."""
        found: list[Any] = []
        every = [s for s in types.ExperimentState.values() if s]
        for made in self.pages(pb.ListExperimentsRequest(states=every, page_size=1000), "experiments"):
            found.append(made)
            for suggestion in self.pages(pb.ListSuggestionsRequest(experiment_id=made.id), "suggestions"):
                found.append(suggestion)
                found += self.pages(pb.ListCheckpointsRequest(suggestion_id=suggestion.id), "checkpoints")
            found += self.pages(pb.ListObservationsRequest(experiment_id=made.id), "observations")
            found += self.events(made.id)
        return found

    def pages(self, request: Any, field: str) -> list[Any]:
        found: list[Any] = []
        while True:
            page = self.do(request)
            found += getattr(page, field)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    def ordinals(self, request: Any) -> list[int]:
        field = "suggestions" if isinstance(request, pb.ListSuggestionsRequest) else "observations"
        return [found.ordinal for found in self.pages(request, field)]

    def watched(self, request: pb.WatchRequest, *, caught_up: bool) -> list[pb.WatchResponse]:
        """The messages up to the first that says it caught up."""
        assert caught_up

        async def until_caught_up() -> list[pb.WatchResponse]:
            stream, messages = self.store.watch(request), []
            async for message in stream:
                messages.append(message)
                if message.caught_up:
                    break
            await stream.aclose()
            return messages

        return self.run(asyncio.wait_for(until_caught_up(), 20))

    def events(self, experiment_id: str) -> list[pb.Event]:
        messages = self.watched(pb.WatchRequest(experiment_id=experiment_id), caught_up=True)
        return [event for message in messages for event in message.events]

    # Short ways

    def create(self, **fields: Any) -> types.Experiment:
        return self.do(pb.CreateExperimentRequest(experiment=experiment(**fields))).experiment

    def get(self, experiment_id: str) -> types.Experiment:
        return self.do(pb.GetExperimentRequest(experiment_id=experiment_id)).experiment

    def update(self, experiment_id: str, *paths: str, **fields: Any) -> types.Experiment:
        changed = types.Experiment(id=experiment_id, **fields)
        request = pb.UpdateExperimentRequest(experiment=changed, update_mask=FieldMask(paths=paths))
        return self.do(request).experiment

    def queue(self, experiment_id: str, lr: float = 0.5) -> types.Suggestion:
        request = pb.QueueSuggestionRequest(experiment_id=experiment_id, assignments=assignments(lr))
        return self.do(request).suggestion

    def lease(
        self, experiment_id: str, worker: str = "w", *, within_budget: bool = False
    ) -> types.Suggestion:
        """One suggestion: a queued one, else a new one."""
        known = self.pages(pb.ListSuggestionsRequest(experiment_id=experiment_id), "suggestions")
        reply = self.do(
            pb.LeaseSuggestionsRequest(
                experiment_id=experiment_id,
                worker=worker,
                within_budget=within_budget,
                proposals=[proposal(next(self._numbers) % 100 / 100)],
                first_ordinal=len(known) + 1,
            )
        )
        (suggestion,) = reply.suggestions
        return suggestion

    def suggestion(self, suggestion_id: str) -> types.Suggestion:
        return self.do(pb.GetSuggestionRequest(suggestion_id=suggestion_id)).suggestion

    def heartbeat(self, leased: types.Suggestion) -> pb.HeartbeatResponse:
        return self.do(pb.HeartbeatRequest(suggestion_id=leased.id, fence=leased.lease.fence))

    def expire(self) -> float:
        return self.run(self.store.expire())

    def let_expire(self, leased: types.Suggestion) -> None:
        self.clock.advance(61)
        self.expire()
        assert self.suggestion(leased.id).state != types.SUGGESTION_STATE_LEASED

    def observe(self, experiment_id: str, **fields: Any) -> types.Observation:
        request = pb.ObserveRequest(observation=observation(experiment_id, **fields))
        return self.do(request).observation

    def observe_suggestion(self, leased: types.Suggestion) -> types.Observation:
        return self.do(self.reports(leased)[0]).observation

    def amendment(self, seen: types.Observation, **fields: Any) -> pb.AmendObservationRequest:
        """A request that amends what was seen."""
        known = {"values": metric_values(accuracy=0.8, ms=3.0), "reason": "measured again"}
        count = len(seen.amendments)
        return pb.AmendObservationRequest(
            **{"observation_id": seen.id, "amendment_count": count, **known, **fields}
        )

    def checkpoints(self, leased: types.Suggestion, *steps: types.Checkpoint) -> pb.RecordCheckpointsResponse:
        return self.do(
            pb.RecordCheckpointsRequest(suggestion_id=leased.id, fence=leased.lease.fence, checkpoints=steps)
        )

    def reports(self, leased: types.Suggestion) -> list[Any]:
        """Everything that only the holder of the lease may send."""
        name, fence = leased.id, leased.lease.fence
        result = observation(leased.experiment_id, suggestion=leased)
        return [
            pb.ObserveRequest(observation=result, fence=fence),
            pb.RecordCheckpointsRequest(suggestion_id=name, fence=fence, checkpoints=[checkpoint(1)]),
            pb.HeartbeatRequest(suggestion_id=name, fence=fence),
            pb.ReleaseSuggestionRequest(suggestion_id=name, fence=fence),
        ]

    def one_of_each_mutation(self) -> list[Any]:
        """A request of every idempotent kind, each with its own request_id, in an order that works."""
        made = self.create(id=f"e{next(self._numbers)}")
        kept, released, cancelled = (self.lease(made.id) for _ in range(3))
        gone = self.create()
        requests: list[Any] = [
            pb.CreateExperimentRequest(experiment=experiment()),
            pb.UpdateExperimentRequest(
                experiment={"id": made.id, "name": "new"}, update_mask=FieldMask(paths=["name"])
            ),
            pb.DeleteExperimentRequest(experiment_id=gone.id),
            pb.QueueSuggestionRequest(experiment_id=made.id, assignments=assignments()),
            pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w"),
            pb.LeaseSuggestionsRequest(
                experiment_id=made.id, worker="w", proposals=[proposal(0.3)], first_ordinal=5
            ),
            pb.StopSuggestionRequest(suggestion_id=kept.id, reason="slow"),
            self.reports(kept)[0],
            self.reports(released)[3],
            self.amendment(self.observe(made.id)),
            pb.CancelSuggestionRequest(suggestion_id=cancelled.id),
            pb.ObserveBatchRequest(
                experiment_id=made.id, requests=[pb.ObserveRequest(observation=observation(made.id))]
            ),
        ]
        for request in requests:
            request.request_id = f"{made.id}-{type(request).__name__}-{next(self._numbers)}"
        return requests
