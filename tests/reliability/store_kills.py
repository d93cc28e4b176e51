"""kill -9 of the Store under write load, at any moment and at every named place."""

import random
import time
from pathlib import Path

import grpc
from history import History, check
from lanes import Finding
from nursery import Nursery
from store_process import free_address
from writers import EXPERIMENT, Writers, create, request_of

from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc

PLACES = ("before_begin", "after_write", "after_commit_before_reply", "mid_checkpoint", "backup_mid_copy")


def run(
    nursery: Nursery, folder: Path, rounds: int, *, place: str = "", broken: str = "", seed: int = 1
) -> Finding:
    """Kill the Store so many times, at random or at a failpoint, while four clients write; then compare."""
    database, address, rng = folder / f"kills{place}.db", free_address(), random.Random(seed)
    history, finding = History(folder / f"kills{place}.jsonl"), Finding()
    options = ("--db", str(database), "--listen", address)
    slowest = 0.0

    def start(failpoints: str = "", *, wait: bool = True) -> None:
        nonlocal child, slowest
        begin = time.monotonic()
        child = nursery.start("paretune_store", *options, broken=broken, failpoints=failpoints)
        if not wait:  # the first write may kill it before it says that it serves
            return
        wait_until_serving(address, 60)
        slowest = max(slowest, time.monotonic() - begin)

    child = nursery.start("paretune_store", *options, broken=broken)
    create(address)
    with Writers(address, history, 4, seed).writing() as writers:
        for _ in range(rounds):
            if not writers.wait_for_progress(60):
                finding.violations.append("no progress for 60 s after a restart")
            if place:
                child.kill()
                start(_failpoint(place, rng), wait=place == "backup_mid_copy")
                if place == "backup_mid_copy":
                    _back_up(address)
                _await_death(child, finding, place)
            else:
                time.sleep(rng.uniform(0.05, 0.35))
            child.kill()
            start()
            finding.rounds += 1
        writers.wait_for_progress(60)
    finding.violations += _first_answers(address, history, rng) + writers.late
    child.kill()
    history.close()
    finding.violations += check(history.path, database)
    finding.note = f"{history.acknowledged} acknowledged; slowest start {slowest:.1f} s"
    return finding


def _failpoint(place: str, rng: random.Random) -> str:
    if place == "mid_checkpoint":
        return f"mid_checkpoint=kill_during:{rng.uniform(0, 0.004):.4f}"
    at = 1 if place == "backup_mid_copy" else rng.randint(1, 12)
    return f"{place}=kill@{at}"


def _await_death(child: object, finding: Finding, place: str) -> None:
    end = time.monotonic() + 60
    while child.alive():  # type: ignore[attr-defined]
        if time.monotonic() > end:
            finding.violations.append(f"the Store never passed {place}")
            return
        time.sleep(0.005)


def _back_up(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        try:
            for _ in store_pb2_grpc.StoreServiceStub(channel).Backup(pb.BackupRequest(), timeout=60):
                pass
        except grpc.RpcError:
            pass  # the Store died while it copied: that is the point


def _first_answers(address: str, history: History, rng: random.Random) -> list[str]:
    """Ask again what was acknowledged: every answer must be the first one."""
    from history import read

    history._file.flush()
    told = {line["request"]: line for line in read(history.path) if line["kind"] == "ok"}
    wrong = []
    with grpc.insecure_channel(address) as channel:
        call = store_pb2_grpc.StoreServiceStub(channel).Observe
        for name in rng.sample(sorted(told), min(30, len(told))):
            try:
                reply = call(request_of(name, told[name]["value"]), timeout=20, wait_for_ready=True)
            except grpc.RpcError as failure:
                wrong.append(f"{name} in {EXPERIMENT} was acknowledged, then {failure.code().name}")
                continue
            if reply.observation.id != told[name]["id"]:
                wrong.append(f"another answer to {name}")
    return wrong
