"""What the Store forgets in time: first replies, ends of logs, and events of checkpoints.

A reply is kept so that a retry gets it again; nobody retries after a month. A checkpoint's event repeats what
is in the table of checkpoints, and is for those who watch. Where an experiment has early stops it stays: the
Optimizer says from these events where stopped trainings were heading, after a restart as before. All other
events stay as long as their experiment: the Optimizer builds its views from them. Rows are looked at in the
order in which they were written, a few at a time, each lot in a transaction of its own, so that nobody waits
for long.
"""

from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

from paretune.v1 import store_pb2
from paretune_store.clock import SECOND
from paretune_store.transaction import CHECKPOINT, Transaction

DAY = 86_400 * SECOND
LOT = 500
_SEEN = "events_pruned"
"""Name in `meta` of the sequence number up to which events were looked at."""

Submit = Callable[[Callable[[Transaction], Any]], Awaitable[Any]]


async def prune(submit: Submit, days: float) -> int:
    """Remove what is older than so many days; how many rows went.

    Args:
        submit: runs work in a transaction of the writer.
        days: how long things are kept.
    """
    removed = 0
    for step in (_replies, _logs, _events):
        more = True
        while more:
            count, more = await submit(partial(step, age=round(days * DAY)))
            removed += count
    return removed


def _replies(tx: Transaction, age: int) -> tuple[int, bool]:
    before = tx.now - age
    rows = tx.db.execute("SELECT rowid, created FROM replies ORDER BY rowid LIMIT ?", (LOT,)).fetchall()
    old = [rowid for rowid, created in rows if created < before]
    if old:
        tx.db.execute("DELETE FROM replies WHERE rowid <= ? AND created < ?", (old[-1], before))
    return len(old), len(old) == LOT


def _logs(tx: Transaction, age: int) -> tuple[int, bool]:
    old = tx.db.execute(
        "DELETE FROM logs WHERE suggestion IN"
        " (SELECT suggestion FROM logs WHERE told < ? LIMIT ?) RETURNING 1",
        (tx.now - age, LOT),
    ).fetchall()
    return len(old), len(old) == LOT


def _events(tx: Transaction, age: int) -> tuple[int, bool]:
    before = tx.now - age
    row = tx.db.execute("SELECT value FROM meta WHERE name = ?", (_SEEN,)).fetchone()
    seen = int(row[0]) if row else 0
    rows = tx.db.execute(
        "SELECT sequence, experiment, kind, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (seen, LOT),
    ).fetchall()

    @cache
    def stops_early(key: int) -> bool:
        return tx.experiment_by_key(key).message().HasField("early_stopping")

    removed, last = 0, seen
    for sequence, experiment, kind, body in rows:
        if store_pb2.Event.FromString(body).create_time.ToMicroseconds() >= before:
            break
        last = sequence
        if kind == CHECKPOINT and not stops_early(experiment):
            tx.db.execute("DELETE FROM events WHERE sequence = ?", (sequence,))
            removed += 1
    if last > seen:
        tx.db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_SEEN, str(last)))
    return removed, last > seen and len(rows) == LOT and last == rows[-1][0]
