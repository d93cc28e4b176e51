"""Two hundred workers on one Optimizer and Store; then four times as many who wait as told; then a flood."""

import asyncio
import contextlib
import random
import sqlite3
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from lanes import Finding
from nursery import Nursery
from optimizer_kills import Suite
from store_cases import experiment, metric_values

from paretune.client.call import Retries
from paretune.rpc.status import error_of
from paretune.v1 import optimizer_pb2, optimizer_pb2_grpc, store_pb2_grpc, types_pb2
from paretune.v1 import store_pb2 as pb

WORKERS = 200
PATIENT, FLOOD = "800 busy workers", "4x flood"
TIMEOUT = 30.0
PER_OBSERVATION = 3000
"""Bytes that a service may keep of each observation; the Optimizer keeps all of an experiment."""


@dataclass
class Load:
    """What the clients saw, in seconds, by kind of call."""

    took: dict[str, list[float]] = field(
        default_factory=lambda: {"suggest": [], "observe": [], "heartbeat": []}
    )
    shed: dict[str, list[float]] = field(
        default_factory=lambda: {"suggest": [], "observe": [], "heartbeat": []}
    )
    refusals: list[grpc.RpcError] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def unadvised(self) -> int:
        """Refusals that do not say when to come again; read afterwards, for reading them takes time."""
        return sum(not _advice(failure) for failure in self.refusals)

    def p99(self, kind: str) -> float:
        return statistics.quantiles(self.took[kind], n=100)[98] if len(self.took[kind]) > 1 else 0.0


class Clients:
    """All workers, in this process."""

    def __init__(self, address: str, name: str) -> None:
        # Several connections, because one carries a limited number of calls at once.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self.channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(4)]
        self.stubs = [
            {
                "suggest": optimizer_pb2_grpc.OptimizerServiceStub(channel).Suggest,
                "heartbeat": store_pb2_grpc.StoreServiceStub(channel).Heartbeat,
                "observe": store_pb2_grpc.StoreServiceStub(channel).Observe,
            }
            for channel in self.channels
        ]
        self.name = name

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()

    async def call(self, load: Load, kind: str, worker: int, request: object) -> object:
        """The reply, or how the call failed."""
        stub = self.stubs[worker % len(self.stubs)][kind]
        begin = time.perf_counter()
        try:
            reply = await stub(request, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as failure:
            if failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                load.shed[kind].append(time.perf_counter() - begin)
                load.refusals.append(failure)
            else:
                load.failed.append(f"{kind}: {failure.code().name} {failure.details()}")
            return failure
        load.took[kind].append(time.perf_counter() - begin)
        return reply

    async def trial(
        self, load: Load, worker: int, pause: float = 0.0, patience: Retries | None = None
    ) -> bool:
        """Ask, train for `pause` seconds with a sign of life, report; with patience ask again as told."""
        asked = optimizer_pb2.SuggestRequest(experiment_id=self.name, worker=f"w{worker}")
        begin = time.monotonic()
        while isinstance(reply := await self.call(load, "suggest", worker, asked), grpc.RpcError):
            if patience is None:
                return False
            await asyncio.sleep(patience.delay(error_of(reply), time.monotonic() - begin))
        load.waited.append(time.monotonic() - begin)
        (given,) = reply.suggestions  # type: ignore[attr-defined]
        await asyncio.sleep(pause / 2)
        beat = pb.HeartbeatRequest(suggestion_id=given.id, fence=given.lease.fence)
        await self.call(load, "heartbeat", worker, beat)
        await asyncio.sleep(pause / 2)
        result = types_pb2.Observation(
            experiment_id=self.name, suggestion_id=given.id, values=metric_values(accuracy=0.5, ms=1.0)
        )
        request = pb.ObserveRequest(observation=result, fence=given.lease.fence, request_id=given.id)
        return not isinstance(await self.call(load, "observe", worker, request), grpc.RpcError)


def _advice(failure: grpc.aio.AioRpcError) -> bool:
    status = rpc_status.from_call(failure)
    return status is not None and any(
        detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in status.details
    )


async def steady(
    clients: Clients, seconds: float, train: float, workers: int = WORKERS
) -> tuple[Load, float]:
    """A closed loop: every worker begins anew when it is done. What they saw, and trials per second."""
    load, done, end, rng = Load(), 0, time.monotonic() + seconds, random.Random(1)

    async def work(number: int) -> None:
        nonlocal done
        await asyncio.sleep(rng.uniform(0, train))
        while time.monotonic() < end:
            if await clients.trial(load, number, rng.uniform(0.5, 1.5) * train):
                done += 1
            else:
                await asyncio.sleep(rng.uniform(0.1, 0.3))

    await asyncio.gather(*(work(number) for number in range(workers)))
    return load, done / seconds


async def _patient(clients: Clients, seconds: float, workers: int) -> tuple[Load, float]:
    """Workers that train for no time and, turned away, wait as our clients do."""
    load, done, end = Load(), 0, time.monotonic() + seconds

    async def work(number: int) -> None:
        nonlocal done
        while time.monotonic() < end:
            if await clients.trial(load, number, patience=Retries(10 * TIMEOUT)) and time.monotonic() < end:
                done += 1

    await asyncio.gather(*(work(number) for number in range(workers)))
    return load, done / seconds


async def _flood(clients: Clients, seconds: float, rate: float) -> tuple[Load, float]:
    """An open loop: so many questions a second, answered or not; answered ones are carried to their end."""
    load, done, begin, number = Load(), 0, time.monotonic(), 0
    tasks: set[asyncio.Task] = set()

    async def one(worker: int) -> None:
        nonlocal done
        if await clients.trial(load, worker):  # adding to what was read before the wait would lose counts
            done += 1

    while (now := time.monotonic()) < begin + seconds:
        while number < (now - begin) * rate:
            number += 1
            task = asyncio.create_task(one(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.002)
    rate_done = done / seconds
    await asyncio.gather(*tasks)
    return load, rate_done


async def _run(
    clients: Clients, seconds: float, least: float, work: float, drift: "Drift"
) -> dict[str, tuple[Load, float]]:
    """What the clients saw in each phase, and trials per second; two hundred work for `work` seconds."""
    if not least:
        await steady(clients, work / 4, 2.0)  # until memory that comes once has come
    drift.begin()
    usual = await steady(clients, work, 2.0)
    drift.end(len(usual[0].took["observe"]))
    peak = await steady(clients, seconds / 2, 0.0, 32)
    # In the short lane a quarter of them, who are many enough to be turned away.
    patient = await _patient(clients, seconds, WORKERS if least else 4 * WORKERS)
    # A short look at the peak can be far too low: a flood it must be in any case.
    flood = await _flood(clients, seconds, max(4 * peak[1], least))
    after = await steady(clients, max(seconds / 4, 2), 2.0)
    return {"200 workers": usual, "peak": peak, PATIENT: patient, FLOOD: flood, "after": after}


class Drift:
    """How memory and files of the services grow while two hundred workers do what they always do.

    Args:
        processes: the services, by module.
    """

    def __init__(self, processes: dict[str, psutil.Process]) -> None:
        self._processes = processes
        self.violations: list[str] = []
        self.note = ""

    def _sizes(self) -> dict[str, tuple[float, int]]:
        return {name: (p.memory_info().rss, p.num_fds()) for name, p in self._processes.items()}

    def begin(self) -> None:
        self._before = self._sizes()

    def end(self, observations: int) -> None:
        """Both grow by what was recorded, and by no more."""
        for name, (size, files) in self._sizes().items():
            was, were = self._before[name]
            if size > 1.1 * was + PER_OBSERVATION * observations:
                self.violations.append(f"{name} grew from {was / 1e6:.0f} to {size / 1e6:.0f} MB")
            if files > were + 10:
                self.violations.append(f"{name} has {files} files open and had {were}")
            self.note += f"{name.removeprefix('paretune_')} {was / 1e6:.0f} to {size / 1e6:.0f} MB, "
        self.note += f"{observations} observations"


def _stuck(database: Path) -> int:
    """Leases that ended more than a second ago and that nobody noticed."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        late = (time.time() - 1) * 1e6
        return int(
            db.execute(
                "SELECT COUNT(*) FROM suggestions WHERE state = 2 AND expires < ?", (late,)
            ).fetchone()[0]
        )


def run(
    nursery: Nursery,
    folder: Path,
    seconds: float,
    *,
    work: float = 0.0,
    broken: str = "",
    strict: bool = True,
) -> Finding:
    """What must hold under any load; with `strict` also what must hold on two idle cores, in milliseconds.

    Args:
        nursery: starts the services.
        folder: for the database.
        seconds: of each phase of pressure.
        work: seconds of the phase before, of two hundred workers; 0: as long as the others.
        broken: which broken build.
        strict: hold the limits in milliseconds and shares.
    """
    suite, finding = Suite(nursery, folder, broken), Finding()
    for module in ("paretune_store", "paretune_optimizer"):
        suite.start(module)
    memory = {m: psutil.Process(c.pid) for m, c in suite.children.items()}
    drift = Drift(memory)

    async def main() -> dict[str, tuple[Load, float]]:
        clients = Clients(suite.addresses["paretune_optimizer"], "load")
        made = experiment(id="load", policy=types_pb2.POLICY_RANDOM, ttl=120)
        await store_pb2_grpc.StoreServiceStub(clients.channels[0]).CreateExperiment(
            pb.CreateExperimentRequest(experiment=made), timeout=60
        )
        try:
            return await _run(clients, seconds, 0.0 if strict else 2000.0, work or seconds, drift)
        finally:
            await clients.close()

    try:
        phases = asyncio.run(main())
        sizes = {m: p.memory_info().rss / 1e6 for m, p in memory.items()}
        log = Path(f"{suite.database}-wal").stat().st_size / 1e6
        stuck = _stuck(suite.database)
    finally:
        suite.stop()
    for name, (load, _) in phases.items():
        finding.rounds += sum(map(len, load.took.values()))
        finding.violations += [f"{name}: {what}" for what in load.failed[:3]]
        if load.unadvised:
            finding.violations.append(f"{name}: {load.unadvised} refusals without RetryInfo")
        if load.shed["heartbeat"] or load.shed["observe"]:
            finding.violations.append(f"{name}: a heartbeat or a result was turned away")
    if not phases[FLOOD][0].shed["suggest"]:
        finding.violations.append("nothing was turned away at 4x: the queues have no bound")
    if stuck:
        finding.violations.append(f"{stuck} leases ended and were not given out again")
    if log > 64:
        finding.violations.append(f"the log has {log:.0f} MB")
    peak = max(phases["peak"][1], 1e-9)
    if strict:
        finding.violations += drift.violations
        limits = (
            ("200 workers", "suggest", 0.5),
            ("200 workers", "heartbeat", 0.2),
            (PATIENT, "suggest", 0.5),
            (FLOOD, "suggest", 0.5),
        )
        for name, kind, limit in limits:
            if (took := phases[name][0].p99(kind)) > limit:
                finding.violations.append(
                    f"{name}: p99 of {kind} is {took * 1e3:.0f} ms, at most {limit * 1e3:.0f}"
                )
        for name in (PATIENT, FLOOD):
            if (kept := phases[name][1] / peak) < 0.8:
                finding.violations.append(f"goodput of {name} is {kept:.0%} of the peak, at least 80 %")
    rates = "; ".join(
        f"{name} {rate:.0f}/s, p99 {load.p99('suggest') * 1e3:.0f} ms"
        + (f", {rate / peak:.0%} of the peak" if name in (PATIENT, FLOOD) else "")
        + (f", {len(load.shed['suggest'])} turned away" if load.shed["suggest"] else "")
        for name, (load, rate) in phases.items()
    )
    finding.note = (
        f"{rates}; longest wait of the busy ones {max(phases[PATIENT][0].waited):.1f} s; "
        f"Store {sizes['paretune_store']:.0f} MB, Optimizer {sizes['paretune_optimizer']:.0f} MB, "
        f"log {log:.0f} MB; while 200 worked: {drift.note}"
    )
    return finding
