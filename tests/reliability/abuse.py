"""Rude callers beside good ones: connections that idle, ping, cancel, never finish, or send what swells."""

import asyncio
import contextlib
import resource
import struct
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import grpc
import psutil
from lanes import Finding
from nursery import Nursery
from optimizer_kills import Suite
from overload import Clients, Load, steady
from store_cases import experiment

from paretune.v1 import optimizer_pb2, store_pb2_grpc, types_pb2
from paretune.v1 import store_pb2 as pb

IDLE, SLOW = 1000, 100
"""Connections that say hello and nothing more; and those that begin a call and never end it."""
RATE = 1000
"""Pings, and calls that are cancelled at once, a second."""
BOMB = 64 * 1024 * 1024
"""Bytes of a message that is sent as a thousandth of that."""
MOST_MEMORY = 256e6
"""Bytes that all of them together may cost a service; twice the size at which it starts."""
# HTTP/2 (RFC 9113): greeting with empty settings, a ping, and headers that say that more will follow.
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
PING = b"\0\0\x08\6\0\0\0\0\0" + bytes(8)
UNFINISHED = struct.pack(">I", 1)[1:] + b"\1\0" + struct.pack(">I", 1) + b"\x83"


def run(nursery: Nursery, folder: Path, seconds: float, *, strict: bool) -> Finding:
    """Fifty workers, first by themselves, then beside the rude ones; with `strict` also how fast."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    suite, finding = Suite(nursery, folder, ""), Finding()
    for module in ("paretune_store", "paretune_optimizer"):
        suite.start(module)
    server = psutil.Process(suite.children["paretune_optimizer"].pid)
    try:
        before, beside, refusal, memory, files = asyncio.run(
            _run(suite.addresses["paretune_optimizer"], server, seconds)
        )
    finally:
        suite.stop()
    finding.rounds = len(before.took["suggest"]) + len(beside.took["suggest"])
    finding.violations += [f"a good caller: {what}" for what in before.failed[:3] + beside.failed[:3]]
    if beside.shed["heartbeat"] or beside.shed["observe"]:
        finding.violations.append("a heartbeat or a result was turned away")
    if refusal != "RESOURCE_EXHAUSTED":
        finding.violations.append(f"the message that swells ended with {refusal}")
    if memory > MOST_MEMORY:
        finding.violations.append(f"the rude callers cost {memory / 1e6:.0f} MB")
    if files > SLOW:
        finding.violations.append(f"{files} files stayed open when they were gone")
    was, now = before.p99("suggest"), beside.p99("suggest")
    if strict and now > 2 * max(was, 0.05):
        finding.violations.append(f"p99 of the others rose from {was * 1e3:.0f} to {now * 1e3:.0f} ms")
    finding.note = (
        f"p99 of the others {was * 1e3:.0f} ms before, {now * 1e3:.0f} ms beside {IDLE} idle connections, "
        f"{SLOW} unfinished calls, {RATE} pings and {RATE} cancelled calls a second; {memory / 1e6:.0f} MB"
    )
    return finding


async def _run(address: str, server: psutil.Process, seconds: float) -> tuple[Load, Load, str, float, int]:
    clients = Clients(address, "load")
    made = experiment(id="load", policy=types_pb2.POLICY_RANDOM, ttl=120)
    await store_pb2_grpc.StoreServiceStub(clients.channels[0]).CreateExperiment(
        pb.CreateExperimentRequest(experiment=made), timeout=60
    )
    before, _ = await steady(clients, seconds, 1.0, 50)
    size, files = server.memory_info().rss, server.num_fds()
    async with _connections(address, IDLE, HELLO), _connections(address, SLOW, HELLO + UNFINISHED):
        rude = [_pings(address), _cancels(address), _bomb(address)]
        async with _meanwhile(rude) as tasks:
            beside, _ = await steady(clients, seconds, 1.0, 50)
            refusal = await tasks[-1]
        size = server.memory_info().rss - size
    await asyncio.sleep(2)
    files = server.num_fds() - files
    await clients.close()
    return before, beside, refusal, size, files


@contextlib.asynccontextmanager
async def _connection(address: str, greeting: bytes) -> AsyncIterator[asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(greeting)
        yield writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def _connections(address: str, count: int, greeting: bytes) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(_connection(address, greeting))
        yield


@contextlib.asynccontextmanager
async def _meanwhile(work: list[Coroutine[Any, Any, Any]]) -> AsyncIterator[list[asyncio.Task[Any]]]:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pings(address: str) -> None:
    """As many as it may; cut off, it comes again at once."""
    while True:
        with contextlib.suppress(ConnectionError):
            async with _connection(address, HELLO) as writer:
                while not writer.is_closing():
                    writer.write(PING * (RATE // 100))
                    await writer.drain()
                    await asyncio.sleep(0.01)


async def _cancels(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        suggest = channel.unary_unary("/paretune.v1.OptimizerService/Suggest")
        raw = optimizer_pb2.SuggestRequest(experiment_id="load", worker="rude").SerializeToString()
        while True:
            for call in [suggest(raw, timeout=30) for _ in range(RATE // 50)]:
                call.cancel()
            await asyncio.sleep(0.02)


async def _bomb(address: str) -> str:
    """The code with which it ends."""
    async with grpc.aio.insecure_channel(address) as channel:
        suggest = channel.unary_unary("/paretune.v1.OptimizerService/Suggest")
        try:
            await suggest(bytes(BOMB), timeout=30, compression=grpc.Compression.Gzip)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"
