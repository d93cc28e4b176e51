"""Watching while the Store has no room for it."""

import asyncio
from contextlib import ExitStack

import grpc

import paretune as pt
from paretune.client import calls
from paretune.client.new_experiment import new_experiment
from paretune.rpc.admission import ROOM, Admission
from paretune.rpc.interceptor import CallInterceptor
from paretune.rpc.policy import Cost
from paretune.v1 import store_pb2_grpc
from paretune_store.servicer import StoreServicer
from paretune_store.sqlite import SqliteStore


class Crowded(Admission):
    """As full of Suggests as it can be, until it has turned so many calls away."""

    def __init__(self, patience: int) -> None:
        super().__init__()
        self._patience, self._crowd = patience, ExitStack()
        for _ in range(ROOM[Cost.HEAVY]):
            self._crowd.enter_context(self.room("/paretune.v1.OptimizerService/Suggest"))

    def turns_away(self, method):
        pause = super().turns_away(method)
        if pause is not None:
            assert method.endswith("/Watch")
            self._patience -= 1
            if not self._patience:
                self._crowd.close()
        return pause


def test_watching_waits_for_room(tmp_path, fields):
    def first(address):
        with pt.Client(address) as client:
            return next(client.watch("e")).sequence

    async def first_awaited(address):
        async with pt.aio.AsyncClient(address) as client:
            return await anext(client.watch("e"))

    async def main():
        store = SqliteStore.open(tmp_path / "tune.db")
        await store.write(calls.create_experiment(new_experiment(**fields(id="e")), None).request)
        server = grpc.aio.server(interceptors=(CallInterceptor(admission=Crowded(4)),))
        store_pb2_grpc.add_StoreServiceServicer_to_server(StoreServicer(store), server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            event, sequence = await asyncio.gather(first_awaited(address), asyncio.to_thread(first, address))
            assert event.sequence == sequence
        finally:
            await server.stop(0)
            await store.close()

    asyncio.run(main())
