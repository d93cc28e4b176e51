"""kill -9 while clients write: what was acknowledged is there, once, and the file is whole."""

import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
from store_cases import experiment, observation
from store_process import free_address, start, stop

from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune.v1 import types_pb2 as types

ROUNDS = 10
CLIENTS = 4
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def write(
    address: str, seed: int, halt: threading.Event, acknowledged: dict[str, bytes], unexpected: list
) -> None:
    """Report one result after the other; after a failure the same one again, with the same request_id."""
    number = 0
    with grpc.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        call = store_pb2_grpc.StoreServiceStub(channel).Observe
        while not halt.is_set():
            request_id = f"{seed}-{number}"
            request = pb.ObserveRequest(
                observation=observation("digits", metadata={"request": request_id}), request_id=request_id
            )
            try:
                reply = call(request, timeout=5, wait_for_ready=True)
            except grpc.RpcError as failure:
                unexpected += [failure] if failure.code() not in AWAY else []
                continue
            acknowledged[request_id] = reply.SerializeToString(deterministic=True)
            number += 1


def recorded(database: Path) -> list[str]:
    """The request of every observation in the file, after a check that the file is whole."""
    db = sqlite3.connect(database)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = db.execute("SELECT body FROM observations ORDER BY ordinal").fetchall()
        (counted,) = db.execute("SELECT observations FROM experiments").fetchone()
    finally:
        db.close()
    found = [types.Observation.FromString(row[0]) for row in rows]
    assert [f.ordinal for f in found] == [*range(1, counted + 1)]
    return [f.metadata["request"] for f in found]


def test_nothing_acknowledged_is_lost_and_nothing_recorded_twice(tmp_path):
    database, address, rng = tmp_path / "store.db", free_address(), random.Random(7)
    process = start(database, address)
    acknowledged: dict[str, bytes] = {}
    halt, unexpected = threading.Event(), []
    threads = [
        threading.Thread(target=write, args=(address, n, halt, acknowledged, unexpected))
        for n in range(CLIENTS)
    ]
    kills = []
    try:
        wait_until_serving(address, 20)
        with grpc.insecure_channel(address) as channel:
            create = pb.CreateExperimentRequest(experiment=experiment(id="digits"))
            store_pb2_grpc.StoreServiceStub(channel).CreateExperiment(create, timeout=10)
        for thread in threads:
            thread.start()
        for _ in range(ROUNDS):
            time.sleep(rng.uniform(0.05, 0.35))
            said = stop(process, signal.SIGKILL)
            assert "Traceback" not in said
            kills.append(len(acknowledged))
            process = start(database, address)
            wait_until_serving(address, 20)
        time.sleep(0.3)
    finally:
        halt.set()
        for thread in threads:
            if thread.ident:
                thread.join()
        stop(process)
    assert not unexpected
    requests = Counter(recorded(database))
    assert kills[-1] > kills[0] > 0, "the clients made no progress between kills"
    assert not [r for r in acknowledged if r not in requests], "acknowledged and lost"
    assert not [r for r, times in requests.items() if times > 1], "recorded twice"
    # At most one report per client was under way at the end and may be recorded although nobody heard of it.
    assert len(requests) - len(acknowledged) <= CLIENTS

    process = start(database, address)
    try:
        wait_until_serving(address, 20)
        with grpc.insecure_channel(address) as channel:
            raw = channel.unary_unary("/paretune.v1.StoreService/Observe")
            for request_id in rng.sample(sorted(acknowledged), 20):
                again = pb.ObserveRequest(
                    observation=observation("digits", metadata={"request": request_id}),
                    request_id=request_id,
                )
                assert raw(again.SerializeToString(), timeout=5) == acknowledged[request_id]
    finally:
        stop(process)
