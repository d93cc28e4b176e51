"""Copies of the whole file: made while writes go on, and put back.

A copy is one SQLite file without a log beside it. It carries a mark in `meta`, by which the Store that opens
it knows that it lives in the past: leases given out before, and fences, then count for nothing.
"""

import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from paretune import failpoints
from paretune_store.database import (
    BESIDE,
    RESTORED_BY,
    CannotOpen,
    Corrupt,
    check_whole,
    connect,
    lock_file,
    note,
    recorded_version,
    sync_folder,
)

PAGES_PER_STEP = 256
COPIED = "copied"
"""Name in `meta` of the mark that a copy carries: when it was made, microseconds since 1970."""


class Exists(CannotOpen):
    """There is a database already where one should be put."""


def copy_name(database: Path) -> Path:
    """Where the copy for a backup under way lies; one at a time, removed at the next start."""
    return Path(f"{database}.copy")


class GivenUp(Exception):
    """Nobody wants the copy any more."""


def make_copy(database: Path, now: int, given_up: threading.Event) -> Path:
    """Copy the file as of this moment; the path of the copy, which the caller removes.

    Args:
        database: the file.
        now: wall time, microseconds since 1970.
        given_up: set when nobody wants the copy any more; looked at after every `PAGES_PER_STEP`.

    Raises:
        GivenUp: `given_up` was set.
        sqlite3.Error: it cannot be read, or the disk is full; no copy is left.
    """

    def stepped(*_: int) -> None:
        failpoints.hit("backup_mid_copy")
        if given_up.is_set():
            raise GivenUp

    copy = copy_name(database)
    copy.unlink(missing_ok=True)
    try:
        with closing(connect(database, "ro")) as source, closing(connect(copy, "rwc")) as target:
            # An open read transaction pins the moment: writes that come now do not make the copy begin anew.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM meta").fetchone()
            source.conn.backup(target.conn, pages=PAGES_PER_STEP, progress=stepped, sleep=0)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
            with target.atomic():
                target.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (COPIED, str(now)))
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def restore(backup: Path, database: Path, replace: bool = False) -> list[Path]:
    """Put a backup in the place of a database that no Store has open.

    Args:
        backup: a file that Backup gave.
        database: where it goes.
        replace: take the place of an existing database, which is kept beside it under another name.

    Returns:
        Where that is now which was there: the database, and its log if its Store was killed.

    Raises:
        CannotOpen: as its subclasses say; nothing was changed.
    """
    database, backup = database.resolve(), backup.resolve()
    if not backup.is_file():
        raise CannotOpen(f"There is no file {backup}.")
    if database == backup:
        raise Exists(f"{backup} is the backup itself: name another file for the database.")
    with lock_file(database) as lock:
        if database.exists() and not replace:
            raise Exists(f"There is a database {database} already: name another file, or say --replace.")
        _check_backup(backup)
        draft = Path(f"{database}.new")
        try:
            shutil.copyfile(backup, draft)
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise CannotOpen(f"Cannot write {draft}: {error.strerror}.") from None
        note(lock, RESTORED_BY)  # a Store that finds this starts neither with half of it nor with nothing
        kept = _set_aside(database)
        draft.rename(database)
        sync_folder(database.parent)
        note(lock, "")
        return kept


def _check_backup(backup: Path) -> None:
    try:
        with closing(connect(backup, "ro")) as db:
            recorded_version(db, backup)
            check_whole(db, backup, "integrity_check")
            if not db.execute("SELECT 1 FROM meta WHERE name = ?", (COPIED,)).fetchone():
                raise Corrupt(
                    f"{backup} was not made by a backup: it may lack what is still in the log beside it. "
                    "Start a Store with it as it is, or make a backup of it first."
                )
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise Corrupt(f"{backup} is damaged ({error}); take another backup.") from None


def _set_aside(database: Path) -> list[Path]:
    """Rename what is there of a database; of one that was moved or removed, the log may have been left."""
    kept = Path(f"{database}.replaced-{time.time_ns() // 1_000_000}")
    moved = []
    for ending in ("", *BESIDE):
        part = Path(f"{database}{ending}")
        if part.exists():
            moved.append(part.rename(f"{kept}{ending}"))
    return moved
