"""Builds that are broken on purpose. Every one must be caught: a check that catches none tests nothing.

Each function breaks the services in the process that calls it, for good.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from paretune import failpoints
from paretune.rpc import admission
from paretune.rpc.channel import new_request_id
from paretune_optimizer.service import rounds
from paretune_store import commands, database, leases, log, observations, sqlite, writer
from paretune_store.transaction import Transaction


def small_log() -> None:
    """Not broken: takes its log into the file often, so that a test meets a checkpoint."""
    log.Log.__init__.__defaults__ = (50,)


def answers_before_commit() -> None:
    """Everybody hears that a write succeeded before it is on the disk."""
    attempt, on_loop = writer.Writer._attempt, writer.Writer._on_loop

    def early(self: Any, work: Any, transactions: list[Transaction]) -> Any:
        outcome = attempt(self, work, transactions)

        def tell() -> None:
            if not work.future.done():
                if outcome.error is None:
                    work.future.set_result(outcome.value)
                else:
                    work.future.set_exception(outcome.error)

        self._loop.call_soon_threadsafe(tell)
        return outcome

    def told_by_then(self: Any, apply: Any) -> Any:
        outcomes = on_loop(self, apply)
        time.sleep(0.02)  # a slow disk: what was told early is heard before the commit
        return outcomes

    def deliver(self: Any, group: Any, outcomes: Any, transactions: Any) -> None:
        self._committed(transactions)
        self._waiting -= len(group)

    writer.Writer._on_loop = told_by_then  # type: ignore[method-assign]
    writer.Writer._attempt = early  # type: ignore[method-assign]
    writer.Writer._deliver = deliver  # type: ignore[method-assign]


def synchronous_off() -> None:
    """Commits do not wait for the disk."""
    prepare = database._prepare

    def careless(db: Any) -> None:
        prepare(db)
        db.execute("PRAGMA synchronous = OFF")

    database._prepare = careless


def no_request_ids() -> None:
    """A request that comes again is carried out again."""
    commands.first_reply = lambda tx, request_id, digest: None  # type: ignore[attr-defined]
    commands.keep_reply = lambda tx, request_id, digest, response: None  # type: ignore[attr-defined]


def fences_ignored() -> None:
    """Whoever reports on an open suggestion is believed."""
    for module in (leases, observations):
        module.check_holder = lambda record, fence: leases.check_open(record)  # type: ignore[attr-defined]


def expiry_in_two_steps() -> None:
    """Ending a lease and queueing its suggestion again are two transactions; a crash between loses it."""

    def first(tx: Transaction) -> list[int]:
        overdue = "UPDATE suggestions SET expires = NULL WHERE state = 2 AND expires <= ? RETURNING key"
        return [row[0] for row in tx.db.execute(overdue, (tx.steady,)).fetchall()]

    def second(keys: list[int], tx: Transaction) -> None:
        for key in keys:
            (row,) = tx.db.execute(leases.SELECT + "WHERE key = ?", (key,)).fetchall()
            record = leases.SuggestionRecord(*row)
            record.expirations += 1
            record.fence = None
            leases.move(tx, tx.experiment_by_key(record.experiment), record, leases.QUEUED)

    async def expire(self: Any) -> float:
        if keys := await self._writer.submit(first):
            failpoints.hit("reaper_after_expire")
            await self._writer.submit(partial(second, keys))
        return 0.05

    sqlite.SqliteStore.expire = expire  # type: ignore[method-assign]


def suggestions_recorded_early() -> None:
    """A suggestion is recorded before, and not together with, the reply to the question for it."""
    propose = rounds.Rounds._propose

    async def early(self: Any, view: Any, asked: Any, deadline: float) -> Any:
        made = await propose(self, view, asked, deadline)
        for request in made:
            request.request_id = new_request_id()
        return made

    rounds.Rounds._propose = early  # type: ignore[method-assign]


def errors_do_not_stop() -> None:
    """A handler notes that something is wrong, and goes on."""
    wrong = leases.check_holder

    def noted(record: Any, fence: str) -> None:
        try:
            wrong(record, fence)
        except Exception as error:
            _LATER.append(error)

    def observe(tx: Transaction, request: Any) -> Any:
        reply = _observe(tx, request)
        if _LATER:
            raise _AfterTheFact(_LATER.pop())
        return reply

    _observe = observations.observe
    observations.check_holder = noted  # type: ignore[attr-defined]
    commands.COMMANDS[commands.pb.ObserveRequest] = commands.Command(observe)
    attempt = writer.Writer._attempt

    def keep(self: Any, work: Any, transactions: list[Transaction]) -> Any:
        apply = work.apply

        def careless(tx: Transaction) -> Any:
            try:
                return apply(tx)
            except _AfterTheFact as error:
                return error.args[0]

        outcome = attempt(self, replace(work, apply=careless), transactions)
        return writer.Outcome(error=outcome.value) if isinstance(outcome.value, Exception) else outcome

    writer.Writer._attempt = keep  # type: ignore[method-assign]


class _AfterTheFact(Exception):
    pass


_LATER: list[Exception] = []


def no_bound() -> None:
    """Nothing is ever turned away."""
    admission.Admission.__init__.__defaults__ = (dict.fromkeys(admission.Cost, 10**9), None, time.monotonic)
    writer.MAX_WAITING = 10**9


BUILDS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        small_log,
        answers_before_commit,
        synchronous_off,
        no_request_ids,
        fences_ignored,
        expiry_in_two_steps,
        suggestions_recorded_early,
        errors_do_not_stop,
        no_bound,
    )
}
