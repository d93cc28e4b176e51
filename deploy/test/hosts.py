"""Several machines, played by network namespaces: three trainers, three Optimizers, one Store, over TLS.

    make test-hosts

Each host has a network of its own and an address on one bridge; nothing but TCP connects them, every
connection is encrypted, every call carries a token. Then two things go wrong: an Optimizer is killed in the
middle, and the Store's machine is lost with its disk and made anew from a copy on another filesystem. What
that cost is measured and written to benchmarks/published/hosts.json. Needs root, for the namespaces.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import trustme

import paretune as pt
from paretune.client.node_calls import list_nodes
from paretune.errors import ParetuneError
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import is_serving
from paretune.rpc.replicas import addresses_of, preference

ROOT = Path(__file__).resolve().parents[2]
BRIDGE, NETWORK = "ptbridge", "10.77.0"
STORE, OPTIMIZERS, TRAINERS = 10, (21, 22, 23), (31, 32, 33)
SERVER = ",".join(f"{NETWORK}.{host}:50051" for host in OPTIMIZERS)
BUDGET = 45
BACKUP_SECONDS = 2
SECONDS = 240.0
BEGIN = time.monotonic()
PYTHON = [sys.executable, "-m"]


def say(text: str) -> None:
    """A line of the log."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def ip(*words: str, check: bool = True) -> None:
    """Configure the network."""
    subprocess.run(["ip", *words], check=check, capture_output=not check)


def wait(what: str, ready: Callable[[], bool]) -> float:
    """Seconds until `ready()`."""
    begin = time.monotonic()
    while not ready():
        if time.monotonic() - begin > SECONDS:
            raise SystemExit(f"{what} did not happen within {SECONDS:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - begin


class Host:
    """A machine: a namespace with one address, a folder, and one service."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name, self.address = f"pthost{number}", f"{NETWORK}.{number}"
        self.folder = folder / self.name
        self.process: subprocess.Popen[bytes] | None = None
        self.plug()

    def plug(self) -> None:
        """Make the namespace and connect it."""
        self.folder.mkdir(exist_ok=True)
        outside = f"ptveth{self.address.rpartition('.')[2]}"
        ip("netns", "add", self.name)
        ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", outside, "master", BRIDGE, "up")
        for words in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                      ("link", "set", "lo", "up")):  # fmt: skip
            ip("-n", self.name, *words)

    def start(self, *command: str, **environment: str) -> None:
        """Start the service of this host; its log is in its folder."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *PYTHON, *command],
                cwd=self.folder, env=os.environ | environment, stdout=log, stderr=log,
            )  # fmt: skip

    def serves(self, port: int, trust: Credentials) -> bool:
        """Whether the service says so, seen from another host."""
        return is_serving(f"{self.address}:{port}", 2.0, trust)

    def kill(self) -> None:
        """As a power failure: nothing is said, nothing is written."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int | None:
        """Stop the service; its exit code, None when there is none."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def remove(self) -> None:
        """Take the machine away."""
        self.stop()
        ip("netns", "delete", self.name, check=False)

    def suggests(self) -> int:
        """Suggest calls that this Optimizer answered, by its log."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return sum('"code": "OK"' in line and "OptimizerService/Suggest" in line for line in lines)


def doors(folder: Path) -> dict[str, str]:
    """Certificates and tokens for everybody: the environment of all services."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    hosts = [f"{NETWORK}.{number}" for number in (STORE, *OPTIMIZERS, *TRAINERS)]
    authority.issue_cert(*hosts).private_key_and_cert_chain_pem.write_to_path(folder / "host.pem")
    command = [
        *PYTHON,
        "paretune",
        "token",
        "create",
        "--role",
        "admin",
        "--tokens",
        str(folder / "tokens.json"),
    ]
    token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (folder / "token").write_text(token)
    (folder / "token").chmod(0o600)
    files = {"TLS_CERT": "host.pem", "TLS_KEY": "host.pem", "TOKENS": "tokens.json", "CA": "ca.pem"}
    return {f"PARETUNE_{key}": str(folder / name) for key, name in files.items()} | {
        "PARETUNE_TOKEN_FILE": str(folder / "token"),
        "PARETUNE_LOG_FORMAT": "json",
        "PARETUNE_LOG_LEVEL": "DEBUG",
    }


def experiment_for(client: pt.Client, replica: str) -> pt.ExperimentHandle:
    """A new experiment whose own Optimizer is `replica`."""
    id = next(id for n in range(1000) if preference(addresses_of(SERVER), id := f"hosts-{n}")[0] == replica)
    return client.create_experiment(
        id=id, name="hosts",
        observation_budget=BUDGET, workload="own_code:train", settings={"epochs": "10"},
        lease_policy=pt.LeasePolicy(ttl=6.0), seed=1,
        parameters=[pt.Int("hidden", 1, 16), pt.Double("rate", 0.001, 0.5, log=True)],
        metrics=[pt.Minimize("loss"), pt.Minimize("weights")],
    )  # fmt: skip


def recorded(experiment: pt.ExperimentHandle) -> int:
    """Observations of an experiment; -1 while nobody answers."""
    try:
        return experiment.refresh().progress.observations
    except ParetuneError:
        return -1


def story(folder: Path, elsewhere: Path, stack: ExitStack) -> dict[str, float]:
    """Everything; what was measured."""
    measured: dict[str, float] = {}
    os.environ.update(doors(folder))
    trust = Credentials(ca=folder / "ca.pem")

    def host(number: int) -> Host:
        made = Host(number, folder)
        stack.callback(made.remove)
        return made

    store = host(STORE)
    optimizers = {f"{NETWORK}.{n}:50051": host(n) for n in OPTIMIZERS}
    trainers = [host(n) for n in TRAINERS]
    store_at = f"{store.address}:50052"
    store_command = ("paretune_store", "--db", "tune.db", "--listen", store_at)
    store.start(*store_command)
    for optimizer in optimizers.values():
        optimizer.start("paretune_optimizer", "--listen", f"{optimizer.address}:50051", "--store", store_at)
    wait("all services", lambda: all(o.serves(50051, trust) for o in optimizers.values()))
    for trainer in trainers:
        trainer.start(
            "paretune_trainer", "--server", SERVER, "--listen", f"{trainer.address}:50053", "--slots", "1",
            "--run-dir", str(trainer.folder / "runs"),
            PARETUNE_TRAINER_PYTHON_PATH=str(ROOT / "examples"),
        )  # fmt: skip
    client = stack.enter_context(pt.connect(SERVER, timeout=60, wait=60))
    copy = elsewhere / "copy.db"
    backup = subprocess.Popen(
        [*PYTHON, "paretune", "backup", str(copy), "--every", str(BACKUP_SECONDS), "--server", SERVER],
        stderr=subprocess.DEVNULL,
    )
    stack.callback(backup.kill)
    wait("all trainers", lambda: len(client.run(list_nodes())) == len(TRAINERS))
    say(f"{len(TRAINERS)} trainer hosts and {len(OPTIMIZERS)} Optimizers serve, over TLS with tokens")

    first, second, third = optimizers
    own = {at: experiment_for(client, at) for at in (first, second)}
    wait("some observations", lambda: all(recorded(e) >= BUDGET // 4 for e in own.values()))
    asked = {at: optimizer.suggests() for at, optimizer in optimizers.items()}
    assert asked[third] == 0 < min(asked[first], asked[second]), f"no affinity: {asked}"
    say(f"each experiment is asked for at its own Optimizer: Suggests answered {list(asked.values())}")

    before = recorded(own[first])
    optimizers[first].kill()
    more = lambda: recorded(own[first]) > before + 1  # noqa: E731
    measured["optimizer_gap_s"] = wait("observations after the kill", more)
    after = {at: optimizers[at].suggests() for at in (second, third)}
    wait("Suggests elsewhere", lambda: sum(optimizers[at].suggests() for at in after) > sum(after.values()))
    say(f"an Optimizer was killed; its experiment has new results {measured['optimizer_gap_s']:.1f} s later")

    wait("more observations", lambda: all(recorded(e) >= BUDGET // 2 for e in own.values()))
    acknowledged = {o.id: o for e in own.values() for o in e.observations()}
    killed, killed_at = time.monotonic(), datetime.now(UTC)
    store.kill()
    store.remove()
    shutil.rmtree(store.folder)
    say(f"the Store's machine is gone with its disk; {len(acknowledged)} observations were acknowledged")
    store.plug()
    subprocess.run(
        [*PYTHON, "paretune", "restore", str(copy), "--db", str(store.folder / "tune.db")],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    store.start(*store_command)
    wait("the Store anew", lambda: store.serves(50052, trust))
    measured["store_serving_s"] = time.monotonic() - killed
    kept = {o.id for e in own.values() for o in e.observations()}
    lost = [o for o in acknowledged.values() if o.id not in kept]
    measured["lost_observations"] = len(lost)
    window = [(killed_at - o.create_time).total_seconds() for o in lost if o.create_time]
    measured["lost_window_s"] = max(window, default=0.0)
    total = sum(map(recorded, own.values()))
    wait("an observation anew", lambda: sum(map(recorded, own.values())) > total)
    measured["store_recovered_s"] = time.monotonic() - killed
    say(
        f"restored elsewhere: serving after {measured['store_serving_s']:.1f} s, first new observation"
        f" after {measured['store_recovered_s']:.1f} s; lost {len(lost)} of the last"
        f" {measured['lost_window_s']:.1f} s"
    )
    # No limit in seconds: what is lost must only be the newest, with nothing missing before it.
    for experiment in own.values():
        mine = [o for o in acknowledged.values() if o.experiment_id == experiment.id]
        newest = max((o.ordinal for o in mine if o.id in kept), default=0)
        assert all(o.ordinal > newest for o in mine if o.id not in kept), "an older result is lost"

    wait("the budgets", lambda: all(recorded(e) >= BUDGET for e in own.values()))
    for experiment in own.values():
        observations = experiment.observations()
        assert len(observations) == len({o.suggestion_id for o in observations}) == BUDGET, "lost or doubled"
    workers = {o.worker for e in own.values() for o in e.observations()}
    assert len(workers) == len(TRAINERS), f"only {workers} worked"
    measured["trials"] = BUDGET * len(own)
    measured["seconds"] = time.monotonic() - BEGIN
    say(f"{BUDGET * len(own)} observations by {len(workers)} hosts, none doubled")
    backup.kill()
    codes = [one.stop() for one in (*trainers, *optimizers.values(), store)]
    assert set(codes) == {0, None}, f"exit codes {codes}"
    return measured


def main() -> int:
    """The exit code."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("test-hosts not run: it needs root and iproute2, for network namespaces")
        return 1 if os.environ.get("PARETUNE_REQUIRE_ALL", "") not in ("", "0") else 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "delete", BRIDGE, check=False)
        ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        measured = story(folder, elsewhere, stack)
    facts = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "backup_every_s": BACKUP_SECONDS}
    (ROOT / "benchmarks" / "published" / "hosts.json").write_text(
        json.dumps(facts | {key: round(value, 2) for key, value in measured.items()}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
