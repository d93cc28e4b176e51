"""The reading half of OptimizerService: everything that can be said about results. Check, delegate, map."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc

from paretune import metrics, wire
from paretune.errors import DeadlineExceeded
from paretune.insight import AttainmentSource
from paretune.observation import Prediction, ProbabilitySource
from paretune.rpc.gate import passed_on
from paretune.rpc.status import error_from
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import optimizer_pb2_grpc, store_pb2, store_pb2_grpc, types_pb2
from paretune_optimizer.history import History
from paretune_optimizer.insight.attainment import attainment
from paretune_optimizer.insight.draws import require_model
from paretune_optimizer.insight.forecast import should_stop
from paretune_optimizer.insight.front import hypervolume_history, pareto_front
from paretune_optimizer.insight.importance import importance
from paretune_optimizer.insight.predict import predict_assignments
from paretune_optimizer.insight.recommend import recommend
from paretune_optimizer.insight.robustness import robustness
from paretune_optimizer.service.ahead import finished
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.validation import RADIUS, SLACK, THRESHOLD, given, validate

CALL_LIMIT = 30.0
"""Seconds that a call may take in all when the caller set no deadline."""


class InsightServicer(optimizer_pb2_grpc.OptimizerServiceServicer):
    """Answers from the views; computes in `executor`, so that the event loop stays free."""

    def __init__(self, store: grpc.aio.Channel, feed: Feed, executor: Executor) -> None:
        """Serve with the Store behind `store` and the views of `feed`."""
        self._store = store_pb2_grpc.StoreServiceStub(store)
        self._feed = feed
        self._executor = executor

    async def GetParetoFront(
        self, request: pb.GetParetoFrontRequest, context: Any
    ) -> pb.GetParetoFrontResponse:
        """See optimizer.proto."""
        validate(request)
        source = _choice(ProbabilitySource, request.probability_source, "probability_source")
        async with self._current(request.experiment_id, context) as history:
            reference = _reference(request.reference_point)
            front = await self._compute(
                partial(pareto_front, history, request.as_of_observation, request.slack, reference, source)
            )
        metrics.front(request.experiment_id, len(front))
        return pb.GetParetoFrontResponse(front=wire.front_to_proto(front))

    async def GetHypervolumeHistory(
        self, request: pb.GetHypervolumeHistoryRequest, context: Any
    ) -> pb.GetHypervolumeHistoryResponse:
        """See optimizer.proto."""
        validate(request)
        async with self._current(request.experiment_id, context) as history:
            work = partial(hypervolume_history, history, _reference(request.reference_point))
            volumes, reference = await self._compute(work)
        return pb.GetHypervolumeHistoryResponse(
            hypervolumes=volumes, reference_point=wire.point_to_proto(reference)
        )

    async def Predict(self, request: pb.PredictRequest, context: Any) -> pb.PredictResponse:
        """See optimizer.proto."""
        validate(request)
        async with self._current(request.experiment_id, context) as history:
            read = partial(_configuration, history)
            configurations = wire.each(read, request.configurations, "configurations")
            require_model(history)
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

    async def GetAttainment(self, request: pb.GetAttainmentRequest, context: Any) -> pb.GetAttainmentResponse:
        """See optimizer.proto."""
        validate(request)
        source = _choice(AttainmentSource, request.source, "source")
        async with self._current(request.experiment_id, context) as history:
            work = partial(
                attainment, history, source, list(request.levels), request.samples, request.sample_size,
                _reference(request.reference_point),
            )  # fmt: skip
            return wire.attainment_to_proto(await self._compute(work))

    async def GetImportance(self, request: pb.GetImportanceRequest, context: Any) -> pb.GetImportanceResponse:
        """See optimizer.proto."""
        validate(request)
        async with self._current(request.experiment_id, context) as history:
            return wire.importance_to_proto(await self._compute(partial(importance, history)))

    async def GetRobustness(self, request: pb.GetRobustnessRequest, context: Any) -> pb.GetRobustnessResponse:
        """See optimizer.proto."""
        validate(request)
        radius, slack = given(request, "radius", RADIUS), given(request, "slack", SLACK)
        async with self._current(request.experiment_id, context) as history:
            work = partial(robustness, history, radius, slack, categories=request.categories)
            return wire.robustness_to_proto(await self._compute(work))

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> pb.RecommendResponse:
        """See optimizer.proto."""
        validate(request)
        kind = request.WhichOneof("preference")
        wanted: dict[str, Any] = {}
        if kind == "weights":
            wanted = {"weights": dict(request.weights.weights)}
        elif kind == "limits":
            wanted = {"metric": request.limits.metric, "limits": dict(request.limits.limits)}
        async with self._current(request.experiment_id, context) as history:
            found = await self._compute(partial(recommend, history, **wanted))
        return wire.recommendation_to_proto(found)

    async def ShouldStop(self, request: pb.ShouldStopRequest, context: Any) -> pb.ShouldStopResponse:
        """See optimizer.proto."""
        validate(request)
        threshold = given(request, "threshold", THRESHOLD)
        async with self._current(request.experiment_id, context) as history:
            reference = _reference(request.reference_point)
            work = partial(should_stop, history, request.trials, threshold, reference)
            return wire.advice_to_proto(await self._compute(work))

    @asynccontextmanager
    async def _current(self, experiment_id: str, context: Any) -> AsyncIterator[History]:
        """The history of an experiment, as current as the Store at this moment."""
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
            return await getattr(self._store, name)(
                request, timeout=left, wait_for_ready=True, metadata=passed_on()
            )
        except grpc.aio.AioRpcError as failure:
            raise error_from("Store", failure) from failure

    async def _compute(self, work: Any) -> Any:
        return await finished(asyncio.get_running_loop().run_in_executor(self._executor, work))


def _configuration(history: History, message: pb.Configuration) -> dict[str, Any]:
    return wire.assignments_from_proto(message.assignments, history.experiment.space)


def _reference(values: Sequence[types_pb2.MetricValue]) -> Mapping[str, float] | None:
    return {value.metric: value.value for value in values} or None


def _choice(kind: Any, number: int, field: str) -> Any:
    """The member of an enum that a request names, None when it leaves the choice to the Optimizer."""
    return wire.enum_from_proto(kind, number, field) if number else None
