"""What a Store does first with a copy: what was said before the restore must not count any more.

Holders of leases, watchers and views know things that the copy does not. Their fences are refused, because
all leases end. Events go on with numbers that were never given out, every experiment has one at once, and
resume tokens say which restore they come after: whoever reads on hears that it must begin anew.
"""

import secrets
from collections.abc import Callable

from sqlite_utils import Database

from paretune_store import leases
from paretune_store.backup import COPIED
from paretune_store.transaction import Transaction

SKIPPED = 1_000_000_000
"""Event numbers left out at least: more than were given out between the backup and its restore."""
_RESTORED = "restored"
"""Name in `meta` of the number after which events are counted since the last restore."""


def settle(begin: Callable[[], Transaction]) -> None:
    """If the file is a copy that no Store opened yet, let go of the past; inside one transaction of SQLite.

    Args:
        begin: gives the share of that transaction for one piece of work.
    """
    tx = begin()
    if not tx.db.execute("DELETE FROM meta WHERE name = ? RETURNING 1", (COPIED,)).fetchall():
        return
    _skip_events(tx)
    leases.forget_leases(tx)
    tx.flush()
    for (key,) in tx.db.execute("SELECT key FROM experiments ORDER BY key").fetchall():
        tx = begin()
        experiment = tx.experiment_by_key(key)
        tx.announce(experiment, experiment=experiment.message())
        tx.flush()


def restored(db: Database) -> int:
    """The number after which events are counted since the last restore; 0: there was none."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_RESTORED,)).fetchone()
    return int(row[0]) if row else 0


def last_event(db: Database) -> int:
    """The largest sequence number ever given, also when its event was deleted since."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return int(row[0]) if row else 0


def _skip_events(tx: Transaction) -> None:
    """Count events from the time in microseconds on, as fences from that in seconds, or further.

    A random part keeps two restores of one backup apart also when the machine's clock is behind.
    """
    number = max(tx.now, last_event(tx.db) + SKIPPED + secrets.randbelow(SKIPPED))
    tx.db.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
    tx.db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (number,))
    tx.db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_RESTORED, str(number)))
