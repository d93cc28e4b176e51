"""A real Store and a real Optimizer for the tests of the client."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import paretune as pt
from paretune.local import free_ports
from paretune.rpc.health import wait_until_serving


class Services:
    """Store and Optimizer as processes of their own, to be killed and started again."""

    def __init__(self, folder: Path) -> None:
        optimizer, store = (f"127.0.0.1:{port}" for port in free_ports(2))
        self.address, self.store = optimizer, store
        self.folder = folder
        self._environment = os.environ | {
            "PARETUNE_DB": str(folder / "tune.db"),
            "PARETUNE_STORE_LISTEN": store,
            "PARETUNE_OPTIMIZER_LISTEN": optimizer,
            "PARETUNE_STORE": store,
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                command = [sys.executable, "-m", f"paretune_{name}"]
                self._processes[name] = subprocess.Popen(
                    command, env=self._environment, stdout=log, stderr=log
                )

    def wait(self) -> None:
        try:
            wait_until_serving(self.store, 60)
            wait_until_serving(self.address, 60)
        except pt.ParetuneError as error:
            logs = [path.read_text()[-2000:] for path in self.folder.glob("*.log")]
            raise RuntimeError("\n".join([str(error), *logs])) from None

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait(20)

    def stop(self) -> None:
        for name in list(self._processes):
            self.kill(name, signal.SIGTERM)


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Shared by all tests: each makes experiments of its own."""
    with tempfile.TemporaryDirectory() as folder:
        running = Services(Path(folder))
        try:
            running.start("store", "optimizer")
            running.wait()
            yield running
        finally:
            running.stop()


@pytest.fixture
def own_services(tmp_path: Path) -> Iterator[Services]:
    """Of one test, which may kill them."""
    running = Services(tmp_path)
    try:
        running.start("store", "optimizer")
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def client(services: Services) -> Iterator[pt.Client]:
    with pt.Client(services.address, timeout=20) as client:
        yield client


def _fields(**changes: Any) -> dict[str, Any]:
    return {
        "name": "compete",
        "parameters": [
            pt.Double("x", 0.0, 1.0),
            pt.Int("n", 1, 8),
            pt.Categorical("kind", ["plain", "deep"]),
            pt.Double("rate", 0.001, 0.1, log=True, when={"kind": ["deep"]}),
        ],
        "metrics": [pt.Maximize("accuracy"), pt.Minimize("cost", unit="ms", threshold=20.0)],
        "observation_budget": 6,
        "policy": "random",
        **changes,
    }


@pytest.fixture(scope="session")
def fields() -> Callable[..., dict[str, Any]]:
    """Fields of an experiment: two metrics that compete, a budget of 6, a policy that needs no model."""
    return _fields


@pytest.fixture
def experiment(client: pt.Client) -> pt.ExperimentHandle:
    """A new experiment with the `fields`."""
    return client.create_experiment(**_fields())
