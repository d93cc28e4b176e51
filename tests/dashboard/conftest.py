"""Real services and a real dashboard for all tests of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import paretune as pt
from paretune.access import Role
from paretune.local import free_ports
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import wait_until_serving
from paretune.rpc.tokens import changing_tokens, new_token

sys.path.insert(0, str(Path(__file__).parent))
from chromium import browser as chromium
from dashboard_cases import Dashboard, start


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    with pt.local(folder / "tune.db", trainer_slots=0) as client:
        address, process = start(client.address, folder)
        running = Dashboard(address, client)
        try:
            yield running
        finally:
            for opened in running.opened:
                opened.close()
            process.terminate()
            process.wait(20)


WORKLOAD = """
import time

def train(parameters, trial):
    for step in range(int(trial.settings.get("steps", "1"))):
        time.sleep(float(trial.settings["seconds"]))
        print("step", step, flush=True)
        trial.checkpoint(step, score=parameters["x"] * step)
        if trial.should_stop():
            break
    return {"score": (parameters["x"], 0.01), "cost": parameters["x"] ** 2}
"""


@pytest.fixture(scope="session")
def trainer(dashboard: Dashboard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A trainer node that can train the workload toy:train."""
    folder = tmp_path_factory.mktemp("trainer")
    (folder / "toy.py").write_text(WORKLOAD)
    command = [
        *(sys.executable, "-m", "paretune_trainer", "--server", dashboard.client.address),
        *("--listen", f"127.0.0.1:{free_ports(1)[0]}", "--python-path", str(folder), "--grace", "0"),
        *("--run-dir", str(folder / "runs")),
    ]
    with (folder / "trainer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield
    process.terminate()
    process.wait(30)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Dashboard, str]]:
    """A dashboard of services that ask for tokens, and a token that they know."""
    tokens = tmp_path / "tokens.json"
    with changing_tokens(tokens) as records:
        token, record = new_token(Role.WRITE, "*", now=datetime.now(UTC))
        records[record.id] = record
        own, record = new_token(Role.READ, "*", now=datetime.now(UTC))
        records[record.id] = record
    optimizer, store = (f"127.0.0.1:{port}" for port in free_ports(2))
    environment = os.environ | {"PARETUNE_TOKENS": str(tokens), "PARETUNE_TOKEN": own}
    words = {
        "store": ["--listen", store, "--db", str(tmp_path / "t.db")],
        "optimizer": ["--listen", optimizer, "--store", store],
    }
    processes = [
        subprocess.Popen([sys.executable, "-m", f"paretune_{name}", *given], env=environment)
        for name, given in words.items()
    ]
    try:
        for address in (store, optimizer):
            wait_until_serving(address, 60)
        address, process = start(optimizer, tmp_path, PARETUNE_TOKEN=own)
        processes.append(process)
        with pt.Client(optimizer, credentials=Credentials(token)) as client:
            yield Dashboard(address, client), token
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def browser():
    """One for a module: while Playwright runs, no other test of this process can call `asyncio.run`."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def search(dashboard) -> pt.ExperimentHandle:
    return dashboard.experiment("a search", 24, policy="auto")
