"""The write-ahead log, taken into the file between groups, so that no reply waits for that."""

import logging
import sqlite3

from sqlite_utils import Database

from paretune import failpoints

log = logging.getLogger("paretune")

CHANGES = 2500
"""Changed rows after which the log is taken into the file: about 500 requests; so it stays at a few MiB.

Counted here rather than read off the index beside the log: a process that closes a file which SQLite has open
loses SQLite's locks on it (https://sqlite.org/howtocorrupt.html, section 2.2).
"""


class Log:
    """Counts changes, and makes checkpoints.

    Args:
        db: the writing connection.
        limit: changed rows between two checkpoints.
    """

    def __init__(self, db: Database, limit: int = CHANGES) -> None:
        self._db = db
        self._limit = limit
        self._taken = db.conn.total_changes

    def wrote(self) -> None:
        """Something was committed; on the writer's thread."""
        changes = self._db.conn.total_changes
        if changes - self._taken < self._limit:
            return
        self._taken = changes
        failpoints.hit("mid_checkpoint")
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:  # the log goes on growing, and the next write says what is wrong
            log.warning("cannot take the log into the file: %s", error)
