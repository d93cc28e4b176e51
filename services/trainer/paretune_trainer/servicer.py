"""TrainerService: check, delegate, map."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from paretune import wire
from paretune.v1 import trainer_pb2, trainer_pb2_grpc, types_pb2
from paretune_trainer.byhand import progress_of, task_of
from paretune_trainer.describe import describe_node, describe_workload
from paretune_trainer.ending import Step
from paretune_trainer.node import Node, Run
from paretune_trainer.validation import validate
from paretune_trainer.verdict import Verdict
from paretune_trainer.workload import builtin_workloads


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    """Shows and steers one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def GetNode(self, request: trainer_pb2.GetNodeRequest, context: Any) -> trainer_pb2.GetNodeResponse:
        """Describe the node."""
        return await asyncio.to_thread(describe_node, self._node)

    async def ListWorkloads(
        self, request: trainer_pb2.ListWorkloadsRequest, context: Any
    ) -> trainer_pb2.ListWorkloadsResponse:
        """Describe the built-in workloads."""
        known = builtin_workloads()
        return trainer_pb2.ListWorkloadsResponse(
            workloads=[describe_workload(known[n]) for n in sorted(known)]
        )

    async def Run(
        self, request: trainer_pb2.RunRequest, context: Any
    ) -> AsyncIterator[trainer_pb2.RunResponse]:
        """Train one configuration and stream its progress."""
        validate(request)
        assignments = wire.assignments_from_proto(request.assignments)
        task = task_of(wire.workload_from_proto(request.workload), assignments, request.seed)
        async for progress in progress_of(self._node, task, context.add_done_callback):
            yield _progress_to_proto(progress)

    async def Cancel(self, request: trainer_pb2.CancelRequest, context: Any) -> trainer_pb2.CancelResponse:
        """End a run."""
        validate(request)
        self._node.cancel(request.run_id)
        return trainer_pb2.CancelResponse()

    async def ListRuns(
        self, request: trainer_pb2.ListRunsRequest, context: Any
    ) -> trainer_pb2.ListRunsResponse:
        """What runs now."""
        return trainer_pb2.ListRunsResponse(runs=[_run_to_proto(run) for run in self._node.runs()])

    async def Drain(self, request: trainer_pb2.DrainRequest, context: Any) -> trainer_pb2.DrainResponse:
        """Take no new trials."""
        self._node.draining.set()
        return trainer_pb2.DrainResponse(running=len(self._node.runs()))


def _run_to_proto(run: Run) -> trainer_pb2.Run:
    task = run.task
    return trainer_pb2.Run(
        id=run.id,
        experiment_id=task.experiment_id,
        suggestion_id=task.suggestion_id,
        workload=wire.workload_to_proto(task.workload),
        start_time=wire.time_to_proto(run.start_time),
        step=run.last_step.step if run.last_step else 0,
    )


def _progress_to_proto(progress: Run | Step | str | Verdict) -> trainer_pb2.RunResponse:
    if isinstance(progress, Run):
        return trainer_pb2.RunResponse(run=_run_to_proto(progress))
    if isinstance(progress, str):
        return trainer_pb2.RunResponse(log=progress)
    if isinstance(progress, Step):
        values = wire.point_to_proto(progress.values)
        return trainer_pb2.RunResponse(checkpoint=types_pb2.Checkpoint(step=progress.step, values=values))
    observation = types_pb2.Observation(
        values=map(wire.metric_value_to_proto, progress.values),
        outcome=wire.outcome_to_proto(progress.outcome),
        metadata=progress.metadata,
    )
    return trainer_pb2.RunResponse(observation=observation)
