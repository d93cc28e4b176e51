"""The one writer: a thread, a queue, and group commit.

Requests that arrive while a commit waits for the disk share the next commit; where there are several, it
waits a moment for more (docs/decisions/0036). One that is refused before it wrote anything, as all should be,
leaves the others alone. One that fails after it wrote something takes the group's transaction with it; the
group is then done again, each request in a savepoint. Futures are resolved after the commit, never before.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from paretune import failpoints
from paretune.errors import ParetuneError, ResourceExhausted, Unavailable
from paretune_store.transaction import Transaction

log = logging.getLogger("paretune")

GROUP_SIZE = 64
"""Most requests in one commit."""
COMPANY, PATIENCE = 3, 0.002
"""After a group of so many requests the next one waits so many seconds for others to come along."""
MAX_WAITING = 4096
"""Most requests that may wait; more are refused, so that memory and delays stay bounded."""
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_NOMEM}


@dataclass(frozen=True)
class Work:
    """A request on its way through the writer; `brief`: it may be applied on the event loop."""

    apply: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    brief: bool


@dataclass(frozen=True)
class Outcome:
    """What came of a request: a value, or an error."""

    value: Any = None
    error: BaseException | None = None


class Writer:
    """Runs work inside transactions of the writing connection.

    Args:
        db: the writing connection; from now on only the writer uses it.
        begin: makes the transaction of one request.
        between: called on the thread after each group, when its outcomes are on their way.
        committed: called on the event loop after a commit, before anybody hears of it, with the
            transactions of the requests that succeeded.
    """

    def __init__(
        self,
        db: Database,
        begin: Callable[[], Transaction],
        committed: Callable[[list[Transaction]], None],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread; must be called on a running event loop."""
        self._db = db
        self._begin = begin
        self._committed = committed
        self._between = between
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    async def submit(self, apply: Callable[[Transaction], Any], *, brief: bool = False) -> Any:
        """The value of `apply`, once what it wrote is on the disk.

        Args:
            apply: what to do inside the transaction.
            brief: it takes a fraction of a millisecond. A group of such requests is applied on the event loop
                while the thread waits, and only the commit is the thread's: else both would take turns with
                the interpreter's lock at every statement.

        Raises:
            ResourceExhausted: too many requests wait, or the disk is full.
            Unavailable: the file cannot be written.
            Exception: whatever `apply` raised; it changed nothing.
        """
        if self._waiting >= MAX_WAITING:
            raise ResourceExhausted("Too many requests wait to be written; try again shortly.")
        work = Work(apply, self._loop.create_future(), brief)
        self._waiting += 1
        self._queue.put(work)
        # A caller that gives up cancels the future only: what the thread may be doing goes on.
        return await work.future

    @property
    def waiting(self) -> int:
        """Writes that were submitted and not yet answered."""
        return self._waiting

    async def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    # On the thread

    def _run(self) -> None:
        size = 0
        while (first := self._queue.get()) is not None:
            if size >= COMPANY:
                time.sleep(PATIENCE)
            group, last = self._collect(first)
            size = len(group)
            outcomes, transactions = self._commit(group)
            self._loop.call_soon_threadsafe(self._deliver, group, outcomes, transactions)
            if last:
                return
            self._between()

    def _collect(self, first: Work) -> tuple[list[Work], bool]:
        """What waits by now; True when the end was among it."""
        group = [first]
        while len(group) < GROUP_SIZE:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                return group, True
            group.append(work)
        return group, False

    def _commit(self, group: list[Work]) -> tuple[list[Outcome], list[Transaction]]:
        try:
            return self._try(group, self._attempt)
        except _HalfDone:
            return self._try(group, self._attempt_alone)

    def _try(
        self, group: list[Work], attempt: Callable[[Work, list[Transaction]], Outcome]
    ) -> tuple[list[Outcome], list[Transaction]]:
        outcomes: list[Outcome] = []
        transactions: list[Transaction] = []
        try:
            failpoints.hit("before_begin")
            self._db.execute("BEGIN IMMEDIATE")
            if all(work.brief for work in group):
                outcomes.extend(self._on_loop(lambda: [attempt(work, transactions) for work in group]))
            else:
                outcomes.extend(attempt(work, transactions) for work in group)
            failpoints.hit("after_write")
            self._db.execute("COMMIT")
            failpoints.hit("after_commit_before_reply")
        except _HalfDone:
            self._rollback()
            raise
        except BaseException as error:  # whatever it was, nobody may be told that something was written
            self._rollback()
            failure = _readable(error)
            return [Outcome(error=failure)] * len(group), []
        return outcomes, transactions

    def _on_loop(self, apply: Callable[[], list[Outcome]]) -> list[Outcome]:
        """The value of `apply`, called on the event loop; the connection is used by one of both at a time."""
        done: Future[list[Outcome]] = Future()

        def run() -> None:
            try:
                done.set_result(apply())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result()

    def _attempt(self, work: Work, transactions: list[Transaction]) -> Outcome:
        connection = self._db.conn
        before = connection.total_changes
        transaction = self._begin()
        try:
            value = work.apply(transaction)
            transaction.flush()
        except Exception as error:
            if not connection.in_transaction:
                raise  # SQLite gave up the whole transaction, such as when the disk is full
            if connection.total_changes != before:
                raise _HalfDone from error
            return Outcome(error=_readable(error))
        transactions.append(transaction)
        return Outcome(value)

    def _attempt_alone(self, work: Work, transactions: list[Transaction]) -> Outcome:
        self._db.execute("SAVEPOINT request")
        transaction = self._begin()
        try:
            value = work.apply(transaction)
            transaction.flush()
        except Exception as error:
            if not self._db.conn.in_transaction:
                raise  # SQLite gave up the whole transaction, such as when the disk is full
            self._db.execute("ROLLBACK TO request")
            self._db.execute("RELEASE request")
            return Outcome(error=_readable(error))
        self._db.execute("RELEASE request")
        transactions.append(transaction)
        return Outcome(value)

    def _rollback(self) -> None:
        if self._db.conn.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                log.exception("cannot roll back")

    # On the event loop

    def _deliver(self, group: list[Work], outcomes: list[Outcome], transactions: list[Transaction]) -> None:
        try:
            self._committed(transactions)
        except Exception:  # it is on the disk: whoever asked must hear so
            log.exception("cannot tell the watchers")
        self._waiting -= len(group)
        for work, outcome in zip(group, outcomes, strict=True):
            if work.future.cancelled():
                continue
            if outcome.error is None:
                work.future.set_result(outcome.value)
            else:
                work.future.set_exception(outcome.error)


class _HalfDone(Exception):
    """A request failed after it had written something."""


def _readable(error: BaseException) -> BaseException:
    """Trouble with the file as the error that store.proto promises; anything else as it is."""
    if not isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) or isinstance(
        error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    ):
        return error
    log.error("the file cannot be written: %s", error)
    return storage_error(error)


def storage_error(error: sqlite3.Error) -> ParetuneError:
    """The error to raise when SQLite cannot read or write the file."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _FULL:
        return ResourceExhausted(
            "The disk of the Store is full; nothing was written. Free some space and try again.",
            reason="STORAGE_UNAVAILABLE",
            retry_after=5.0,
        )
    return Unavailable(
        "The Store cannot use its file; its log says why. Nothing was written.", reason="STORAGE_UNAVAILABLE"
    )
