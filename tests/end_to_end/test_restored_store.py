"""An Optimizer that lives on while its Store is restored from a copy."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc

from paretune import wire
from paretune.experiment import Experiment, Minimize
from paretune.parameters import Double
from paretune.rpc.channel import open_async_channel
from paretune.rpc.server import Serving, open_server
from paretune.space import SearchSpace
from paretune.v1 import optimizer_pb2, store_pb2_grpc
from paretune.v1 import store_pb2 as pb
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.servicer import OptimizerServicer
from paretune_store.backup import restore
from paretune_store.servicer import StoreServicer
from paretune_store.sqlite import SqliteStore

EXPERIMENT = Experiment(
    "digits", SearchSpace((Double("x", 0, 1),)), (Minimize("f"), Minimize("g")), id="digits", seed=1
)


class Asked:
    """What a servicer learns about a call: the seconds that are left."""

    @staticmethod
    def time_remaining() -> float:
        return 20.0


@asynccontextmanager
async def serving(database, port=0):
    """A Store; its port."""
    store = SqliteStore.open(database)

    def register(server: grpc.aio.Server) -> None:
        store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(store), server)

    server, port = open_server(Serving(f"127.0.0.1:{port}"), register, ["paretune.v1.StoreService"])
    await server.start()
    try:
        yield port
    finally:
        await store.end_watches()
        await server.stop(1)
        await store.close()


def ask(count: int) -> optimizer_pb2.SuggestRequest:
    return optimizer_pb2.SuggestRequest(experiment_id="digits", count=count, worker="w")


def test_suggestions_go_on_after_a_restore_that_lost_some(tmp_path):
    async def main():
        with ThreadPoolExecutor(1) as executor:
            async with serving(tmp_path / "tune.db") as port:
                channel = open_async_channel(f"127.0.0.1:{port}")
                stub, feed = store_pb2_grpc.StoreServiceStub(channel), Feed(channel)
                optimizer = OptimizerServicer(channel, feed, executor)
                create = pb.CreateExperimentRequest(experiment=wire.experiment_to_proto(EXPERIMENT))
                await stub.CreateExperiment(create)
                kept = (await optimizer.Suggest(ask(4), Asked)).suggestions
                copy = [reply.data async for reply in stub.Backup(pb.BackupRequest())]
                (tmp_path / "copy.db").write_bytes(b"".join(copy))
                await optimizer.Suggest(ask(1), Asked)  # lost
            restore(tmp_path / "copy.db", tmp_path / "tune.db", replace=True)
            async with serving(tmp_path / "tune.db", port):
                # Each lease that the restore ended is an event: the Store is as far as the Optimizer was.
                given = (await optimizer.Suggest(ask(6), Asked)).suggestions
                async with feed.view("digits", 0, 10) as (view, _):
                    assert view.ordinal == 6
                await feed.close()
                await channel.close()
        assert [one.ordinal for one in given] == [1, 2, 3, 4, 5, 6]
        assert [one.id for one in given[:4]] == [one.id for one in kept]

    asyncio.run(main())
