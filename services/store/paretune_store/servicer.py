"""StoreService over the wire: check, delegate, map. The engine speaks the messages of the contract."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from paretune.access import caller
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune_store.store import Store


class StoreServicer(store_pb2_grpc.StoreServiceServicer):
    """Hands every request to the engine. What each RPC means: store.proto.

    Replies of mutating calls are bytes: a retry must get the very bytes of the first reply.
    """

    def __init__(self, store: Store) -> None:
        """Serve this store."""
        self._store = store

    async def _write(self, request: Message, context: Any) -> Any:
        return await self._store.write(request, caller())

    async def _read(self, request: Message, context: Any) -> Any:
        return await self._store.read(request, caller())

    CreateExperiment = _write
    GetExperiment = _read
    ListExperiments = _read
    UpdateExperiment = _write
    DeleteExperiment = _write
    LeaseSuggestions = _write
    LeaseSuggestionsBatch = _write
    QueueSuggestion = _write
    Heartbeat = _write
    ReleaseSuggestion = _write
    CancelSuggestion = _write
    StopSuggestion = _write
    GetSuggestion = _read
    ListSuggestions = _read
    Observe = _write
    ObserveBatch = _write
    AmendObservation = _write
    GetObservation = _read
    ListObservations = _read
    RecordCheckpoints = _write
    ListCheckpoints = _read
    ReportNode = _write
    ListNodes = _read
    GetInfo = _read
    Import = _write

    async def Export(self, request: pb.ExportRequest, context: Any) -> AsyncIterator[pb.ExportResponse]:
        """See store.proto."""
        async with aclosing(self._store.export(request, caller())) as messages:
            async for message in messages:
                yield message

    async def Backup(self, request: pb.BackupRequest, context: Any) -> AsyncIterator[pb.BackupResponse]:
        """See store.proto."""
        async with aclosing(self._store.backup()) as messages:
            async for message in messages:
                yield message

    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.WatchResponse]:
        """See store.proto."""
        async with aclosing(self._store.watch(request, caller())) as messages:
            async for message in messages:
                yield message
