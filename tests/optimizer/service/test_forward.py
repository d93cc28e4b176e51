"""Streams to the Store that never end get in nobody's way."""

import asyncio

import grpc
from scripted_store import ScriptedStore, channel_to, message, served, until

from paretune.errors import ResourceExhausted
from paretune.rpc.channel import open_async_channel
from paretune.rpc.server import Serving, open_server
from paretune.rpc.status import error_of
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune_optimizer.service.forward import StoreForwarder

WATCH = pb.WatchRequest(experiment_id="case")


async def watching(stub):
    """A Watch that has begun."""
    stream = stub.Watch(WATCH)
    await stream.read()
    return stream


def test_calls_do_not_wait_behind_streams_of_another_connection():
    async def main():
        async with (
            served(ScriptedStore([message("one")]), max_concurrent_streams=2) as address,
            open_async_channel(address) as calls,
            open_async_channel(address, own_connection=True) as streams,
        ):
            open_ones = [await watching(store_pb2_grpc.StoreServiceStub(streams)) for _ in range(2)]
            await store_pb2_grpc.StoreServiceStub(calls).ListExperiments(
                pb.ListExperimentsRequest(), timeout=5
            )
            for stream in open_ones:
                stream.cancel()

    asyncio.run(main())


def test_streams_beyond_what_there_is_room_for_are_refused_and_told_when_to_come_again():
    async def main():
        async with channel_to(ScriptedStore([message("one")])) as store:
            forwarder = StoreForwarder(store, store, most=2)
            server, port = open_server(
                Serving("127.0.0.1:0"),
                lambda server: server.add_generic_rpc_handlers((forwarder,)),
                ["paretune.v1.StoreService"],
            )
            await server.start()
            async with open_async_channel(f"127.0.0.1:{port}", retries=False) as channel:
                stub = store_pb2_grpc.StoreServiceStub(channel)
                open_ones = [await watching(stub) for _ in range(2)]
                refused = stub.Watch(WATCH)
                try:
                    await refused.read()
                except grpc.aio.AioRpcError as failure:
                    error = error_of(failure)
                assert isinstance(error, ResourceExhausted)
                assert error.retry_after > 0
                open_ones.pop().cancel()
                await until(lambda: forwarder._streams == 1)
                open_ones.append(await watching(stub))
                for stream in open_ones:
                    stream.cancel()
            await server.stop(None)

    asyncio.run(main())
