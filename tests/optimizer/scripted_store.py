"""A Store on loopback that says what a test wants it to say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

from paretune import wire
from paretune.errors import ParetuneError
from paretune.experiment import Experiment
from paretune.observation import Event
from paretune.rpc.channel import open_async_channel
from paretune.rpc.status import status_of
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc

Answer = list[pb.WatchResponse | ParetuneError]


class ScriptedStore(store_pb2_grpc.StoreServiceServicer):
    """Answers each Watch with the next of some answers, and the last one again and again.

    Args:
        answers: to one Watch after the other: messages, or an error that ends it; else it stays open.
        active: what ListExperiments lists.
    """

    def __init__(self, *answers: Answer, active: tuple[Experiment, ...] = ()) -> None:
        self._answers = list(answers)
        self._active = active
        self.tokens: list[str] = []

    async def Watch(self, request, context):
        self.tokens.append(request.resume_token)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        for one in answer:
            if isinstance(one, ParetuneError):
                await context.abort_with_status(status_of(one))
            yield one
        await asyncio.Event().wait()

    async def ListExperiments(self, request, context):
        return pb.ListExperimentsResponse(experiments=map(wire.experiment_to_proto, self._active))


def message(token: str, *events: Event) -> pb.WatchResponse:
    """A message of the stream, after which there is nothing more for now."""
    return pb.WatchResponse(events=map(wire.event_to_proto, events), resume_token=token, caught_up=True)


@asynccontextmanager
async def served(store: ScriptedStore, **options: int) -> AsyncIterator[str]:
    """The address of the Store; `options` are gRPC's, without "grpc."."""
    server = grpc.aio.server(options=[(f"grpc.{name}", value) for name, value in options.items()])
    store_pb2_grpc.add_StoreServiceServicer_to_server(store, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@asynccontextmanager
async def channel_to(store: ScriptedStore) -> AsyncIterator[grpc.aio.Channel]:
    async with served(store) as address, open_async_channel(address, retries=False) as channel:
        yield channel


async def until(true: Callable[[], bool]) -> None:
    """Wait until something has come true."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)
