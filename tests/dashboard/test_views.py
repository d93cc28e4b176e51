"""What the dashboard knows of an experiment."""

import asyncio
from contextlib import asynccontextmanager

import grpc

import paretune as pt
from paretune import wire
from paretune.rpc.channel import open_async_channel
from paretune.rpc.server import Serving, open_server
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune_dashboard import views
from paretune_dashboard.services import Services
from paretune_store.backup import restore
from paretune_store.servicer import StoreServicer
from paretune_store.sqlite import SqliteStore


@asynccontextmanager
async def serving(database, port=0):
    """A Store: how to observe a value in experiment e, and its port."""
    store = SqliteStore.open(database)

    def register(server: grpc.aio.Server) -> None:
        store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(store), server)

    async def observe(score):
        measured = pt.Observation({"x": 0.5}, (pt.MetricValue("score", score),), experiment_id="e")
        await store.write(pb.ObserveRequest(observation=wire.observation_to_proto(measured)))

    server, port = open_server(Serving(f"127.0.0.1:{port}"), register, ["paretune.v1.StoreService"])
    await server.start()
    try:
        yield observe, port
    finally:
        await store.end_watches()
        await server.stop(1)
        await store.close()


def test_a_view_shows_nothing_that_a_restore_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "PAUSE_SECONDS", 0.05)
    made = pt.Experiment("e", pt.SearchSpace((pt.Double("x", 0, 1),)), (pt.Maximize("score"),), id="e")

    async def shows(view, *scores):
        async with asyncio.timeout(30):
            while not view.complete or view.columns.values(slice(None)).ravel().tolist() != [*scores]:
                await view.moved(view.version, 30)

    async def main():
        async with serving(tmp_path / "tune.db") as (observe, port):
            channel = open_async_channel(f"127.0.0.1:{port}")
            stub = store_pb2_grpc.StoreServiceStub(channel)
            await stub.CreateExperiment(pb.CreateExperimentRequest(experiment=wire.experiment_to_proto(made)))
            await observe(1.0)
            copy = [reply.data async for reply in stub.Backup(pb.BackupRequest())]
            (tmp_path / "copy.db").write_bytes(b"".join(copy))
            await channel.close()
            for score in (2.0, 3.0):
                await observe(score)
            services = Services(f"127.0.0.1:{port}")
            view = views.View(services, "e", "")
            await shows(view, 1.0, 2.0, 3.0)
        replaced = view.replaced
        async with serving(tmp_path / "tune.db", port) as (observe, _):  # restarted: it goes on as it is
            await observe(4.0)
            await shows(view, 1.0, 2.0, 3.0, 4.0)
            assert view.replaced == replaced
        restore(tmp_path / "copy.db", tmp_path / "tune.db", replace=True)
        async with serving(tmp_path / "tune.db", port) as (observe, _):
            await observe(5.0)
            await shows(view, 1.0, 5.0)
            assert view.replaced > replaced  # pages ask for all rows again
        view.end()
        await services.__aexit__(None, None, None)

    asyncio.run(main())
