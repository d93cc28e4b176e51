"""Power loss: the Store's own SQL, replayed through a filesystem that remembers what was synced.

The statements of a real Store are traced, then run again by apsw on a VFS that logs every write,
truncation, sync and deletion. An image of the disk after a power cut is everything that was synced, and any
part of what was not: each write may be there, may be missing, may be torn at any sector of 512 bytes.
Deletions with a sync of their folder count as durable, as SQLite asks for them. Python files have no shared
memory, so the replay runs with locking_mode=EXCLUSIVE, which the log works in just as well.
https://sqlite.org/atomiccommit.html
"""

import asyncio
import random
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import apsw
from lanes import Finding
from store_cases import FakeClock, experiment, observation

from paretune.v1 import store_pb2 as pb
from paretune_store import database as database_module
from paretune_store import log as log_module
from paretune_store.sqlite import SqliteStore

SECTOR = 512
CHECKPOINT_REQUESTS = 25
"""The log is taken into the file this often, so that many checkpoints are in the trace."""


def trace(folder: Path, commits: int, seed: int, break_it: Callable[[], object]) -> tuple[bytes, list[str]]:
    """A file as it was first created, and every statement of the writing connection since."""
    path, statements, first = folder / "traced.db", [], []
    prepare, defaults = database_module._prepare, log_module.Log.__init__.__defaults__

    def watched(db: object) -> None:
        first.append(path.read_bytes())
        db.conn.set_trace_callback(statements.append)  # type: ignore[attr-defined]
        prepare_now(db)

    break_it()
    prepare_now = database_module._prepare
    database_module._prepare = watched  # type: ignore[assignment]
    log_module.Log.__init__.__defaults__ = (CHECKPOINT_REQUESTS,)
    rng = random.Random(seed)

    async def live() -> None:
        store = SqliteStore.open(path, FakeClock())
        await store.write(pb.CreateExperimentRequest(experiment=experiment(id="digits")))
        for _ in range(commits):
            one = pb.ObserveRequest(
                observation=observation("digits", metadata={"pad": "x" * rng.randint(0, 600)})
            )
            await asyncio.gather(*(store.write(one) for _ in range(rng.choice([1, 1, 2, 5]))))
        store._connections.writer.conn.set_trace_callback(None)
        await store.close()

    try:
        asyncio.run(live())
    finally:
        database_module._prepare = prepare  # type: ignore[assignment]
        log_module.Log.__init__.__defaults__ = defaults
    return first[0], [s for s in statements if not s.startswith("--")]


class Recorder(apsw.VFS):
    """Does everything as the default VFS does, and writes it down."""

    def __init__(self) -> None:
        self.log: list[tuple] = []
        super().__init__("recorder", "")

    def xOpen(self, name, flags):
        return RecordedFile(self.log, name, flags)

    def xDelete(self, name, sync_folder):
        self.log.append(("delete", Path(name).name))
        super().xDelete(name, sync_folder)


class RecordedFile(apsw.VFSFile):
    def __init__(self, log, name, flags) -> None:
        super().__init__("", name, flags)
        self._log = log
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else name or "temp").name

    def xWrite(self, data, offset):
        self._log.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size):
        self._log.append(("truncate", self._name, size))
        super().xTruncate(size)

    def xSync(self, flags):
        self._log.append(("sync", self._name))
        super().xSync(flags)


def replay(folder: Path, first: bytes, statements: list[str]) -> list[tuple]:
    """The log of the filesystem, with ("acknowledged", observations so far) after every commit."""
    path = folder / "replayed.db"
    path.write_bytes(first)
    recorder = Recorder()
    db = apsw.Connection(str(path), vfs="recorder")
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    count, open_count = 0, 0
    for statement in statements:
        db.execute(statement).fetchall()
        open_count += statement.startswith("INSERT INTO observations")
        if statement.startswith("COMMIT"):
            count = open_count
            recorder.log.append(("acknowledged", count))
    log = list(recorder.log)
    db.close()
    recorder.unregister()
    return log


class Disk:
    """What is on the disk for certain, and what may be."""

    def __init__(self, first: bytes) -> None:
        self.synced: dict[str, bytearray] = {"replayed.db": bytearray(first)}
        self.pending: list[tuple] = []
        self.acknowledged = 0

    def apply(self, entry: tuple) -> None:
        kind = entry[0]
        if kind == "acknowledged":
            self.acknowledged = entry[1]
        elif kind == "delete":
            self.synced.pop(entry[1], None)
            self.pending = [one for one in self.pending if one[1] != entry[1]]
        elif kind == "sync":
            for one in self.pending:
                if one[1] == entry[1]:
                    _change(self.synced, one)
            self.pending = [one for one in self.pending if one[1] != entry[1]]
        else:
            self.pending.append(entry)

    def image(self, folder: Path, rng: random.Random) -> Path:
        """The disk after a power cut now."""
        files = {name: bytearray(data) for name, data in self.synced.items()} if self.pending else self.synced
        for one in self.pending:
            lot = rng.random()
            if lot < 0.4:
                _change(files, one)
            elif lot < 0.7 and one[0] == "write":
                for piece in _sectors(one):
                    if rng.random() < 0.5:
                        _change(files, piece)
        for old in folder.iterdir():
            old.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder / "replayed.db"


def _sectors(write: tuple) -> list[tuple]:
    _, name, offset, data = write
    return [("write", name, offset + at, data[at : at + SECTOR]) for at in range(0, len(data), SECTOR)]


def _change(files: dict[str, bytearray], one: tuple) -> None:
    content = files.setdefault(one[1], bytearray())
    if one[0] == "truncate":
        del content[one[2] :]
        return
    _, _, offset, data = one
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def run(
    folder: Path,
    images: int,
    *,
    commits: int = 200,
    seed: int = 1,
    break_it: Callable[[], object] = lambda: None,
) -> Finding:
    """Cut the power so many times, at random moments, and open what is left."""
    finding, rng = Finding(), random.Random(seed)
    first, statements = trace(folder, commits, seed, break_it)
    log = replay(folder, first, statements)
    cuts = sorted(rng.randrange(len(log)) for _ in range(images))
    # In memory, so that only SQLite's own syncs count, and they cost nothing.
    place = Path("/dev/shm") if Path("/dev/shm").is_dir() else folder
    disk, at = Disk(first), 0
    with tempfile.TemporaryDirectory(prefix="paretune-power-", dir=place) as scratch:
        for cut in cuts:
            for entry in log[at:cut]:
                disk.apply(entry)
            at = cut
            verdict = _verdict(disk.image(Path(scratch), rng), disk.acknowledged)
            if verdict:
                finding.violations.append(f"cut at {cut} of {len(log)}: {verdict}")
            finding.rounds += 1
    finding.note = f"{len(log)} operations of the file system, {log[-1][1]} observations"
    return finding


def _verdict(image: Path, acknowledged: int) -> str:
    db = sqlite3.connect(image)
    try:
        if (said := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            return f"corrupt: {said}"
        found = [row[0] for row in db.execute("SELECT ordinal FROM observations ORDER BY ordinal")]
    except sqlite3.DatabaseError as error:
        return f"cannot be read: {error}"
    finally:
        db.close()
    if found != [*range(1, len(found) + 1)]:
        return "observations are missing in the middle"
    return f"{acknowledged} acknowledged, {len(found)} left" if len(found) < acknowledged else ""
