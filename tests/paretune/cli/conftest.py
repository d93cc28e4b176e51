"""The command line as people run it: a process of its own, in a folder of its own, with real services."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from paretune.local import LocalClient, Suite, free_ports

WORKLOAD = """
import time

def train(parameters, trial):
    for step in range(1, 4):
        trial.checkpoint(step, score=step * parameters["x"])
        time.sleep(float(trial.settings.get("seconds", 0)) / 3)
    return {"score": (parameters["x"], 0.01), "cost": parameters["x"] ** 2}
"""

TOY = """\
name: toy
workload: toy:train
settings: {seconds: 0}
parameters:
  - {name: x, type: double, min: 0, max: 1}
metrics:
  - {name: score, goal: maximize}
  - {name: cost, goal: minimize, unit: s}
observation_budget: 4
parallelism: 2
seed: 1
policy: sobol
"""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class CommandLine:
    """Runs `paretune` in a folder."""

    def __init__(self, folder, **environment):
        self.folder = folder
        ours = ("PARETUNE_", "COLUMNS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment = kept | environment

    def command(self, *words):
        return [sys.executable, "-m", "paretune", *map(str, words)]

    def __call__(self, *words, raw=False, **environment):
        ended = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert raw or not CONTROL.search(ended.stdout + ended.stderr)
        assert "Traceback" not in ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def start(self, *words):
        return subprocess.Popen(
            self.command(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def folder(tmp_path):
    """A working folder with an experiment file and its code."""
    (tmp_path / "toy.py").write_text(WORKLOAD)
    (tmp_path / "toy.yaml").write_text(TOY)
    return tmp_path


@pytest.fixture
def paretune(folder):
    """The command line in that folder."""
    return CommandLine(folder)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Services of a module's own; the Trainer can import the workload."""
    home = tmp_path_factory.mktemp("suite")
    (home / "toy.py").write_text(WORKLOAD)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARETUNE_TRAINER_PYTHON_PATH", str(home))
        with LocalClient(Suite(home / "tune.db", free_ports()), trainer_slots=2) as client:
            yield client


@pytest.fixture
def at(folder, client):
    """The command line, talking to those."""
    return CommandLine(folder, PARETUNE_SERVER=client.address)
