"""The program: how it starts, which words and codes it ends with."""

import sqlite3
import subprocess
import time
from pathlib import Path

import grpc
import pytest
from store_cases import experiment
from store_process import free_address, running, start, stop

from paretune.rpc.channel import open_channel
from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc


def ended(database: Path, address: str = "", **environment: str) -> subprocess.CompletedProcess:
    """A Store that must not start: its code and its one line (gRPC's own log aside)."""
    process = start(database, address or free_address(), **environment)
    process.wait(30)
    said = [line for line in stop(process).splitlines() if "add_port.cc" not in line]
    assert [line.startswith("paretune store: ") for line in said] == [True], said
    return subprocess.CompletedProcess([], process.returncode, said[0])


def test_one_store_per_file_and_per_port(tmp_path):
    with running(tmp_path / "store.db") as address:
        same_file = ended(tmp_path / "store.db")
        same_port = ended(tmp_path / "other.db", address)
        wait_until_serving(address, 5)
    assert (same_file.returncode, same_port.returncode) == (3, 3)
    assert "Another Store" in same_file.stdout
    assert address in same_port.stdout


def test_exit_codes(tmp_path):
    with running(tmp_path / "store.db"):
        pass
    db = sqlite3.connect(tmp_path / "store.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    (tmp_path / "broken.db").write_bytes(b"hello " * 5000)
    assert ended(tmp_path / "store.db").returncode == 5
    assert ended(tmp_path / "broken.db").returncode == 4
    assert ended(tmp_path / "nowhere" / "store.db").returncode == 3


def test_addresses_off_loopback_need_a_word(tmp_path):
    refused = ended(tmp_path / "store.db", "0.0.0.0:0")
    assert refused.returncode == 3
    assert not (tmp_path / "store.db").exists()


def test_of_many_cold_starts_at_once_one_serves(tmp_path):
    address = free_address()
    processes = [start(tmp_path / "store.db", address) for _ in range(4)]
    try:
        wait_until_serving(address, 30)
        deadline = time.monotonic() + 30
        while sum(p.poll() is None for p in processes) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        serving = [p for p in processes if p.poll() is None]
        assert len(serving) == 1
        wait_until_serving(address, 5)
    finally:
        said = [stop(process) for process in processes]
    assert sorted(p.returncode for p in processes) == [0, 3, 3, 3]
    assert "Traceback" not in "".join(said)


def test_it_stops_promptly_while_somebody_watches_and_knows_all_afterwards(tmp_path):
    database, address = tmp_path / "store.db", free_address()
    process = start(database, address)
    try:
        wait_until_serving(address, 30)
        with open_channel(address) as channel:
            stub = store_pb2_grpc.StoreServiceStub(channel)
            create = pb.CreateExperimentRequest(experiment=experiment(id="digits"), request_id="once")
            made = stub.CreateExperiment(create, timeout=10)
            stream = stub.Watch(pb.WatchRequest(experiment_id="digits"), timeout=60)
            assert next(stream).caught_up
            stop(process)
            with pytest.raises(grpc.RpcError, match="stopping") as caught:
                next(stream)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        said = stop(process)
    assert process.returncode == 0, said
    with running(database) as again, open_channel(again) as channel:
        assert store_pb2_grpc.StoreServiceStub(channel).CreateExperiment(create, timeout=10) == made
