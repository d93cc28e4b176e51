"""The SQLite engine: which function answers which request, inside what."""

import asyncio
import hashlib
import math
import secrets
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Self

from google.protobuf.message import Message
from sqlite_utils import Database

from paretune import failpoints
from paretune.access import EVERYBODY, Caller
from paretune.errors import ResourceExhausted
from paretune.v1 import store_pb2 as pb
from paretune_store import leases, retention, transfer
from paretune_store.backup import copy_name, make_copy
from paretune_store.clock import SECOND, Clock, SystemClock
from paretune_store.commands import QUERIES, is_brief, prepare
from paretune_store.database import Connections, ReadOnly, connect, open_database
from paretune_store.log import Log
from paretune_store.restored import last_event, restored, settle
from paretune_store.scope import check_scope, narrowed
from paretune_store.transaction import Transaction, Vocabulary, find_experiment
from paretune_store.validation import validate
from paretune_store.watch import Hub
from paretune_store.writer import Writer, storage_error

COPY_CHUNK = 1024 * 1024
"""Bytes of a backup in one message."""


def new_id(prefix: str, time: int) -> str:
    """An id that never comes twice: prefix, microseconds since 1970, 40 random bits.

    The time comes first so that new rows lie side by side in the indexes: a commit then writes few pages.
    """
    return f"{prefix}-{time:014x}{secrets.token_hex(5)}"


TOTALS = ("observations", "ok", "infeasible", "crashed", "stopped_early", "queued", "leased", "lost")
"""Counters of an experiment that are summed for Prometheus."""


class SqliteStore:
    """A `Store` in one SQLite file: one connection writes, one reads."""

    def __init__(self, connections: Connections, clock: Clock, new_id: Callable[[str, int], str]) -> None:
        """Take over an opened file; must be called on a running event loop. See `open`."""
        self._connections = connections
        self._clock = clock
        self._new_id = new_id
        self._vocabulary = Vocabulary()
        self._epoch = _new_epoch(connections.writer, clock)
        self._fences = 0
        self._anchor()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._hub = Hub(self._read_events, last_event(connections.writer), restored(connections.writer))
        self._writer = Writer(
            connections.writer, self._begin, self._hub.publish, Log(connections.writer).wrote
        )
        self._copying = False

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock | None = None,
        new_id: Callable[[str, int], str] = new_id,
        *,
        network: bool = False,
    ) -> Self:
        """Open or create the file; must be called on a running event loop. `network`: see `open_database`.

        Raises:
            CannotOpen: as its subclasses say.
        """
        connections = open_database(path, network=network)
        try:
            return cls(connections, clock or SystemClock(), new_id)
        except sqlite3.Error as error:
            connections.close()
            raise ReadOnly(f"Cannot write {path}: {error}.") from None

    async def write(self, request: Message, caller: Caller = EVERYBODY) -> bytes:
        """See `Store.write`."""
        validate(request)
        return await self._writer.submit(prepare(request, caller), brief=is_brief(request))  # type: ignore[no-any-return]

    async def read(self, request: Message, caller: Caller = EVERYBODY) -> Message:
        """See `Store.read`."""
        validate(request)
        if isinstance(request, pb.ListExperimentsRequest):
            mine = narrowed(request, caller)
            if mine is None:
                return pb.ListExperimentsResponse()
            request = mine

        def answer(db: Database) -> Message:
            check_scope(db, request, caller)
            return QUERIES[type(request)](db, request)

        return await self._on_reader(answer)  # type: ignore[no-any-return]

    async def watch(
        self, request: pb.WatchRequest, caller: Caller = EVERYBODY
    ) -> AsyncGenerator[pb.WatchResponse, None]:
        """See `Store.watch`."""
        validate(request)
        await self._on_reader(check_scope, request, caller)
        key = (await self._on_reader(find_experiment, request.experiment_id)).key
        with self._hub.follow(key) as feed:
            # Again, now that a deletion would be noticed.
            await self._on_reader(find_experiment, request.experiment_id)
            async with aclosing(self._hub.watch(feed, key, request)) as messages:
                async for message in messages:
                    yield message

    async def expire(self) -> float:
        """See `Store.expire`."""
        while True:
            due = await self._on_reader(leases.next_expiry)
            if due is None:
                return math.inf
            left = (due - self._clock.steady()) / SECOND
            if left > 0:
                return float(left)
            await self._writer.submit(leases.expire)
            failpoints.hit("reaper_after_expire")

    @property
    def waiting(self) -> int:
        """Writes that wait for the disk."""
        return self._writer.waiting

    async def totals(self) -> dict[str, float]:
        """The counters of `TOTALS`, summed over all experiments."""
        columns = ", ".join(f"TOTAL({name})" for name in TOTALS)

        def read(db: Database) -> dict[str, float]:
            (row,) = db.execute(f"SELECT COUNT(*), {columns} FROM experiments").fetchall()  # noqa: S608
            return dict(zip(("experiments", *TOTALS), map(float, row), strict=True))

        return dict(await self._on_reader(read))

    async def prune(self, days: float) -> int:
        """See `Store.prune`."""
        return await retention.prune(self._writer.submit, days)

    async def export(
        self, request: pb.ExportRequest, caller: Caller = EVERYBODY
    ) -> AsyncGenerator[pb.ExportResponse, None]:
        """See `Store.export`."""
        validate(request)
        with ThreadPoolExecutor(1, thread_name_prefix="export") as thread:
            run = partial(self._in_thread, thread)
            db = await run(connect, self._connections.path, "ro")
            try:
                await run(db.execute, "BEGIN")
                await run(check_scope, db, request, caller)
                messages = transfer.export(db, request)
                while (message := await run(next, messages, None)) is not None:
                    yield message
            finally:
                await run(db.close)

    async def backup(self) -> AsyncGenerator[pb.BackupResponse, None]:
        """See `Store.backup`."""
        if self._copying:
            raise ResourceExhausted("Another backup runs; try again when it is done.", retry_after=5.0)
        self._copying = True
        thread = ThreadPoolExecutor(1, thread_name_prefix="backup")
        run, given_up = partial(self._in_thread, thread), threading.Event()
        try:
            copy = await run(make_copy, self._connections.path, self._clock.wall(), given_up)
            digest = hashlib.sha256()
            with await run(copy.open, "rb") as file:
                size = copy.stat().st_size
                while data := await run(file.read, COPY_CHUNK):
                    digest.update(data)
                    yield pb.BackupResponse(data=data, total_bytes=size)
            yield pb.BackupResponse(total_bytes=size, sha256=digest.digest())
        finally:
            # A copy that nobody wants any more may still be under way: the thread ends it, then this.
            given_up.set()
            ended = asyncio.wrap_future(thread.submit(self._forget_copy))
            thread.shutdown(wait=False)
            await asyncio.shield(ended)

    def _forget_copy(self) -> None:
        try:
            copy_name(self._connections.path).unlink(missing_ok=True)
        finally:
            self._copying = False

    async def end_watches(self) -> None:
        """See `Store.end_watches`."""
        self._hub.close()

    async def close(self) -> None:
        """See `Store.close`."""
        self._hub.close()
        await self._writer.close()
        self._reader.shutdown()
        self._connections.close()

    def _begin(self) -> Transaction:
        return Transaction(
            self._connections.writer,
            self._clock.wall(),
            self._clock.steady(),
            self._new_fence,
            self._new_id,
            self._vocabulary,
        )

    def _new_fence(self) -> str:
        """Later ones are greater, as strings, because both numbers are padded; see `_new_epoch`."""
        self._fences += 1
        return f"{self._epoch:012d}-{self._fences:012d}"

    def _anchor(self) -> None:
        db = self._connections.writer
        with db.atomic():
            settle(self._begin)
            tx = self._begin()
            leases.anchor(tx)
            tx.flush()

    async def _on_reader(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._in_thread(self._reader, function, self._connections.reader, *arguments)

    async def _in_thread(
        self, thread: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(thread, partial(function, *arguments))
        except sqlite3.DatabaseError as error:
            raise storage_error(error) from error

    async def _read_events(
        self, experiment: int, after: int, skip_checkpoints: bool, limit: int
    ) -> list[tuple[int, bytes]]:
        def read(db: Database) -> list[tuple[int, bytes]]:
            return db.execute(
                "SELECT sequence, body FROM events WHERE experiment = ? AND sequence > ?"
                " AND (kind != 6 OR NOT ?) ORDER BY sequence LIMIT ?",
                (experiment, after, skip_checkpoints, limit),
            ).fetchall()

        return await self._on_reader(read)  # type: ignore[no-any-return]


def _new_epoch(db: Database, clock: Clock) -> int:
    """A number greater than that of every start before, written before anything else is.

    The time takes part so that a Store restored from an old backup does not repeat the epochs, and so the
    fences, that were given out after the backup.
    """
    with db.atomic():
        row = db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        epoch = max(int(row[0]) + 1 if row else 1, clock.wall() // SECOND)
        db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', ?)", (str(epoch),))
    return epoch
