"""Opening the file: one Store per file, nothing touched before it is known to be whole and ours."""

import fcntl
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlite_utils import Database

from paretune_store import schema

WAL_LIMIT_BYTES = 64 * 1024 * 1024


class CannotOpen(Exception):
    """The database cannot be used.

    Attributes:
        exit_code: with which the program ends.
    """

    exit_code = 3


class InUse(CannotOpen):
    """Another Store has the file open."""


class ReadOnly(CannotOpen):
    """The file or its folder cannot be written."""


class Corrupt(CannotOpen):
    """The file is damaged, or not a Store's."""

    exit_code = 4


class TooNew(CannotOpen):
    """A newer paretune wrote the file."""

    exit_code = 5


@dataclass
class Connections:
    """The one connection that writes and checkpoints, one that only reads, and the lock that guards both."""

    writer: Database
    reader: Database
    lock: IO[str]

    def close(self) -> None:
        """Close; the writer last, so that it takes the log into the file."""
        self.reader.close()
        self.writer.close()
        self.lock.close()


def open_database(path: Path) -> Connections:
    """Open the Store's file, creating or migrating it when needed.

    Raises:
        CannotOpen: as its subclasses say; the file was not changed.
    """
    path = path.resolve()
    lock = _lock(path)
    try:
        if path.exists():
            _inspect(path)
        else:
            _create(path)
        writer = _connect(path, "rw")
        _prepare(writer)
        return Connections(writer, _connect(path, "ro"), lock)
    except sqlite3.OperationalError as error:
        lock.close()
        raise ReadOnly(f"Cannot write {path}: {error}.") from None
    except sqlite3.DatabaseError as error:
        lock.close()
        raise Corrupt(_damaged(path, str(error))) from None
    except BaseException:
        lock.close()
        raise


def _lock(path: Path) -> IO[str]:
    """Hold `PATH.lock` as long as the process lives; the system lets go of it even after kill -9."""
    try:
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError("no permission to write")
        lock = Path(f"{path}.lock").open("a+", encoding="ascii")  # noqa: SIM115 - held for life
    except OSError as error:
        raise ReadOnly(f"Cannot write {path}: {error.strerror or error}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read(20).strip() or "unknown"
        lock.close()
        raise InUse(
            f"Another Store (process {owner}) has {path} open; stop it, or use another file."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _connect(path: Path, mode: str) -> Database:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    return Database(connection, execute_plugins=False)


def _create(path: Path) -> None:
    """Build the file under another name, then move it into place: a crash leaves none or a whole one."""
    draft = Path(f"{path}.new")
    for old in (draft, Path(f"{draft}-journal")):
        old.unlink(missing_ok=True)
    db = _connect(draft, "rwc")
    schema.migrate(db)
    db.close()
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _inspect(path: Path) -> None:
    """Refuse what is damaged, foreign or newer, without writing anything."""
    if not path.stat().st_size:
        raise Corrupt(_damaged(path, "it is empty"))
    db = _connect(path, "ro")
    try:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if application != schema.APPLICATION_ID:
            raise Corrupt(f"{path} is not a database of a paretune Store; name another file.")
        if version > schema.VERSION:
            raise TooNew(
                f"{path} was written by a newer paretune (schema {version}; this one knows "
                f"{schema.VERSION}). Install that version or a later one."
            )
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise Corrupt(_damaged(path, verdict.splitlines()[-1]))
    finally:
        db.close()


def _damaged(path: Path, how: str) -> str:
    return f"{path} is damaged ({how}). It was not changed; restore a backup, or name another file."


def _prepare(db: Database) -> None:
    """Settings of the writing connection: an acknowledged commit is on the disk."""
    for pragma in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA mmap_size = 0",
        "PRAGMA cache_size = -65536",
        "PRAGMA wal_autocheckpoint = 4000",
    ):
        db.execute(pragma).fetchall()
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES:d}").fetchall()
    schema.migrate(db)
