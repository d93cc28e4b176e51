"""A running dashboard, and trials to show in it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import paretune as pt
from paretune.local import free_ports, listens

PARAMETERS = [pt.Double("x", 0.0, 1.0), pt.Int("n", 1, 8), pt.Categorical("kind", ["plain", "deep"])]
METRICS = [pt.Maximize("accuracy"), pt.Minimize("cost", unit="ms")]


@dataclass
class Dashboard:
    """A running dashboard and clients of it."""

    address: str
    client: pt.Client
    opened: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def browser(self) -> httpx.Client:
        """As a page: with a session and its CSRF token."""
        client = self.program()
        client.headers["x-csrf-token"] = client.get("/api/v1/session").json()["csrf"]
        return client

    def program(self, **headers: str) -> httpx.Client:
        """Without a session."""
        self.opened.append(httpx.Client(base_url=self.url, timeout=30, headers=headers))
        return self.opened[-1]

    def experiment(self, name: str = "compete", trials: int = 0, **fields: Any) -> pt.ExperimentHandle:
        made = self.client.create_experiment(
            **{"name": name, "parameters": PARAMETERS, "metrics": METRICS, "policy": "random", **fields}
        )
        for number in range(trials):
            measure(made, number, trials)
        return made


def measure(experiment: pt.ExperimentHandle, number: int, total: int = 20) -> None:
    """One trial with a trade-off; every seventh is infeasible."""
    share = (number * 0.618) % 1.0
    assignments = {"x": share, "n": 1 + number % 8, "kind": ("plain", "deep")[number % 2]}
    if number % 7 == 6:
        experiment.observe(assignments, {}, infeasible="the loss is not a number")
    else:
        vector = {"accuracy": (0.5 + 0.4 * share, 0.01), "cost": (1 + 4 * share**2 + 0.1 * (number % 3), 0.1)}
        experiment.observe(assignments, vector)


def start(server: str, folder: Path, *words: str, **environment: str) -> tuple[str, subprocess.Popen[bytes]]:
    """A dashboard of its own; gives its address and process."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = [sys.executable, "-m", "paretune_dashboard", "--server", server, "--listen", address, *words]
    with (folder / "dashboard.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment)
    for _ in range(600):
        if listens(address):
            return address, process
        if process.poll() is not None:
            break
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise RuntimeError((folder / "dashboard.log").read_text()[-2000:])
