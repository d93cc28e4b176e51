"""The write-ahead log, taken into the file between groups, so that no reply waits for that."""

import logging
import sqlite3
import struct
from pathlib import Path

from paretune import failpoints
from paretune_store.database import Connections

log = logging.getLogger("paretune")

CHECKPOINT_FRAMES = 4000
"""Pages of 4 KiB in the log from which on it is taken into the file."""


class Log:
    """The write-ahead log of the file.

    How long it is stands in the index beside it: https://sqlite.org/walformat.html#the_wal_index_header.

    Args:
        connections: of the file.
        limit: frames (pages) that are not in the file yet, from which on the log is long.
    """

    def __init__(self, connections: Connections, limit: int = CHECKPOINT_FRAMES) -> None:
        self._db = connections.writer
        self._index = Path(f"{connections.path}-shm")
        self._limit = limit

    def checkpoint(self) -> None:
        """Take a long log into the file; what is written next then begins the log anew."""
        if self._frames() < self._limit:
            return
        failpoints.hit("mid_checkpoint")
        try:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:  # the log goes on growing, and the next write says what is wrong
            log.warning("cannot take the log into the file: %s", error)

    def _frames(self) -> int:
        """Frames in the log that are not in the file."""
        try:
            with self._index.open("rb", buffering=0) as file:
                head = file.read(100)
        except OSError:
            return 0
        if len(head) < 100:
            return 0
        (last,), (taken,) = struct.unpack_from("=I", head, 16), struct.unpack_from("=I", head, 96)
        return int(last) - int(taken)
