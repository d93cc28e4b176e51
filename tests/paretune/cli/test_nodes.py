"""The list of trainer nodes."""

import io

from google.protobuf.duration_pb2 import Duration
from rich.console import Console

from paretune.cli.nodes import nodes_table
from paretune.v1 import store_pb2, trainer_pb2


def reported(age, **fields):
    return store_pb2.ReportedNode(node=trainer_pb2.GetNodeResponse(**fields), age=Duration(seconds=age))


def test_nodes_with_their_devices():
    cpu = trainer_pb2.Device(id="cpu", name="x", memory_bytes=8 * 2**30, memory_used_bytes=2 * 2**30)
    cpu.utilization.value = 0.5
    gpu = trainer_pb2.Device(
        id="GPU-1", name="H100", memory_bytes=80 * 2**30, slots=4, running=3, problem="leak"
    )
    table = nodes_table(
        [
            reported(3, worker="a-1", slots=4, running=2, cpu_count=8, devices=[cpu, gpu], executor="ray"),
            reported(200, worker="b-2", slots=1),
            reported(1, worker="c-3", slots=1, draining=True),
            reported(1, worker="d-4", slots=1, unable={"e-1": "no module 'x'."}),
        ]
    )
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    text = " ".join(console.file.getvalue().split())
    assert "a-1 2/4 50% 2.0/8.0 GiB 8 cores, ray ready 3/4 80.0 GiB H100 leak" in text
    assert "b-2 0/1 0 cores silent for 3:20" in text
    assert "c-3 0/1 0 cores draining" in text
    assert "d-4 0/1 0 cores ready; leaves e-1 alone: no module 'x'." in text
