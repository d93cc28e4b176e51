"""The program: what it imports, how it starts and how it ends."""

import signal
import subprocess
import sys
import time

import pytest

from paretune.rpc.channel import open_channel
from paretune.v1 import trainer_pb2, trainer_pb2_grpc, types_pb2
from paretune_trainer import processes


def test_importing_the_program_imports_no_framework():
    code = (
        "import sys, paretune_trainer.__main__; "
        "print([m for m in ('torch', 'tensorflow', 'keras', 'numpy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_node_leaves_at_once_without_anyone_to_work_for(start_trainer, number):
    trainer = start_trainer("--grace", "60")
    begin = time.monotonic()
    trainer.process.send_signal(number)
    assert trainer.process.wait(30) == 0
    assert time.monotonic() - begin < 30  # half of the grace time
    assert not list(trainer.folder.glob("node-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_leaves_no_process_behind(start_trainer, number):
    trainer = start_trainer("--grace", "0")
    with open_channel(trainer.address) as channel:
        stub = trainer_pb2_grpc.TrainerServiceStub(channel)
        workload = types_pb2.Workload(name="sample_workloads:forever")
        stream = stub.Run(trainer_pb2.RunRequest(workload=workload, seed=1))
        while not next(stream).HasField("checkpoint"):
            pass
        family = processes.descendants(trainer.process.pid)
        assert len(family) >= 2  # launcher and trial, and what a PID namespace needs
        trainer.process.send_signal(number)
        trainer.process.wait(30)
        stream.cancel()
    deadline = time.monotonic() + 10
    while set(family) & set(processes.descendants(1)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_taken_port_is_exit_code_3_with_one_line(start_trainer):
    trainer = start_trainer()
    second = subprocess.run(
        [sys.executable, "-m", "paretune_trainer", "--listen", trainer.address, "--log-level", "ERROR"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 3
    lines = second.stderr.strip().splitlines()
    assert lines[-1].startswith("paretune trainer: Cannot listen on")
    assert "Traceback" not in second.stderr


def test_an_address_for_the_world_needs_permission():
    done = subprocess.run(
        [sys.executable, "-m", "paretune_trainer", "--listen", "0.0.0.0:0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert "--plaintext" in done.stderr
