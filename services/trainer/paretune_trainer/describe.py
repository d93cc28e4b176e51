"""The node and its workloads, as messages."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from typing import Final

from paretune import wire
from paretune.v1 import trainer_pb2
from paretune_trainer import machine
from paretune_trainer.facts import installed_frameworks
from paretune_trainer.node import Node
from paretune_trainer.schema import metric_of, parameter_of, settings_of
from paretune_trainer.workload import Workload

MOST_UNABLE: Final = 20


def describe_node(node: Node, address: str = "") -> trainer_pb2.GetNodeResponse:
    """Machine, software and load; may take a second, for nvidia-smi."""
    return trainer_pb2.GetNodeResponse(
        worker=node.config.worker,
        cpu_count=machine.cpu_count(),
        memory_bytes=machine.memory_bytes(),
        devices=_devices(node),
        frameworks=_frameworks(),
        slots=node.config.slots,
        running=len(node.runs()),
        draining=node.draining.is_set(),
        version=_version(),
        executor=node.config.executor,
        address=address,
        problem=node.placement.problem(),
        unable=dict(list(node.unable.items())[-MOST_UNABLE:]),
    )


def _devices(node: Node) -> list[trainer_pb2.Device]:
    read = machine.readings()
    described = []
    for device in machine.devices():
        slots, running, problem = node.placement.load(device.id, node.config.slots)
        message = trainer_pb2.Device(**vars(device), slots=slots, running=running, problem=problem)
        if reading := read.get(device.id):
            message.memory_used_bytes = reading.memory_used
            if reading.load is not None:
                message.utilization.value = reading.load
        described.append(message)
    return described


@cache
def _frameworks() -> dict[str, str]:
    return installed_frameworks()


@cache
def _version() -> str:
    try:
        return importlib.metadata.version("paretune")
    except importlib.metadata.PackageNotFoundError:  # run from its sources
        return ""


def describe_workload(workload: Workload) -> trainer_pb2.WorkloadDescription:
    """Parameters with recommended ranges, metrics, settings."""
    return trainer_pb2.WorkloadDescription(
        name=workload.name,
        summary=workload.summary,
        parameters=[wire.parameter_to_proto(parameter_of(spec)) for spec in workload.parameters],
        metrics=[wire.metric_to_proto(metric_of(spec)) for spec in workload.metrics],
        settings=settings_of(workload),
    )
