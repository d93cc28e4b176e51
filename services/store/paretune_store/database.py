"""Opening the file: one Store per file, nothing touched before it is known to be whole and ours."""

import fcntl
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlite_utils import Database

from paretune.filesystem import network_filesystem
from paretune_store import schema

WAL_LIMIT_BYTES = 64 * 1024 * 1024

# In front of the process number in the lock file while the file is open, or being replaced. Earlier versions
# wrote the number alone and left it there when they closed, which says nothing about a kill.
OPEN_BY = "open by"
RESTORED_BY = "restored by"

BESIDE = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside a database and believes to be that database's."""


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


class OnNetwork(CannotOpen):
    """The file lies on a network filesystem."""


class TooNew(CannotOpen):
    """A newer paretune wrote the file."""

    exit_code = 5


@dataclass(frozen=True)
class Connections:
    """The one connection that writes and checkpoints, one that only reads, and the lock that guards both."""

    path: Path
    writer: Database
    reader: Database
    lock: IO[str]

    def close(self) -> None:
        """Close; the writer last, so that it takes the log into the file."""
        note(self.lock, "")
        self.reader.close()
        self.writer.close()
        self.lock.close()


def open_database(path: Path, *, network: bool = False) -> Connections:
    """Open the Store's file, creating or migrating it when needed.

    Args:
        path: the file.
        network: allow a network filesystem.

    Raises:
        CannotOpen: as its subclasses say; the file was not changed.
    """
    path = path.resolve()
    if not network and (kind := network_filesystem(path.parent)):
        raise OnNetwork(
            f"{path} lies on a network filesystem ({kind}), where SQLite can lose data: name a file on a "
            "local disk, or take the risk with --network-filesystem (PARETUNE_NETWORK_FILESYSTEM=1)."
        )
    lock = lock_file(path)
    try:
        _check_beside(path, lock)
        if path.exists():
            _inspect(path)
        else:
            _create(path)
        Path(f"{path}.copy").unlink(missing_ok=True)  # of a backup that a crash cut short
        writer = connect(path, "rw")
        _prepare(writer)
        note(lock, OPEN_BY)
        return Connections(path, writer, connect(path, "ro"), lock)
    except (sqlite3.OperationalError, OSError) as error:
        lock.close()
        raise ReadOnly(f"Cannot write {path}: {error}.") from None
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        lock.close()
        raise Corrupt(_damaged(path, str(error))) from None
    except BaseException:
        lock.close()
        raise


def lock_file(path: Path) -> IO[str]:
    """Hold `PATH.lock` until it is closed; the system lets go of it even after kill -9.

    Raises:
        ReadOnly: the file or its folder cannot be written.
        InUse: another process holds it.
    """
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
        owner = (lock.read(30).split() or ["unknown"])[-1]
        lock.close()
        raise InUse(
            f"Another Store (process {owner}) has {path} open; stop it, or use another file."
        ) from None
    return lock


def note(lock: IO[str], what: str) -> None:
    """Say in the lock file, on the disk, what this process does with the database; "": nothing any more."""
    lock.truncate(0)
    lock.write(f"{what} {os.getpid()}\n" if what else "")
    lock.flush()
    os.fsync(lock)


def _check_beside(path: Path, lock: IO[str]) -> None:
    """Refuse a file without its log, which lacks acknowledged writes, and a log without its file.

    SQLite takes whatever lies under the log's name into whatever lies under the database's.
    """
    lock.seek(0)
    left, log = lock.read(30), Path(f"{path}-wal")
    if left.startswith(RESTORED_BY):
        raise Corrupt(f"A restore to {path} was cut short: do it again, with --replace.")
    if not path.exists():
        for beside in (log, Path(f"{path}-journal")):
            if beside.exists():
                raise Corrupt(
                    f"There is no {path}, but {beside} is there, the log of a database that was moved or "
                    "removed. Put that database back beside it, or restore a backup; or move the log away "
                    "to begin with nothing."
                )
    elif log.exists() and _never_opened(path):
        raise Corrupt(
            f"{log} is not the log of {path}, but of a database that was there before. Move it away; to put "
            "a backup in place use restore, which does so."
        )
    elif left.startswith(OPEN_BY) and not log.exists():
        raise Corrupt(
            f"The log {log} is missing, and with it what was written last. Put it back; or remove "
            f"{path}.lock to go on without."
        )


def _never_opened(path: Path) -> bool:
    """Whether a database had no log so far, as a backup that no Store has opened yet.

    Byte 18 is then 1, and 2 once there was a log: https://sqlite.org/fileformat.html, section 1.3.3.
    """
    with path.open("rb") as file:
        return file.read(19)[18:] == b"\x01"


def connect(path: Path, mode: str) -> Database:
    """A connection: `mode` is ro, rw or rwc, as in SQLite's file names."""
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
    db = connect(draft, "rwc")
    schema.migrate(db)
    db.close()
    draft.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _inspect(path: Path) -> None:
    """Refuse what is damaged, foreign or newer, without writing anything."""
    if not path.stat().st_size:
        raise Corrupt(_damaged(path, "it is empty"))
    db = connect(path, "ro")
    try:
        recorded_version(db, path)
        check_whole(db, path, "quick_check")
    finally:
        db.close()


def recorded_version(db: Database, path: Path) -> int:
    """The schema of a Store's file.

    Raises:
        Corrupt: it is not a Store's.
        TooNew: this paretune does not know the schema.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID:
        raise Corrupt(f"{path} is not a database of a paretune Store; name another file.")
    if version > schema.VERSION:
        raise TooNew(
            f"{path} was written by a newer paretune (schema {version}; this one knows "
            f"{schema.VERSION}). Install that version or a later one."
        )
    return int(version)


def check_whole(db: Database, path: Path, check: str) -> None:
    """Refuse a damaged file; `check` is quick_check or integrity_check.

    Raises:
        Corrupt: with the first thing found.
    """
    (verdict,) = db.execute(f"PRAGMA {check}(1)").fetchone()
    if verdict != "ok":
        raise Corrupt(_damaged(path, verdict.splitlines()[-1]))


def _damaged(path: Path, how: str) -> str:
    return f"{path} is damaged ({how}). It was not changed; restore a backup, or name another file."


def _prepare(db: Database) -> None:
    """Settings of the writing connection: an acknowledged commit is on the disk.

    The writer makes checkpoints between groups (`log.py`); SQLite's own are there for large imports.
    """
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
