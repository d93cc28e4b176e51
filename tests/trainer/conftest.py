"""A node with its own folder, whose trials find the sample workloads; a place on the path for the fakes."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paretune.errors import Unavailable
from paretune.experiment import Workload
from paretune.local import free_ports
from paretune.rpc.health import wait_until_serving
from paretune_trainer import config
from paretune_trainer.config import Config
from paretune_trainer.ending import Listener
from paretune_trainer.node import Node, Run, Task
from paretune_trainer.schema import check
from paretune_trainer.workload import builtin_workloads

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)


@pytest.fixture
def make_node(tmp_path, monkeypatch):
    """Nodes with other settings than the usual."""
    monkeypatch.setattr(config, "shared_folder", lambda: tmp_path)
    nodes = []

    def make(**settings):
        environ = settings.pop("environ", {"PATH": "/usr/bin:/bin"})
        fields = {
            "worker": "w",
            "slots": 2,
            "folder": tmp_path / "node",
            "python_path": (HERE,),
            "retries": 0,
            **settings,
        }
        nodes.append(Node(Config(**fields), environ))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node):
    """The usual node."""
    return make_node()


@pytest.fixture
def task():
    """A task of one sample workload; metrics as most experiments of the tests have them."""

    def make(function, parameters=None, *, metrics=("accuracy", "latency"), settings=None, seed=1):
        workload = Workload(
            function
            if ":" in function or function in builtin_workloads()
            else f"sample_workloads:{function}",
            settings or {},
        )
        return Task(workload, check(workload, (), ()), parameters or {}, seed, metrics)

    return make


@pytest.fixture
def train(node, task):
    """Run one sample workload to its end; gives the verdict."""

    def run(function, parameters=None, *, on=None, listener=None, run=None, **fields):
        run = run or Run(task(function, parameters, **fields))
        return (on or node).train(run, listener or Listener())

    return run


class Trainer:
    """A Trainer as a process of its own."""

    def __init__(self, folder, arguments):
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.folder = folder
        self._log = folder / "trainer.log"
        command = [sys.executable, "-P", "-m", "paretune_trainer", "--listen", self.address, "--name", "test"]
        # No optimizer is needed to be asked for a run: nothing answers at the discard port.
        command += ["--server", "127.0.0.1:9", "--run-dir", str(folder), "--python-path", HERE, *arguments]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait_for_log(self, pattern, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self._log.read_text()):
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="module")
def start_trainer(tmp_path_factory):
    """Start Trainers with these arguments; `last` is the one started last."""
    started = []

    def start(*arguments):
        trainer = Trainer(tmp_path_factory.mktemp("trainer"), arguments)
        started.append(trainer)
        start.last = trainer
        try:
            wait_until_serving(trainer.address, 30)
        except Unavailable:
            raise AssertionError((trainer.folder / "trainer.log").read_text()) from None
        return trainer

    yield start
    for trainer in started:
        trainer.process.terminate()
    for trainer in started:
        trainer.stop()


class Services:
    """A Store and an Optimizer as processes of their own."""

    def __init__(self, folder):
        self.address, store = (f"127.0.0.1:{port}" for port in free_ports(2))
        self._folder = folder
        self._commands = {
            "store": ["paretune_store", "--listen", store, "--db", str(folder / "tune.db")],
            "optimizer": ["paretune_optimizer", "--listen", self.address, "--store", store],
        }
        self._addresses = {"store": store, "optimizer": self.address}
        self._processes = {}

    def start(self, name):
        with (self._folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-P", "-m", *self._commands[name]]
            self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until_serving(self._addresses[name], 30)

    def kill(self, name, number=signal.SIGKILL):
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def stop(self):
        for name in list(self._processes):
            self.kill(name, signal.SIGTERM)


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """A Store and an Optimizer."""
    one = Services(tmp_path_factory.mktemp("services"))
    try:
        one.start("store")
        one.start("optimizer")
        yield one
    finally:
        one.stop()
