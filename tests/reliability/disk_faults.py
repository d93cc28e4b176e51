"""Disks that are full, files that are read-only, damaged, older, newer, or in use."""

import gzip
import hashlib
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
from history import History, check
from lanes import Finding
from nursery import Child, Nursery
from store_cases import Driver
from store_process import free_address
from writers import EXPERIMENT, create, request_of

from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune_store import schema
from paretune_store.database import CannotOpen, open_database
from paretune_store.sqlite import SqliteStore

SCHEMAS = Path(__file__).parents[1] / "store" / "schemas"


# Full disks


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[tuple[Nursery, Path, Path]]:
    """A nursery in a mount namespace of its own with a small disk: how it sees it, and how we do."""
    point = folder / "small"
    point.mkdir()
    rights = () if os.geteuid() == 0 else ("--map-root-user",)
    script = f'mount -t tmpfs -o size={megabytes}m paretune "{point}" && exec "$@"'
    nursery = Nursery(folder, ("unshare", "--mount", *rights, "sh", "-c", script, "sh"))
    try:
        yield nursery, point, Path(f"/proc/{nursery.pid}/root{point}")
    finally:
        nursery.close()


def full_disk(folder: Path, rounds: int) -> Finding:
    """Writes are refused in words, reads go on; when there is room again writes do, without a restart."""
    finding = Finding()
    for number in range(rounds):
        home = folder / f"full-{number}"
        home.mkdir()
        with small_disk(home, 3) as (nursery, inside, outside):
            history, address = History(home / "full.jsonl"), free_address()
            child = nursery.start("paretune_store", "--db", str(inside / "store.db"), "--listen", address)
            create(address)
            with grpc.insecure_channel(address) as channel:
                stub = store_pb2_grpc.StoreServiceStub(channel)
                _fill(outside, number)
                finding.violations += _until_refused(stub, history, number)
                try:
                    stub.GetExperiment(pb.GetExperimentRequest(experiment_id=EXPERIMENT), timeout=30)
                except grpc.RpcError as failure:
                    finding.violations.append(f"a read on a full disk: {failure.code().name}")
                (outside / "ballast").unlink()
                if not _tell(stub, history, f"{number}-after"):
                    finding.violations.append("still refused when there was room again")
            child.kill()
            history.close()
            for part in outside.glob("store.db*"):
                shutil.copyfile(part, home / part.name)
            finding.violations += check(history.path, home / "store.db")
        finding.rounds += 1
    return finding


def _fill(disk: Path, number: int) -> None:
    with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    os.truncate(disk / "ballast", max((disk / "ballast").stat().st_size - 60_000 - 4096 * number, 0))


def _until_refused(stub: store_pb2_grpc.StoreServiceStub, history: History, number: int) -> list[str]:
    for n in range(3000):
        name = f"{number}-{n}"
        if not _tell(stub, history, name):
            return [] if history.full else [f"{name} was refused with {history.code}"]
    return ["3000 writes on a full disk and none was refused"]


def _tell(stub: store_pb2_grpc.StoreServiceStub, history: History, name: str) -> bool:
    history.add("invoke", name)
    try:
        reply = stub.Observe(request_of(name, 0.5), timeout=30)
    except grpc.RpcError as failure:
        history.add("refused", name)
        history.code = f"{failure.code().name}: {failure.details()}"
        named = failure.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
        history.full = named and "Store" in (failure.details() or "")
        return False
    history.add("ok", name, id=reply.observation.id, value=0.5)
    return True


def read_only(folder: Path) -> Finding:
    """A disk that is remounted read-only: no start, and no write; recovered when it can be written again."""
    finding = Finding()
    with small_disk(folder, 8) as (nursery, inside, _):
        address = free_address()
        words = ("--db", str(inside / "store.db"), "--listen", address)
        child = nursery.start("paretune_store", *words)
        create(address)
        history = History(folder / "ro.jsonl")
        with grpc.insecure_channel(address) as channel:
            stub = store_pb2_grpc.StoreServiceStub(channel)
            _tell(stub, history, "before")
            child.kill()
            for mode, code in (("ro", 3), ("rw", None)):
                os.system(f"nsenter --mount --target {nursery.pid} mount -o remount,{mode} {inside}")
                child = nursery.start("paretune_store", *words)
                if code is not None:
                    child.wait(60)
                    if child.code != code:
                        finding.violations.append(f"exit code {child.code} on a read-only disk")
                else:
                    wait_until_serving(address, 60)
                    if not _tell(stub, history, "after"):
                        finding.violations.append("refused on a disk that can be written again")
                finding.rounds += 1
        child.kill()
        history.close()
    return finding


# Damaged files


def damage(folder: Path, places: int, seed: int = 1) -> Finding:
    """Flipped bytes, cuts, foreign and empty files: refused and left alone, or opened with equal contents."""
    finding, rng = Finding(), random.Random(seed)
    good = folder / "good.db"
    driver = Driver(lambda clock: SqliteStore.open(good, clock))
    driver.create(id=EXPERIMENT)
    for _ in range(300):
        driver.observe(EXPERIMENT)
    told = driver.state()
    driver.close()
    whole = good.read_bytes()

    def flipped() -> bytes:
        at, size = rng.randrange(100, len(whole) - 64), rng.randint(1, 64)
        return whole[:at] + bytes(b ^ rng.randint(1, 255) for b in whole[at : at + size]) + whole[at + size :]

    spoiled: list[Callable[[], bytes]] = [flipped] * places
    spoiled += [lambda: whole[: rng.randrange(1, len(whole))]] * 5
    spoiled += [lambda: b"", lambda: b"SQLite format 3\0", lambda: b"hello " * 5000, lambda: whole[::-1]]
    refused = 0
    for number, spoil in enumerate(spoiled):
        path = folder / f"damaged-{number}.db"
        path.write_bytes(spoil())
        before = hashlib.sha256(path.read_bytes()).digest()
        try:
            open_database(path).close()
        except CannotOpen as error:
            refused += 1
            if error.exit_code != 4:
                finding.violations.append(f"case {number}: exit code {error.exit_code}")
            if hashlib.sha256(path.read_bytes()).digest() != before:
                finding.violations.append(f"case {number}: refused, and changed")
        except Exception as error:
            finding.violations.append(f"case {number}: {type(error).__name__}: {error}")
        else:
            _compare(path, told, finding, number)
        for part in folder.glob(f"{path.name}*"):
            part.unlink()
        finding.rounds += 1
    finding.note = f"{refused} refused, {finding.rounds - refused} opened"
    return finding


def _compare(path: Path, told: list, finding: Finding, number: int) -> None:
    """A flip inside a stored value is no damage that SQLite can see: the structure must still be whole."""
    db = sqlite3.connect(path)
    verdict = db.execute("PRAGMA quick_check").fetchone()[0]
    db.close()
    if verdict != "ok":
        finding.violations.append(f"case {number}: opened although {verdict}")


def logs(nursery: Nursery, folder: Path, rounds: int, seed: int = 1) -> Finding:
    """The log of a killed Store is taken away (refused) or garbled (what is left is a prefix, and whole)."""
    finding, rng = Finding(), random.Random(seed)
    for number in range(rounds):
        home = folder / f"log-{number}"
        home.mkdir()
        path, address = home / "store.db", free_address()
        child = nursery.start("paretune_store", "--db", str(path), "--listen", address)
        create(address)
        with grpc.insecure_channel(address) as channel:
            stub = store_pb2_grpc.StoreServiceStub(channel)
            for n in range(20):
                stub.Observe(request_of(f"{n}", 0.5), timeout=30)
        child.kill()
        log = Path(f"{path}-wal")
        if number % 2:
            log.unlink()
            try:
                open_database(path).close()
                finding.violations.append(f"{number}: opened without its log")
            except CannotOpen as error:
                if error.exit_code != 4:
                    finding.violations.append(f"{number}: exit code {error.exit_code}")
        else:
            data = bytearray(log.read_bytes())
            at = rng.randrange(len(data))
            data[at : at + 64] = os.urandom(64)
            log.write_bytes(data)
            try:
                open_database(path).close()
            except CannotOpen:
                pass
            else:
                db = sqlite3.connect(path)
                found = [row[0] for row in db.execute("SELECT ordinal FROM observations ORDER BY 1")]
                if found != [*range(1, len(found) + 1)] or db.execute("PRAGMA quick_check").fetchone() != (
                    "ok",
                ):
                    finding.violations.append(f"{number}: what is left of a garbled log is no prefix")
                db.close()
        finding.rounds += 1
    return finding


# Schemas, and several Stores


def schemas(nursery: Nursery, folder: Path, kills: int) -> Finding:
    """Every earlier schema migrates, also when killed in the middle; newer ones are refused untouched."""
    finding, path, address = Finding(), folder / "old.db", free_address()
    words = ("--db", str(path), "--listen", address)
    for number in range(kills + schema.VERSION - 1):
        for part in folder.glob("old.db*"):
            part.unlink()
        version = number % (schema.VERSION - 1) + 1
        path.write_bytes(gzip.decompress((SCHEMAS / f"{version}.db.gz").read_bytes()))
        if number < kills:
            at = number % (schema.VERSION - version) + 1
            child = nursery.start("paretune_store", *words, failpoints=f"mid_migration=kill@{at}")
            child.wait(60)
            left = sqlite3.connect(path)
            (user_version,) = left.execute("PRAGMA user_version").fetchone()
            left.close()
            if user_version != version + at - 1:
                finding.violations.append(f"killed in migration {version + at}: version is {user_version}")
        child = nursery.start("paretune_store", *words)
        wait_until_serving(address, 60)
        child.kill()
        driver = Driver(lambda clock: SqliteStore.open(path, clock))
        (observed,) = driver.pages(pb.ListObservationsRequest(experiment_id="digits"), "observations")
        if [v.value for v in observed.values] != [0.9, 2.0]:
            finding.violations.append(f"version {version}: {observed}")
        driver.close()
        finding.rounds += 1
    for more in (1, 2):
        db = sqlite3.connect(path)
        db.execute(f"PRAGMA user_version = {schema.VERSION + more}")
        db.close()
        before = path.read_bytes()
        child = nursery.start("paretune_store", *words)
        child.wait(60)
        if child.code != 5 or path.read_bytes() != before:
            finding.violations.append(f"a newer schema: exit code {child.code}")
        finding.rounds += 1
    return finding


def several(nursery: Nursery, folder: Path, pairs: int, crowds: int) -> Finding:
    """Of several Stores for one file or one port exactly one serves; the others end with 3, in words."""
    finding = Finding()
    for number in range(pairs):
        path, address = folder / f"pair-{number}.db", free_address()
        first = nursery.start("paretune_store", "--db", str(path), "--listen", address)
        create(address)
        other = (path, free_address()) if number % 2 else (folder / f"other-{number}.db", address)
        second = nursery.start("paretune_store", "--db", str(other[0]), "--listen", other[1])
        _expect_end(second, finding)
        wait_until_serving(address, 30)
        first.kill()
        finding.rounds += 1
    for number in range(crowds):
        path, address = folder / f"crowd-{number}.db", free_address()
        crowd = [nursery.start("paretune_store", "--db", str(path), "--listen", address) for _ in range(16)]
        wait_until_serving(address, 60)
        end = time.monotonic() + 60
        while sum(child.alive() for child in crowd) > 1 and time.monotonic() < end:
            time.sleep(0.02)
        serving = [child for child in crowd if child.alive()]
        if len(serving) != 1:
            finding.violations.append(f"{len(serving)} of 16 Stores serve one file")
        for child in crowd:
            if child in serving:
                child.kill()
            else:
                _expect_end(child, finding)
        finding.rounds += 1
    return finding


def _expect_end(child: Child, finding: Finding) -> None:
    said = child.wait(60)
    if child.code != 3 or "paretune store:" not in said:
        finding.violations.append(f"exit code {child.code}: {said}")
