"""Backups while clients write, and restores of every one of them."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import grpc
from history import History, check_told, check_whole, observations, read
from lanes import Finding
from nursery import Nursery
from store_process import free_address
from writers import Writers, create

from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune_store.backup import restore


def run(nursery: Nursery, folder: Path, rounds: int) -> Finding:
    """Each copy is whole, and holds what was acknowledged before it began: a prefix of the history."""
    database, address = folder / "backups.db", free_address()
    child = nursery.start("paretune_store", "--db", str(database), "--listen", address)
    create(address)
    history, finding = History(folder / "backups.jsonl"), Finding()
    copies: list[tuple[Path, set[str]]] = []
    plain: Path = folder / "plain.db"
    try:
        with Writers(address, history, 4, 1).writing() as writers, grpc.insecure_channel(address) as channel:
            for number in range(rounds):
                writers.wait_for_progress(60)
                history._file.flush()
                before = {line["request"] for line in read(history.path) if line["kind"] == "ok"}
                copy = folder / f"copy-{number}.db"
                with copy.open("wb") as file:
                    for piece in store_pb2_grpc.StoreServiceStub(channel).Backup(
                        pb.BackupRequest(), timeout=120
                    ):
                        file.write(piece.data)
                copies.append((copy, before))
            shutil.copyfile(database, plain)
    finally:
        child.kill()
        history.close()
    lines = read(history.path)
    for copy, before in copies:
        restored = copy.with_name(f"restored-{copy.name}")
        restore(copy, restored)
        found = observations(restored)
        names = {one.metadata["request"] for one in found}
        finding.violations += [f"{copy.name} lacks {name}" for name in sorted(before - names)[:3]]
        finding.violations += check_whole(restored)
        held = [line for line in lines if line["kind"] == "invoke" or line["request"] in names]
        finding.violations += check_told(held, found)
        finding.rounds += 1
    # The control: a plain copy of the live file lacks what is in the log, and the check sees it.
    try:
        lacking = copies[-1][1] - {one.metadata["request"] for one in observations(plain)}
    except Exception as error:
        lacking = {str(error)}
    if not lacking:
        finding.violations.append("the check took a plain copy of the live file for a good one")
    finding.note = f"{history.acknowledged} acknowledged meanwhile; a plain copy lacked {len(lacking)}"
    return finding


def syncs(folder: Path, writes: int) -> Finding:
    """With the real driver every group of writes ends in a sync of the disk: counted by strace."""
    address, counts = free_address(), folder / "strace.txt"
    words = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(counts), sys.executable, "-m"]
    process = subprocess.Popen(
        [*words, "paretune_store", "--db", str(folder / "syncs.db"), "--listen", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        create(address)
        before = counts.read_text().count("sync(")
        from writers import request_of

        with grpc.insecure_channel(address) as channel:
            stub = store_pb2_grpc.StoreServiceStub(channel)
            for number in range(writes):  # one after the other: every one is a group of its own
                stub.Observe(request_of(f"sync-{number}", 0.5), timeout=30)
        after = counts.read_text().count("sync(")
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # strace itself stays until what it traces ends
        process.wait(60)
    wrong = [] if after - before >= writes else [f"{after - before} syncs for {writes} groups of writes"]
    return Finding(writes, wrong, f"{after - before} syncs for {writes} groups")
