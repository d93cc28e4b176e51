"""What every engine of the Store promises, in words. tests/contract/store_contract.py holds them to it."""

from collections.abc import AsyncGenerator
from typing import Protocol

from google.protobuf.message import Message

from paretune.access import EVERYBODY, Caller
from paretune.v1 import store_pb2


class Store(Protocol):
    """The system of record. Requests and replies are the messages of store.proto, which says what each means.

    Invariants:
        1. `write` returns only after its effect would survive kill -9 and power loss.
        2. A `write` or `read` that raises changed nothing.
        3. The first reply to a request_id is kept in the transaction of its effect: the same request gets the
           same bytes for ever, another request with that id is refused.
        4. Writes happen one after the other; a write that begins after another returned sees its effect, and
           so do `read` and `watch`.
        5. A suggestion is held by at most one lease. Fences are never used twice and grow, as strings, over
           all restarts; nothing is taken from whoever has not the fence of the row.
        6. A suggestion has at most one observation; its state then is OBSERVED, and final states stay.
        7. Ordinals of suggestions and of observations are 1, 2, 3, ... without gaps.
        8. Progress equals what counting would give.
        9. Every change has one event; whoever resumes anywhere sees each event after it once, in order.
    """

    async def write(self, request: Message, caller: Caller = EVERYBODY) -> bytes:
        """Carry out a request that may change something; the reply, serialized.

        What belongs to another project than the caller's does not exist for it, here and below.

        Raises:
            ParetuneError: as store.proto says for the RPC; nothing was changed.
        """

    async def read(self, request: Message, caller: Caller = EVERYBODY) -> Message:
        """Answer a request that changes nothing.

        Raises:
            ParetuneError: as store.proto says for the RPC.
        """

    def watch(
        self, request: store_pb2.WatchRequest, caller: Caller = EVERYBODY
    ) -> AsyncGenerator[store_pb2.WatchResponse, None]:
        """The events of an experiment, from a resume token on, then live.

        Raises:
            NotFound: there is no such experiment, or it was deleted meanwhile.
            Unavailable: the Store stops.
        """

    async def expire(self) -> float:
        """End every lease that has expired; seconds until the next one can (infinite when there is none)."""

    async def prune(self, days: float) -> int:
        """Remove replies and events of checkpoints that are older than `days`; how many rows went."""

    def export(
        self, request: store_pb2.ExportRequest, caller: Caller = EVERYBODY
    ) -> AsyncGenerator[store_pb2.ExportResponse, None]:
        """Everything recorded in an experiment, as of one moment.

        Raises:
            NotFound: there is no such experiment.
        """

    def backup(self) -> AsyncGenerator[store_pb2.BackupResponse, None]:
        """A copy of the whole file, as of one moment.

        Raises:
            ResourceExhausted: another one runs, or there is no room for it.
        """

    async def end_watches(self) -> None:
        """End all watches, and refuse new ones, because the Store stops."""

    async def close(self) -> None:
        """Finish what is queued, then let go of the file."""
