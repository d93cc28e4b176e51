"""`paretune nodes`: who trains, on what, and how busy."""

from collections.abc import Sequence

from google.protobuf import json_format
from rich.table import Table
from rich.text import Text

from paretune.cli.console import clean, print_json, print_table, say
from paretune.cli.progress import clock_text
from paretune.cli.tables import new_table
from paretune.cli.target import Database, Json, Server, opened
from paretune.client.node_calls import list_nodes
from paretune.v1 import store_pb2, trainer_pb2

SILENT_SECONDS = 60.0
"""Nodes report every 20 s; one that was silent for so long is probably gone."""


def nodes(server: Server = None, database: Database = None, as_json: Json = False) -> None:
    """List trainer nodes, with what they run.

    Example: paretune nodes --server 10.0.0.5:50051
    """
    with opened(server, database) as client:
        found = client.run(list_nodes())
    if as_json:
        print_json([json_format.MessageToDict(one, preserving_proto_field_name=True) for one in found])
    elif not found:
        say("No trainer node has reported; add one with `paretune trainer`.")
    else:
        print_table(nodes_table(found))


def nodes_table(found: Sequence[store_pb2.ReportedNode]) -> Table:
    """One line for each node, and one for each of its GPUs."""
    table = new_table("node", "trials", "load", "memory", "device", "state")
    for one in found:
        node = one.node
        cpu, gpus = _split(node.devices)
        table.add_row(
            Text(clean(node.worker)),
            f"{node.running}/{node.slots}",
            *_use(cpu),
            f"{node.cpu_count} cores" + (f", {node.executor}" if node.executor not in ("", "local") else ""),
            Text(clean(_state(one))),
        )
        for gpu in gpus:
            trials = f"{gpu.running}/{gpu.slots}" if gpu.slots else ""
            table.add_row("", trials, *_use(gpu), Text(clean(gpu.name)), Text(clean(gpu.problem)))
    return table


def _split(
    devices: Sequence[trainer_pb2.Device],
) -> tuple[trainer_pb2.Device | None, list[trainer_pb2.Device]]:
    cpu = next((device for device in devices if device.id == "cpu"), None)
    return cpu, [device for device in devices if device.id != "cpu"]


def _use(device: trainer_pb2.Device | None) -> tuple[str, str]:
    """Load and memory in use, for people."""
    if device is None:
        return "", ""
    load = f"{device.utilization.value:.0%}" if device.HasField("utilization") else ""
    used, whole = device.memory_used_bytes / 2**30, device.memory_bytes / 2**30
    return load, f"{used:.1f}/{whole:.1f} GiB" if used else f"{whole:.1f} GiB"


def _state(one: store_pb2.ReportedNode) -> str:
    age = one.age.seconds
    if age > SILENT_SECONDS:
        return f"silent for {clock_text(age)}"
    if one.node.problem:
        return one.node.problem
    if one.node.draining:
        return "draining"
    return "; ".join(["ready", *(f"leaves {id} alone: {why}" for id, why in one.node.unable.items())])
