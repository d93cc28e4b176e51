"""Clients behind a network that delays, breaks, swallows, and heals; replies lost after the commit."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import grpc
from history import LABEL, History, check, observations
from lanes import Finding
from nursery import Nursery
from proxy import TOXICS, Proxy
from store_process import free_address
from writers import FAST, Writers, create, request_of

from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc

HEAL = 30.0
"""Seconds after the network healed within which something must be acknowledged."""


def toxics(nursery: Nursery, folder: Path, scenarios: int, seconds: float, *, seed: int = 1) -> Finding:
    """One toxic after the other while four clients write, healed in between."""
    database, address = folder / "network.db", free_address()
    child = nursery.start("paretune_store", "--db", str(database), "--listen", address)
    create(address)
    proxy, history, finding = Proxy(address, seed), History(folder / "network.jsonl"), Finding()
    slowest = 0.0
    try:
        with Writers(proxy.address, history, 4, seed, timeout=3).writing() as writers:
            for number in range(scenarios):
                proxy.poison(TOXICS[number % len(TOXICS)])
                time.sleep(seconds)
                proxy.poison("")
                begin = time.monotonic()
                if not writers.wait_for_progress(HEAL):
                    finding.violations.append(
                        f"no progress {HEAL:.0f} s after {TOXICS[number % len(TOXICS)]}"
                    )
                slowest = max(slowest, time.monotonic() - begin)
                finding.rounds += 1
        finding.violations += writers.late
    finally:
        proxy.close()
        child.kill()
        history.close()
    finding.violations += check(history.path, database)
    finding.note = f"{history.acknowledged} acknowledged; slowest progress after healing {slowest:.1f} s"
    return finding


def lost_replies(nursery: Nursery, folder: Path, count: int, *, broken: str = "") -> Finding:
    """The connection breaks when the reply comes; the same request again gives the first result."""
    database, address = folder / "replies.db", free_address()
    child = nursery.start("paretune_store", "--db", str(database), "--listen", address, broken=broken)
    create(address)
    proxy, finding = Proxy(address), Finding()
    first: dict[str, str] = {}
    try:
        for number in range(count):
            name = f"lost-{number}"
            _send_and_lose(proxy, request_of(name, number / count))
            with grpc.insecure_channel(proxy.address, options=FAST) as channel:
                answers = [
                    store_pb2_grpc.StoreServiceStub(channel)
                    .Observe(request_of(name, number / count), timeout=30, wait_for_ready=True)
                    .observation.id
                    for _ in range(2)
                ]
            if answers[0] != answers[1]:
                finding.violations.append(f"{name}: two answers")
            first[name] = answers[0]
            finding.rounds += 1
        lost = proxy.dropped
    finally:
        proxy.close()
        child.kill()
    if lost < count:
        finding.violations.append(f"only {lost} of {count} replies were lost: nothing was tested")
    recorded = observations(database)
    finding.violations += [
        f"{name} was not recorded once, as told"
        for name, told in first.items()
        if [one.id for one in recorded if one.metadata[LABEL] == name] != [told]
    ]
    return finding


def _send_and_lose(proxy: Proxy, request: pb.ObserveRequest) -> None:
    with grpc.insecure_channel(proxy.address, options=[*FAST, ("grpc.enable_retries", 0)]) as channel:
        stub = store_pb2_grpc.StoreServiceStub(channel)
        stub.GetExperiment(pb.GetExperimentRequest(experiment_id="digits"), timeout=30, wait_for_ready=True)
        proxy.drop_replies_after = 1
        with suppress(grpc.RpcError):
            stub.Observe(request, timeout=30)
        proxy.drop_replies_after = 0


def partition(folder: Path, seconds: float) -> Finding:
    """A real partition: the Store in a network namespace whose link goes down and comes up again."""
    finding = Finding()
    name = f"pt{os.getpid()}"  # of the namespace, and the beginning of the names of its link
    run = lambda *words: subprocess.run(words, check=True, capture_output=True)  # noqa: E731
    inside = ("ip", "netns", "exec", name)
    run("ip", "netns", "add", name)
    try:
        run(
            "ip",
            "link",
            "add",
            f"{name}a",
            "type",
            "veth",
            "peer",
            "name",
            f"{name}b",
            "netns",
            name,
        )
        run("ip", "addr", "add", "10.97.31.1/30", "dev", f"{name}a")
        run("ip", "link", "set", f"{name}a", "up")
        run(*inside, "ip", "addr", "add", "10.97.31.2/30", "dev", f"{name}b")
        run(*inside, "ip", "link", "set", f"{name}b", "up")
        run(*inside, "ip", "link", "set", "lo", "up")
        nursery = Nursery(folder, inside)
        database, history = folder / "partition.db", History(folder / "partition.jsonl")
        words = ("--db", str(database), "--listen", "10.97.31.2:50052", "--plaintext")
        child = nursery.start("paretune_store", *words)
        create("10.97.31.2:50052")
        with Writers("10.97.31.2:50052", history, 4, 5, timeout=3).writing() as writers:
            for _ in range(2):
                writers.wait_for_progress(HEAL)
                run("ip", "link", "set", f"{name}a", "down")
                time.sleep(seconds)
                run("ip", "link", "set", f"{name}a", "up")
                if not writers.wait_for_progress(HEAL * 2):
                    finding.violations.append("no progress after the link came up")
                finding.rounds += 1
        finding.violations += writers.late
        child.kill()
        nursery.close()
        history.close()
        finding.violations += check(history.path, database)
        finding.note = f"{history.acknowledged} acknowledged"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    return finding
