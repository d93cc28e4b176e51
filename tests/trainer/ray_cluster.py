"""Trials on a real Ray cluster, also when a worker of it is killed: `make test-ray`."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paretune.client import Client
from paretune.experiment import LeasePolicy, Maximize, Minimize
from paretune.local import free_ports
from paretune.observation import OutcomeKind
from paretune.parameters import Double
from paretune_trainer.ending import Listener
from paretune_trainer.node import Run, Task

HOST = "127.0.0.2"
"""Loopback; Ray takes 127.0.0.1 for the machine's address to others."""
PORT, *AGENT_PORTS = free_ports(5)

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
TRIES = 4
"""Ray gives its own agents 15 s to start, which a busy machine may miss."""

PROBE = f"""
import ray
ray.init(address="{HOST}:{PORT}", log_to_driver=False, namespace="paretune")
assert ray.get(ray.remote(lambda: 1).remote(), timeout=60) == 1
"""


@pytest.fixture(scope="module")
def cluster():
    """A head with room for two worker processes, on loopback."""
    # `ray start` asks for a token; who connects finds it in the environment, and looks for it at the import.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ.update(token)
    try:
        import ray  # noqa: F401
    except ImportError:
        raise AssertionError("Ray is not installed: pip install 'paretune[ray]'.") from None
    environment = {**os.environ, "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_agent_register_timeout_ms"] = "300000"
    for number in range(TRIES):
        folder = Path("/tmp") / f"pray{os.getpid()}-{number}"  # short: Ray's socket paths have a limit
        head = start_head(folder, environment)
        if works(head, environment):
            break
        stop_head(head, folder)
    else:
        raise AssertionError("Ray does not start.")
    yield f"{HOST}:{PORT}"
    stop_head(head, folder)
    for name in token:
        del os.environ[name]


def start_head(folder, environment):
    named = ("dashboard-agent-grpc", "dashboard-agent-listen", "metrics-export", "runtime-env-agent")
    ports = [f"--{name}-port={port}" for name, port in zip(named, AGENT_PORTS, strict=True)]
    command = [*RAY, "start", "--head", f"--node-ip-address={HOST}", f"--port={PORT}", "--num-cpus=2",
               "--include-dashboard=false", f"--temp-dir={folder}", "--object-store-memory=100000000",
               "--block", *ports]  # fmt: skip
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
    )


def works(head, environment):
    """Whether the cluster runs a task before its head ends or two minutes are over."""
    deadline = time.monotonic() + 120
    while head.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            words = [sys.executable, "-c", PROBE]
            if not subprocess.run(words, env=environment, capture_output=True, timeout=60).returncode:
                return True
        time.sleep(1)
    return False


def stop_head(head, folder):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(head.pid, signal.SIGTERM)
    head.wait(60)
    shutil.rmtree(folder, ignore_errors=True)


def busy_workers():
    """Process ids of Ray workers that run a trial."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cmdline").read_bytes().startswith(b"ray::trial"):
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


@pytest.mark.timeout(600)
def test_an_experiment_survives_the_loss_of_a_worker(cluster, services, start_trainer):
    with Client(services.address) as client:
        experiment_id = client.create_experiment(
            name="e", parameters=[Double("x", 0, 1)], metrics=[Maximize("accuracy"), Minimize("latency")],
            observation_budget=4, policy="random", workload="sample_workloads:sleep",
            settings={"seconds": "6"}, lease_policy=LeasePolicy(ttl=60),
        ).id  # fmt: skip
        trainer = start_trainer(
            "--server", services.address, "--experiment", experiment_id, "--slots", "2",
            "--executor", "ray", "--ray-address", cluster,
        )  # fmt: skip
        deadline = time.monotonic() + 500
        while len(workers := busy_workers()) < 2:
            assert time.monotonic() < deadline, (trainer.folder / "trainer.log").read_text()
            time.sleep(0.2)
        os.kill(workers[0], signal.SIGKILL)
        while client.get_experiment(experiment_id).progress.observations < 4:
            assert time.monotonic() < deadline, (trainer.folder / "trainer.log").read_text()
            time.sleep(0.5)
        observations = list(client.list_observations(experiment_id))
        assert all(o.outcome.kind is OutcomeKind.OK for o in observations)
        assert len({o.suggestion_id for o in observations}) == len(observations) == 4
        assert all(o.attempt == 1 for o in observations)
        trainer.wait_for_log("a Ray task was lost")


@pytest.mark.parametrize(
    ("function", "kind"), [("ok", "OK"), ("segfault", "CRASHED"), ("until_told", "STOPPED_EARLY")]
)
def test_endings_are_judged_as_on_the_node_itself(cluster, make_node, task, function, kind):
    node = make_node(executor="ray", ray_address=cluster, trial_cpus=1.0)
    steps = []
    made: Task = task(function)
    run = Run(made)

    def step(one):
        steps.append(one)
        if function == "until_told":
            run.steering.stop_early()

    verdict = node.train(run, Listener(step=step))
    assert verdict.outcome.kind.name == kind
    if kind != "CRASHED":
        assert steps
