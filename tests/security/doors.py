"""Three services in this process, behind real ports: what the tests of the doors call.

In one process, so that a test can break a part on purpose, and because a matrix of 800 calls needs no more.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2_grpc
from inside import Recorder

from paretune.access import Role
from paretune.rpc.channel import open_async_channel, open_channel
from paretune.rpc.credentials import Credentials
from paretune.rpc.server import Serving, open_server
from paretune.rpc.tokens import changing_tokens, new_token, revoked
from paretune.v1 import (
    optimizer_pb2,
    optimizer_pb2_grpc,
    store_pb2,
    store_pb2_grpc,
    trainer_pb2,
    trainer_pb2_grpc,
)
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.forward import StoreForwarder
from paretune_optimizer.service.servicer import OptimizerServicer
from paretune_store.servicer import StoreServicer
from paretune_store.sqlite import SqliteStore
from paretune_trainer.config import Config
from paretune_trainer.node import Node
from paretune_trainer.servicer import TrainerServicer

STORE, OPTIMIZER, TRAINER = (
    "paretune.v1.StoreService",
    "paretune.v1.OptimizerService",
    "paretune.v1.TrainerService",
)
SERVICES = [
    service
    for module in (store_pb2, optimizer_pb2, trainer_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]
METHODS = {f"/{s.full_name}/{m.name}": m for s in SERVICES for m in s.methods}
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def mint(path: Path, role: Role, project: str, *, days: float = 1, revoke: bool = False) -> str:
    """A token in the file; with negative `days` one that has expired."""
    now = datetime.now(UTC)
    token, record = new_token(role, project, f"{role.word} of {project}", now + timedelta(days=days), now=now)
    with changing_tokens(path) as records:
        records[record.id] = revoked(record, now) if revoke else record
    return token


class Doors:
    """Store, Optimizer and Trainer on loopback; `closed`: they ask for tokens."""

    def __init__(self, folder: Path, closed: bool = True) -> None:
        self.folder, self.closed = folder, closed
        self.tokens = folder / "tokens.json"
        self.audit = folder / "audit.jsonl"
        self.own = mint(self.tokens, Role.WRITE, "*")
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._executor = ThreadPoolExecutor(2)
        self._channels: dict[str, grpc.Channel] = {}

    def __enter__(self) -> "Doors":
        self._thread.start()
        self.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._channels.values():
            channel.close()
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._executor.shutdown(wait=False)
        self.node.close()

    def run(self, coroutine, timeout: float = 3600):
        """The result of a coroutine on the services' event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    async def _open(self) -> None:
        self.store = SqliteStore.open(self.folder / "paretune.db")
        self._servers = []
        self.inside = Recorder()
        port = await self._serve(
            lambda s: store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(self.store), s), [STORE]
        )
        self.addresses = {STORE: f"127.0.0.1:{port}"}
        self._upstream = open_async_channel(self.addresses[STORE])
        self._feed = Feed(self._upstream, credentials=Credentials(self.own if self.closed else ""))

        def register(server):
            servicer = OptimizerServicer(self._upstream, self._feed, self._executor)
            optimizer_pb2_grpc.add_OptimizerServiceServicer_to_server(servicer, server)
            server.add_generic_rpc_handlers((StoreForwarder(self._upstream, self._upstream),))

        self.addresses[OPTIMIZER] = f"127.0.0.1:{await self._serve(register, [OPTIMIZER, STORE])}"
        self.node = Node(Config(worker="node", slots=1, folder=self.folder))
        port = await self._serve(
            lambda s: trainer_pb2_grpc.add_TrainerServiceServicer_to_server(TrainerServicer(self.node), s),
            [TRAINER],
        )
        self.addresses[TRAINER] = f"127.0.0.1:{port}"

    async def _serve(self, register, services) -> int:
        register(self.inside)
        tokens = self.tokens if self.closed else None
        server, port = open_server(
            Serving("127.0.0.1:0", tokens=tokens, audit=self.audit), register, services
        )
        state = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(state, server)
        await server.start()
        self._servers.append(server)
        return port

    async def _close(self) -> None:
        await self.store.end_watches()
        await self._feed.close()
        for server in reversed(self._servers):
            await server.stop(1)
        await self._upstream.close()
        await self.store.close()

    def channel(self, service: str) -> grpc.Channel:
        if service not in self._channels:
            self._channels[service] = open_channel(self.addresses[service], retries=False)
        return self._channels[service]

    def call(self, method: str, request, *, metadata=(), through: str = "", timeout: float = 30.0):
        """The reply, or the first one of a stream; `through`: another service that forwards it."""
        known = METHODS[method]
        channel = self.channel(through or known.containing_service.full_name)
        kind = channel.unary_stream if known.server_streaming else channel.unary_unary
        reply_class = _module_of(method).__dict__[known.output_type.name]
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        answer = kind(method, lambda b: b, reply_class.FromString)(raw, timeout=timeout, metadata=metadata)
        if not known.server_streaming:
            return answer
        try:
            return next(answer)
        finally:
            answer.cancel()

    def code(self, method: str, request, **options) -> str:
        """Name of the status code of a call."""
        try:
            self.call(method, request, **options)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"


def _module_of(method: str):
    return {STORE: store_pb2, OPTIMIZER: optimizer_pb2, TRAINER: trainer_pb2}[method.split("/")[1]]


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)
