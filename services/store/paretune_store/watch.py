"""Watching: what was committed, from any point on, then live, at little cost per watcher.

Each watched experiment keeps its latest events in memory; a watcher reads the file only to catch up.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from paretune.errors import InvalidArgument, NotFound, Unavailable
from paretune.v1 import store_pb2
from paretune_store import pages
from paretune_store.transaction import CHECKPOINT, Committed, Transaction

KEPT = 1024
"""Events kept in memory per watched experiment; slower watchers read the file."""
CHUNK = 512
"""Most events in one message."""
SIGN_OF_LIFE_SECONDS = 10.0

ReadEvents = Callable[[int, int, bool, int], Awaitable[list[tuple[int, bytes]]]]
"""(experiment key, after sequence, skip checkpoints, limit) -> (sequence, body) from the file, in order."""


class Feed:
    """The latest events of one watched experiment.

    Attributes:
        floor: every event after this sequence number is in `latest`, or will be.
    """

    def __init__(self, floor: int) -> None:
        """Nothing happened since `floor`."""
        self.floor = floor
        self.latest: deque[tuple[int, int, store_pb2.Event]] = deque()
        self.moved = asyncio.Event()
        self.watchers = 0
        self.deleted = False

    @property
    def last(self) -> int:
        """Sequence number of the last event known."""
        return self.latest[-1][0] if self.latest else self.floor

    def add(self, committed: Committed) -> None:
        """Take in an event."""
        event = store_pb2.Event.FromString(committed.body)
        event.sequence = committed.sequence
        self.latest.append((committed.sequence, committed.kind, event))
        if len(self.latest) > KEPT:
            self.floor = self.latest.popleft()[0]

    def after(self, sequence: int, skip_checkpoints: bool) -> tuple[list[store_pb2.Event], int]:
        """Up to a chunk of events after `sequence`, which is not before the floor, and how far they reach."""
        found: list[store_pb2.Event] = []
        size = 0
        for number, kind, event in self._newer(sequence):
            if not (skip_checkpoints and kind == CHECKPOINT):
                size += event.ByteSize()
                if found and (len(found) == CHUNK or size > pages.MAX_BYTES):
                    break
                found.append(event)
            sequence = number
        return found, sequence

    def _newer(self, sequence: int) -> list[tuple[int, int, store_pb2.Event]]:
        newer: list[tuple[int, int, store_pb2.Event]] = []
        for entry in reversed(self.latest):  # watchers are mostly close to the end
            if entry[0] <= sequence:
                break
            newer.append(entry)
        newer.reverse()
        return newer

    def wake(self) -> None:
        """Let all watchers look again."""
        self.moved.set()
        self.moved = asyncio.Event()


class Hub:
    """All feeds.

    Args:
        read: reads events from the file.
        last: sequence number of the last event committed so far.
        restored: number after which events are counted since the last restore; 0: there was none.
        sign_of_life: seconds of silence after which a watcher gets an empty message.
    """

    def __init__(
        self, read: ReadEvents, last: int, restored: int = 0, sign_of_life: float = SIGN_OF_LIFE_SECONDS
    ) -> None:
        """Nobody watches yet."""
        self._read = read
        self._last = last
        self._restored = restored
        self._sign_of_life = sign_of_life
        self._feeds: dict[int, Feed] = {}
        self._closed = False

    def publish(self, transactions: list[Transaction]) -> None:
        """Pass on what was committed."""
        touched: set[Feed] = set()
        for transaction in transactions:
            for event in transaction.events:
                self._last = max(self._last, event.sequence)
                if feed := self._feeds.get(event.experiment):
                    feed.add(event)
                    touched.add(feed)
            for key in transaction.deleted:
                if feed := self._feeds.get(key):
                    feed.deleted = True
                    touched.add(feed)
        for feed in touched:
            feed.wake()

    def close(self) -> None:
        """End all watches."""
        self._closed = True
        for feed in self._feeds.values():
            feed.wake()

    @contextmanager
    def follow(self, key: int) -> Iterator[Feed]:
        """The feed of an experiment, kept up to date within the block."""
        feed = self._feeds.setdefault(key, Feed(self._last))
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                del self._feeds[key]

    async def watch(
        self, feed: Feed, key: int, request: store_pb2.WatchRequest
    ) -> AsyncGenerator[store_pb2.WatchResponse, None]:
        """The messages for one watcher; endless."""
        context, clock = f"watch:{request.experiment_id}:{key}", asyncio.get_running_loop().time
        cursor, skip = self._start(context, request), request.skip_checkpoints
        due = clock()
        while True:
            moved = feed.moved
            self._check(feed, request.experiment_id)
            events, cursor = await self._next(feed, key, cursor, skip)
            caught_up = cursor >= feed.last
            if events or clock() >= due:
                token = pages.encode(context, (cursor, self._restored))
                yield store_pb2.WatchResponse(events=events, resume_token=token, caught_up=caught_up)
                due = clock() + self._sign_of_life
            if caught_up:
                with suppress(TimeoutError):
                    await asyncio.wait_for(moved.wait(), max(due - clock(), 0))

    def _start(self, context: str, request: store_pb2.WatchRequest) -> int:
        """The sequence number after which to begin."""
        token, cursor = request.resume_token, request.after_sequence
        if cursor < 0 or (token and cursor):
            raise InvalidArgument.of(
                "after_sequence",
                "must be a sequence number that the Store gave, and not beside a resume_token",
            )
        if token:
            cursor, restored = pages.decode(context, token, "resume_token")
            known = restored == self._restored
        else:
            known = cursor >= self._restored or not cursor
        if not known or cursor > self._last:
            raise InvalidArgument(
                f"{'resume_token' if token else 'after_sequence'} is from before this Store was restored "
                "from a backup, or ahead of it: watch from the beginning.",
                reason="INVALID_TOKEN",
            )
        return cursor

    async def _next(self, feed: Feed, key: int, cursor: int, skip: bool) -> tuple[list[store_pb2.Event], int]:
        floor = feed.floor
        if cursor >= floor:
            return feed.after(cursor, skip)
        rows = await self._read(key, cursor, skip, CHUNK)
        events: list[store_pb2.Event] = []
        size = 0
        for sequence, body in rows:
            size += len(body)
            if events and size > pages.MAX_BYTES:
                return events, cursor
            event = store_pb2.Event.FromString(body)
            event.sequence = cursor = sequence
            events.append(event)
        # A short answer was everything: all events up to the floor were committed before the file was read.
        return events, cursor if len(rows) == CHUNK else max(cursor, floor)

    def _check(self, feed: Feed, experiment_id: str) -> None:
        if self._closed:
            raise Unavailable("The Store is stopping; watch again with the resume token.")
        if feed.deleted:
            raise NotFound.of("experiment", experiment_id)
