"""Really deploy: previous images up, an experiment through them, a kill, an upgrade; nothing may be lost.

    make deploy-test

Builds the images of this tree and of the commit in docker/PREVIOUS, starts the previous ones with compose,
runs a part of an experiment, kills the Store with SIGKILL in the middle, upgrades to this tree's images
on the same volume, and runs the rest. Needs podman and runc; their absence is an error with
PARETUNE_REQUIRE_ALL=1, and a sentence otherwise.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import paretune as pt
from paretune.local import free_ports
from paretune.rpc.health import is_serving

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent.parent / "deploy" / "bin"
PROJECT = "paretune-deploy-test"
BUDGET = 30
SECONDS = 600.0
BEGIN = time.monotonic()


def say(text: str) -> None:
    """A line of the log, with the seconds since the start."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def run(*command: str, cwd: Path = ROOT, check: bool = True, **environment: str) -> str:
    """Run a command; what it printed. Its errors are shown when it fails."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=3600, env={**os.environ, **environment}
    )
    if check and done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait(what: str, ready: Callable[[], bool]) -> float:
    """Seconds until `ready()`."""
    begin = time.monotonic()
    while not ready():
        if time.monotonic() - begin > SECONDS:
            logs = [
                run("podman", "logs", "--tail", "20", f"{PROJECT}_{name}_1", check=False) for name in NAMES
            ]
            raise SystemExit(f"{what} did not happen within {SECONDS:.0f} s\n" + "\n".join(logs))
        time.sleep(0.2)
    return time.monotonic() - begin


NAMES = ("store", "optimizer", "trainer")


def previous_tree(folder: Path) -> str:
    """Put the sources of the previous release into `folder`, to be built as this tree is; its commit."""
    commit = (ROOT / "docker" / "PREVIOUS").read_text().strip()
    sources = subprocess.run(
        ["git", "archive", commit, "src", "services", "LICENSE", "pyproject.toml"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    with tarfile.open(fileobj=BytesIO(sources)) as archive:
        archive.extractall(folder, filter="data")
    shutil.copytree(ROOT / "docker", folder / "docker")
    shutil.copy(ROOT / ".dockerignore", folder)
    return commit


class Suite:
    """The services under compose."""

    def __init__(self) -> None:
        store, optimizer, trainer, dashboard = free_ports(4)
        self.dashboard = f"http://127.0.0.1:{dashboard}"
        self.address = f"127.0.0.1:{optimizer}"
        self.environment = {
            "PARETUNE_TEST_STORE": str(store),
            "PARETUNE_TEST_OPTIMIZER": str(optimizer),
            "PARETUNE_TEST_TRAINER": str(trainer),
            "PARETUNE_TEST_DASHBOARD": str(dashboard),
            "PARETUNE_WORKLOADS": str(ROOT / "examples"),
        }

    def compose(self, *arguments: str, tag: str) -> str:
        """Run podman-compose on both files."""
        return run(
            str(TOOLS / "podman-compose"), "-p", PROJECT,
            "--podman-run-args=--no-healthcheck --pull=never",
            "-f", "docker/compose.yaml", "-f", "deploy/test/compose.loopback.yaml", *arguments,
            **self.environment, PARETUNE_TAG=tag,
        )  # fmt: skip

    def up(self, tag: str) -> None:
        """Start the images of a tag, and wait until all of them serve."""
        begin = time.monotonic()
        self.compose("up", "-d", "--no-build", *NAMES, tag=tag)
        for name in NAMES:
            wait(f"{name} of {tag}", lambda name=name: self.healthy(name))
            if tag == "dev":  # the probe of the health check is newer than the previous release
                self.probe(name)
        say(f"compose up with images :{tag}: all three serve after {time.monotonic() - begin:.1f} s")

    def page(self) -> str:
        """Start the dashboard, and ask it for the experiments, as a browser does."""
        self.compose("up", "-d", "--no-build", "--no-deps", "dashboard", tag="dev")

        def fetched(path: str) -> str:
            try:
                with urllib.request.urlopen(self.dashboard + path, timeout=5) as reply:
                    return str(reply.read().decode())
            except OSError:
                return ""

        wait("the dashboard", lambda: fetched("/healthz") != "")
        return fetched("/api/v1/experiments")

    def healthy(self, name: str) -> bool:
        """Whether a service says that it serves."""
        return is_serving(f"127.0.0.1:{self.environment[f'PARETUNE_TEST_{name.upper()}']}", 2.0)

    def probe(self, name: str) -> None:
        """Let a container check its own health, as HEALTHCHECK does."""
        address = f"127.0.0.1:{self.environment[f'PARETUNE_TEST_{name.upper()}']}"
        run("podman", "exec", container(name), "python3", "-m", "paretune.rpc.probe", address)


def container(name: str) -> str:
    """Name of a service's container."""
    return f"{PROJECT}_{name}_1"


def exit_code(name: str) -> int:
    """Exit code of a stopped container."""
    return int(run("podman", "inspect", container(name), "--format", "{{.State.ExitCode}}"))


def experiment_through(suite: Suite) -> None:
    """Some trainings, a kill, an upgrade, the other trainings; nothing may be lost or doubled."""
    begin = time.monotonic()
    suite.up("previous")
    with pt.connect(suite.address, timeout=60) as client:
        experiment = client.create_experiment(
            name="deployed", observation_budget=BUDGET, policy="sobol", workload="own_code:train",
            settings={"epochs": "40"}, lease_policy=pt.LeasePolicy(ttl=5.0),
            parameters=[pt.Int("hidden", 1, 16), pt.Double("rate", 0.001, 0.5, log=True)],
            metrics=[pt.Minimize("loss"), pt.Minimize("weights")],
        )  # fmt: skip

        def at_least(count: int) -> Callable[[], bool]:
            return lambda: experiment.refresh().progress.observations >= count

        wait("the first observation", at_least(1))
        say(f"first observation {time.monotonic() - begin:.1f} s after compose up began")
        wait("the first observations", at_least(BUDGET // 3))
        acknowledged = list(experiment.observations())
        run("podman", "kill", "--signal", "KILL", container("store"))
        killed = time.monotonic()
        run("podman", "start", container("store"))
        wait("the Store again", lambda: suite.healthy("store"))
        seconds = time.monotonic() - killed
        say(f"Store killed with {len(acknowledged)} observations, serving again {seconds:.1f} s later")
        assert list(experiment.observations())[: len(acknowledged)] == acknowledged, (
            "a restart lost something"
        )
        wait("more observations", at_least(len(acknowledged) + 3))
        acknowledged = list(experiment.observations())

        upgraded = time.monotonic()
        for name in reversed(NAMES):
            run("podman", "stop", "--time", "30", container(name))
            assert exit_code(name) == 0, f"{name} did not drain: exit code {exit_code(name)}"
        suite.compose("down", tag="previous")
        suite.up("dev")
        say(f"upgraded in {time.monotonic() - upgraded:.1f} s, all drained with exit code 0")
        kept = list(experiment.observations())[: len(acknowledged)]
        assert [(o.id, o.assignments, o.values) for o in kept] == [
            (o.id, o.assignments, o.values) for o in acknowledged
        ], "the upgrade lost or changed something"

        assert '"deployed"' in suite.page(), "the dashboard does not show the experiment"
        say("the dashboard's container shows the experiment")
        run("podman", "restart", "--time", "30", container("optimizer"))
        wait("the Optimizer again", lambda: suite.healthy("optimizer"))
        say("Optimizer restarted")
        wait("the last observation", at_least(BUDGET))
        observations = list(experiment.observations())
        assert len(observations) == BUDGET == len({o.suggestion_id for o in observations}), "lost or doubled"
        assert {o.outcome.kind.name for o in observations} == {"OK"}, "a training failed"
        front = experiment.pareto_front()
        say(f"{len(observations)} observations, none lost, none doubled; {len(front)} on the front")
    again = time.monotonic()
    for name in (*NAMES, "dashboard"):
        assert exit_code_after_stop(name) == 0
    say(f"drained in {time.monotonic() - again:.1f} s")


def exit_code_after_stop(name: str) -> int:
    """Stop a container; its exit code."""
    run("podman", "stop", "--time", "30", container(name))
    return exit_code(name)


def check_files() -> None:
    """Static checks of everything that deploys."""
    run(str(TOOLS / "hadolint"), "docker/Dockerfile")
    run(str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker/compose.yaml")
    say("hadolint and the compose schema have nothing to say")
    with tempfile.TemporaryDirectory() as folder:
        tree = shutil.copytree(ROOT / "deploy" / "kubernetes", Path(folder) / "kubernetes")
        for name in ("tokens.json", "optimizer.token", "trainer.token", "backup.token"):
            (tree / "overlays" / "production" / "secrets" / name).write_text("a test\n")
        for overlay in sorted((tree / "overlays").iterdir()):
            manifest = Path(folder) / f"{overlay.name}.yaml"
            manifest.write_text(run("kubectl", "kustomize", str(overlay)))
            run(str(TOOLS / "kubernetes-validate"), "--strict", str(manifest))
            say(f"Kubernetes manifests of overlay {overlay.name} are valid")


def build_images() -> None:
    """Images of this tree and of the previous release."""
    for line in run("sh", "docker/images.sh", TAG="dev").splitlines():
        say(line)
    with tempfile.TemporaryDirectory() as folder:
        commit = previous_tree(Path(folder))
        run("sh", "docker/images.sh", *NAMES, cwd=Path(folder), TAG="previous", PYTHON=sys.executable)
    say(f"previous images built from {commit}")


def main() -> int:
    """Everything; the exit code."""
    os.environ.setdefault("CONTAINERS_CONF", str(ROOT / "docker" / "containers.conf"))
    missing = [tool for tool in ("podman", "runc", "kubectl") if shutil.which(tool) is None]
    if missing:
        print(f"deploy test not run: {', '.join(missing)} missing (apt-get install podman runc; kubectl)")
        return 1 if os.environ.get("PARETUNE_REQUIRE_ALL", "") not in ("", "0") else 0
    check_files()
    build_images()
    suite = Suite()
    try:
        experiment_through(suite)
    finally:
        suite.compose("down", "-v", tag="dev")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
