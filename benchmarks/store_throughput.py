"""Acknowledged observations per second of one Store, with 1 and with 32 clients.

    python benchmarks/store_throughput.py [--seconds 5] [--clients 1 --clients 32] [--trials]

Each client sends its next report when the one before is acknowledged, which is when it is on the disk. The
clients share one process of their own; on a machine with two cores they take about half of it.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from paretune.rpc.channel import new_request_id, open_async_channel
from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc, types_pb2

PARAMETERS = [
    types_pb2.Parameter(name="lr", double_domain=types_pb2.DoubleDomain(min=1e-4, max=1e-1, log=True)),
    types_pb2.Parameter(name="dropout", double_domain=types_pb2.DoubleDomain(max=0.7)),
    types_pb2.Parameter(name="filters", int_domain=types_pb2.IntDomain(min=8, max=128, log=True)),
    types_pb2.Parameter(name="layers", int_domain=types_pb2.IntDomain(min=1, max=5)),
    types_pb2.Parameter(
        name="activation", categorical_domain=types_pb2.CategoricalDomain(choices=["relu", "gelu"])
    ),
]
METRICS = [
    types_pb2.Metric(name="accuracy", goal=types_pb2.GOAL_MAXIMIZE),
    types_pb2.Metric(name="inference_ms", goal=types_pb2.GOAL_MINIMIZE),
]
ASSIGNMENTS = {
    "lr": types_pb2.Value(double_value=0.01),
    "dropout": types_pb2.Value(double_value=0.25),
    "filters": types_pb2.Value(int_value=32),
    "layers": types_pb2.Value(int_value=3),
    "activation": types_pb2.Value(string_value="gelu"),
}


@contextlib.contextmanager
def store(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A Store process on a free port, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "paretune_store", "--db", str(folder / "bench.db"), "--listen", address]
    process = subprocess.Popen([*command, "--log-level", "WARNING"])
    try:
        wait_until_serving(address, 20)
        yield address, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def observe(stub: "store_pb2_grpc.StoreServiceAsyncStub", experiment: str, trials: bool) -> int:
    """One result; with `trials` of a suggestion that was leased for it. The number of calls."""
    result = types_pb2.Observation(
        experiment_id=experiment,
        values=[
            types_pb2.MetricValue(metric="accuracy", value=0.97),
            types_pb2.MetricValue(metric="inference_ms", value=1.8),
        ],
    )
    fence = ""
    if trials:
        queue = pb.QueueSuggestionRequest(
            experiment_id=experiment, assignments=ASSIGNMENTS, request_id=new_request_id()
        )
        await stub.QueueSuggestion(queue)
        lease = pb.LeaseSuggestionsRequest(
            experiment_id=experiment, worker="bench", request_id=new_request_id()
        )
        (suggestion,) = (await stub.LeaseSuggestions(lease)).suggestions
        result.suggestion_id, fence = suggestion.id, suggestion.lease.fence
    else:
        for name, value in ASSIGNMENTS.items():
            result.assignments[name].CopyFrom(value)
    await stub.Observe(pb.ObserveRequest(observation=result, fence=fence, request_id=new_request_id()))
    return 3 if trials else 1


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def measure(address: str, process: psutil.Process, clients: int, seconds: float, trials: bool) -> None:
    """Print what `clients` concurrent clients get."""
    async with open_async_channel(address) as channel:
        stub = store_pb2_grpc.StoreServiceStub(channel)
        experiment = types_pb2.Experiment(name="bench", parameters=PARAMETERS, metrics=METRICS)
        made = await stub.CreateExperiment(pb.CreateExperimentRequest(experiment=experiment))
        latencies: list[float] = []
        end = time.perf_counter() + seconds

        async def client() -> None:
            while (start := time.perf_counter()) < end:
                await observe(stub, made.experiment.id, trials)
                latencies.append(time.perf_counter() - start)

        start, used = time.perf_counter(), cpu_seconds(process)
        await asyncio.gather(*(client() for _ in range(clients)))
        took, used = time.perf_counter() - start, cpu_seconds(process) - used
        found = await stub.GetExperiment(pb.GetExperimentRequest(experiment_id=made.experiment.id))
        recorded = found.experiment.progress.observations
        cuts = statistics.quantiles(latencies, n=100)
        if recorded != len(latencies):
            print(f"WRONG: {len(latencies)} acknowledged, {recorded} recorded")
        what = "trials (queue, lease, observe)" if trials else "observations"
        print(
            f"{clients:4d} clients: {len(latencies) / took:7.0f} {what}/s acknowledged, "
            f"latency p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms, "
            f"{used / len(latencies) * 1e6:.0f} us of the Store's processor each"
        )


def main() -> None:
    """Measure every number of clients on one fresh Store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, action="append")
    parser.add_argument("--trials", action="store_true", help="whole trials instead of free observations")
    parser.add_argument("--folder", type=Path, help="where to put the file; the disk matters")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        store(Path(folder)) as (address, process),
    ):
        for clients in arguments.clients or [1, 32]:
            asyncio.run(measure(address, process, clients, arguments.seconds, arguments.trials))


if __name__ == "__main__":
    main()
