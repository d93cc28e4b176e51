"""OptimizerService over the wire: check, delegate, map. How a Suggest works: docs/decisions/0003."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc

from paretune import wire
from paretune.errors import Aborted, DeadlineExceeded, FailedPrecondition, InvalidArgument
from paretune.observation import Prediction
from paretune.rpc.channel import new_request_id
from paretune.rpc.status import error_of
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import optimizer_pb2_grpc, store_pb2, store_pb2_grpc, types_pb2
from paretune_optimizer.feed import Feed
from paretune_optimizer.front import hypervolume_history, pareto_front
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest
from paretune_optimizer.predict import predict_assignments

COMPUTE_LIMIT = 5.0
"""Seconds that a Suggest may compute when the caller says nothing."""
CALL_LIMIT = 30.0
"""Seconds that a call may take in all when the caller set no deadline."""
MARGIN = 0.5
"""Seconds of a call's deadline that are kept for everything but computing."""
MAX_COUNT = 1000
MAX_CONFIGURATIONS = 10_000


class OptimizerServicer(optimizer_pb2_grpc.OptimizerServiceServicer):
    """Answers from the views; computes in `executor`, so that the event loop stays free."""

    def __init__(self, store: grpc.aio.Channel, feed: Feed, executor: Executor) -> None:
        """Serve with the Store behind `store` and the views of `feed`."""
        self._store = store_pb2_grpc.StoreServiceStub(store)
        self._feed = feed
        self._executor = executor

    async def Suggest(self, request: pb.SuggestRequest, context: Any) -> pb.SuggestResponse:
        """See optimizer.proto."""
        probe = _probe(request)
        deadline = time.monotonic() + (context.time_remaining() or CALL_LIMIT)
        limit = wire.duration_from_proto(request.compute_limit) or COMPUTE_LIMIT
        while True:
            reply = await self._call("LeaseSuggestions", probe, deadline)
            if not reply.missing:
                break
            lease = await self._propose(probe, reply, deadline, limit)
            try:
                reply = await self._call("LeaseSuggestions", lease, deadline)
                break
            except Aborted as error:  # somebody else's suggestion took this place: compute anew
                if error.reason != "ORDINAL_TAKEN":
                    raise
        return pb.SuggestResponse(suggestions=reply.suggestions)

    async def GetParetoFront(
        self, request: pb.GetParetoFrontRequest, context: Any
    ) -> pb.GetParetoFrontResponse:
        """See optimizer.proto."""
        if request.slack < 0 or request.as_of_observation < 0:
            raise InvalidArgument.of("slack or as_of_observation", "must not be negative")
        async with self._current(request.experiment_id, context) as history:
            reference = _reference(request.reference_point)
            work = partial(pareto_front, history, request.as_of_observation, request.slack, reference)
            front = await self._compute(work)
        return pb.GetParetoFrontResponse(front=wire.front_to_proto(front))

    async def GetHypervolumeHistory(
        self, request: pb.GetHypervolumeHistoryRequest, context: Any
    ) -> pb.GetHypervolumeHistoryResponse:
        """See optimizer.proto."""
        async with self._current(request.experiment_id, context) as history:
            work = partial(hypervolume_history, history, _reference(request.reference_point))
            volumes, reference = await self._compute(work)
        return pb.GetHypervolumeHistoryResponse(
            hypervolumes=volumes, reference_point=wire.point_to_proto(reference)
        )

    async def Predict(self, request: pb.PredictRequest, context: Any) -> pb.PredictResponse:
        """See optimizer.proto."""
        if not 1 <= len(request.configurations) <= MAX_CONFIGURATIONS:
            raise InvalidArgument.of("configurations", f"must number 1 to {MAX_CONFIGURATIONS}")
        async with self._current(request.experiment_id, context) as history:
            read = partial(_configuration, history)
            configurations = wire.each(read, request.configurations, "configurations")
            if len(history) < 2:
                raise FailedPrecondition(
                    f"A model needs at least 2 observations; there are {len(history)}.",
                    reason="TOO_FEW_OBSERVATIONS",
                    metadata={"observations": str(len(history))},
                )
            told = await self._compute(partial(predict_assignments, history, configurations))
            count = len(history)
        return pb.PredictResponse(
            predictions=[
                wire.prediction_to_proto(
                    Prediction(p.metrics, 1.0 if p.feasibility is None else p.feasibility, p.efficient)
                )
                for p in told
            ],
            observation_count=count,
        )

    async def _propose(
        self, probe: store_pb2.LeaseSuggestionsRequest, reply: Any, deadline: float, limit: float
    ) -> store_pb2.LeaseSuggestionsRequest:
        """The same request with proposals for what the probe's reply says is missing."""
        left = deadline - time.monotonic()
        async with self._feed.view(probe.experiment_id, reply.event_sequence, left) as (view, history):
            first = view.ordinal + 1
            budget = min(limit, deadline - time.monotonic() - MARGIN)
            proposals = await self._compute(partial(suggest, history, reply.missing, first, budget))
        return store_pb2.LeaseSuggestionsRequest(
            experiment_id=probe.experiment_id,
            count=probe.count,
            worker=probe.worker,
            request_id=probe.request_id,
            within_budget=probe.within_budget,
            proposals=map(wire.proposal_to_proto, proposals),
            first_ordinal=first,
        )

    @asynccontextmanager
    async def _current(self, experiment_id: str, context: Any) -> AsyncIterator[History]:
        """The history of an experiment, as current as the Store at this moment."""
        if not experiment_id:
            raise InvalidArgument.of("experiment_id", "is required")
        deadline = time.monotonic() + (context.time_remaining() or CALL_LIMIT)
        request = store_pb2.GetExperimentRequest(experiment_id=experiment_id)
        reply = await self._call("GetExperiment", request, deadline)
        left = deadline - time.monotonic()
        async with self._feed.view(experiment_id, reply.event_sequence, left) as (_, history):
            yield history

    async def _call(self, name: str, request: Any, deadline: float) -> Any:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("The Store did not answer in time; retry with the same request_id.")
        try:
            return await getattr(self._store, name)(request, timeout=left, wait_for_ready=True)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure

    async def _compute(self, work: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _probe(request: pb.SuggestRequest) -> store_pb2.LeaseSuggestionsRequest:
    """The probe for a Suggest: take what is queued, or say how much is missing."""
    for name in ("experiment_id", "worker"):
        if not getattr(request, name):
            raise InvalidArgument.of(name, "is required")
    if not 0 <= request.count <= MAX_COUNT:
        raise InvalidArgument.of("count", f"is {request.count}; it must be 1 to {MAX_COUNT} (0: 1)")
    if wire.duration_from_proto(request.compute_limit) < 0:
        raise InvalidArgument.of("compute_limit", "must not be negative")
    return store_pb2.LeaseSuggestionsRequest(
        experiment_id=request.experiment_id,
        count=request.count or 1,
        worker=request.worker,
        # Probe and lease are one logical call, so that a reply lost between them is found again.
        request_id=request.request_id or new_request_id(),
        within_budget=request.within_budget,
        all_or_nothing=True,
    )


def _configuration(history: History, message: pb.Configuration) -> dict[str, Any]:
    return wire.assignments_from_proto(message.assignments, history.experiment.space)


def _reference(values: Sequence[types_pb2.MetricValue]) -> Mapping[str, float] | None:
    wire.each(wire.metric_value_from_proto, values, "reference_point")
    return {value.metric: value.value for value in values} or None
