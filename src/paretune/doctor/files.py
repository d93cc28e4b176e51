"""A database and the disk that it lies on."""

import os
import shutil
import sqlite3
from pathlib import Path

from paretune.doctor.finding import Finding, fail, ok, warn
from paretune.filesystem import NETWORK, filesystem

LITTLE = 1_000_000_000
TOO_LITTLE = 100_000_000
"""Bytes free: below the first a warning, below the second the next write may fail."""


def room(check: str, folder: Path) -> Finding:
    """Whether a folder can be written and has room; one that is missing can be made when its parent can."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        return fail(check, f"{folder} cannot be written", "Name another folder, or change its owner.")
    return judge_room(check, shutil.disk_usage(there).free, filesystem(there), f"at {folder}", 0)


def judge_room(check: str, free: int, kind: str, where: str, size: int) -> Finding:
    """What to think of a disk.

    Args:
        check: name of the check.
        free: bytes free.
        kind: type of the filesystem; empty: unknown.
        where: the place, for people.
        size: bytes of the database there; a backup or migration needs as much again.
    """
    found = f"{free / 1e9:.1f} GB free {where}" + (f" ({kind})" if kind else "")
    if size:
        found += f", database {size / 1e6:.1f} MB"
    if kind in NETWORK and size:
        return fail(check, found, "SQLite is not safe on a network filesystem: move the database to a disk.")
    if free < TOO_LITTLE:
        return fail(check, found, "Make room: the Store refuses writes when the disk is full.")
    if free < max(LITTLE, 2 * size):
        return warn(check, found, "Make room: a backup or an upgrade needs as much as the database again.")
    return ok(check, found)


def database(path: Path) -> list[Finding]:
    """A Store's file: is it whole, of which schema, and is there room beside it? It is only read."""
    if not path.is_file():
        return [
            fail("database", f"there is no {path}", "Name the file with --db, or let `paretune up` make it.")
        ]
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            (schema,) = db.execute("PRAGMA user_version").fetchone()
        finally:
            db.close()
    except sqlite3.Error as error:
        verdict, schema = str(error), 0
    if verdict != "ok":
        advice = "Restore a backup: `paretune restore BACKUP --db NEW.db`."
        return [fail("database", f"{path} is damaged: {verdict}", advice)]
    size = path.stat().st_size
    free = shutil.disk_usage(path.absolute().parent).free
    kind = filesystem(path.absolute().parent)
    return [
        ok("database", f"{path} is whole, schema {schema}"),
        judge_room("disk", free, kind, f"at {path.parent}", size),
    ]
