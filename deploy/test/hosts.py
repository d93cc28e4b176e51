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
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import trustme
from host import NETWORK, PYTHON, Host, bridge

import paretune as pt
from paretune.client.node_calls import list_nodes
from paretune.errors import ParetuneError
from paretune.rpc.credentials import Credentials
from paretune.rpc.replicas import addresses_of, preference

ROOT = Path(__file__).resolve().parents[2]
STORE, OPTIMIZERS, TRAINERS = 10, (21, 22, 23), (31, 32, 33)
SERVER = ",".join(f"{NETWORK}.{host}:50051" for host in OPTIMIZERS)
BUDGET = 45
BACKUP_SECONDS = 2
SECONDS = 240.0
BEGIN = time.monotonic()


def say(text: str) -> None:
    """A line of the log."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {text}", flush=True)


def wait(what: str, ready: Callable[[], bool]) -> float:
    """Seconds until `ready()`."""
    begin = time.monotonic()
    while not ready():
        if time.monotonic() - begin > SECONDS:
            raise SystemExit(f"{what} did not happen within {SECONDS:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - begin


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


class Cluster:
    """Seven hosts at work on two experiments, and what happens to them, chapter by chapter.

    Attributes:
        measured: what the chapters cost, in seconds, observations and trials.
    """

    def __init__(self, folder: Path, elsewhere: Path, stack: ExitStack) -> None:
        """Start everything: one Store, its Optimizers, trainers, and a backup to another filesystem."""
        os.environ.update(doors(folder))
        self._trust = Credentials(ca=folder / "ca.pem")
        self.measured: dict[str, float] = {}

        def host(number: int) -> Host:
            made = Host(number, folder)
            stack.callback(made.remove)
            return made

        self._store = host(STORE)
        self._optimizers = {f"{NETWORK}.{n}:50051": host(n) for n in OPTIMIZERS}
        self._trainers = [host(n) for n in TRAINERS]
        self._start_services()
        self._client = stack.enter_context(pt.connect(SERVER, timeout=60, wait=60))
        self._copy = elsewhere / "copy.db"
        self._backup = subprocess.Popen(
            [
                *PYTHON,
                "paretune",
                "backup",
                str(self._copy),
                "--every",
                str(BACKUP_SECONDS),
                "--server",
                SERVER,
            ],
            stderr=subprocess.DEVNULL,
        )
        stack.callback(self._backup.kill)
        wait("all trainers", lambda: len(self._client.run(list_nodes())) == len(TRAINERS))
        say(f"{len(TRAINERS)} trainer hosts and {len(OPTIMIZERS)} Optimizers serve, over TLS with tokens")
        first, second, self._idle = self._optimizers
        self._own = {at: experiment_for(self._client, at) for at in (first, second)}

    def _start_store(self) -> None:
        self._store.start("paretune_store", "--db", "tune.db", "--listen", f"{self._store.address}:50052")

    def _start_services(self) -> None:
        self._start_store()
        for one in self._optimizers.values():
            store = f"{self._store.address}:50052"
            one.start("paretune_optimizer", "--listen", f"{one.address}:50051", "--store", store)
        wait("all services", lambda: all(o.serves(50051, self._trust) for o in self._optimizers.values()))
        for one in self._trainers:
            one.start(
                "paretune_trainer", "--server", SERVER, "--listen", f"{one.address}:50053", "--slots", "1",
                "--run-dir", str(one.folder / "runs"),
                PARETUNE_TRAINER_PYTHON_PATH=str(ROOT / "examples"),
            )  # fmt: skip

    def _wait_for_share(self, share: float) -> None:
        wanted = int(share * BUDGET)
        wait(f"{wanted} observations", lambda: all(recorded(e) >= wanted for e in self._own.values()))

    def work(self) -> None:
        """Each experiment is asked for at its own Optimizer."""
        self._wait_for_share(0.25)
        asked = {at: optimizer.suggests() for at, optimizer in self._optimizers.items()}
        assert asked[self._idle] == 0 < min(asked[at] for at in self._own), f"no affinity: {asked}"
        say(f"each experiment is asked for at its own Optimizer: Suggests answered {list(asked.values())}")

    def optimizer_dies(self) -> None:
        """Another Optimizer takes over an experiment whose own is killed."""
        at, experiment = next(iter(self._own.items()))
        before = recorded(experiment)
        self._optimizers[at].kill()
        others = [one for where, one in self._optimizers.items() if where != at]
        self.measured["optimizer_gap_s"] = wait(
            "observations after the kill", lambda: recorded(experiment) > before + 1
        )
        asked = sum(one.suggests() for one in others)
        wait("Suggests elsewhere", lambda: sum(one.suggests() for one in others) > asked)
        gap = self.measured["optimizer_gap_s"]
        say(f"an Optimizer was killed; its experiment has new results {gap:.1f} s later")

    def store_dies(self) -> None:
        """The Store's machine is lost with its disk and made anew from the copy elsewhere."""
        self._wait_for_share(0.5)
        acknowledged = [o for e in self._own.values() for o in e.observations()]
        killed, killed_at = time.monotonic(), datetime.now(UTC)
        self._store.kill()
        self._store.remove()
        shutil.rmtree(self._store.folder)
        say(f"the Store's machine is gone with its disk; {len(acknowledged)} observations were acknowledged")
        self._store.plug()
        subprocess.run(
            [*PYTHON, "paretune", "restore", str(self._copy), "--db", str(self._store.folder / "tune.db")],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._start_store()
        wait("the Store anew", lambda: self._store.serves(50052, self._trust))
        self.measured["store_serving_s"] = time.monotonic() - killed
        self._look_for_losses(acknowledged, killed_at)
        total = sum(map(recorded, self._own.values()))
        wait("an observation anew", lambda: sum(map(recorded, self._own.values())) > total)
        self.measured["store_recovered_s"] = time.monotonic() - killed
        serving, recovered, lost, window = (
            self.measured[key]
            for key in ("store_serving_s", "store_recovered_s", "lost_observations", "lost_window_s")
        )
        say(
            f"restored elsewhere: serving after {serving:.1f} s, first new result after {recovered:.1f} s;"
            f" lost {lost:.0f} of the last {window:.1f} s"
        )

    def _look_for_losses(self, acknowledged: list[pt.Observation], killed_at: datetime) -> None:
        """Only the newest may be lost, with nothing missing before them; how many seconds is not judged."""
        kept = {o.id for e in self._own.values() for o in e.observations()}
        lost = [o for o in acknowledged if o.id not in kept]
        window = [(killed_at - o.create_time).total_seconds() for o in lost if o.create_time]
        self.measured |= {"lost_observations": len(lost), "lost_window_s": max(window, default=0.0)}
        for experiment in self._own.values():
            mine = [o for o in acknowledged if o.experiment_id == experiment.id]
            newest = max((o.ordinal for o in mine if o.id in kept), default=0)
            assert all(o.ordinal > newest for o in mine if o.id not in kept), "an older result is lost"

    def end(self) -> None:
        """All hosts worked until the budgets were reached, nothing is doubled, everybody stops in order."""
        self._wait_for_share(1.0)
        for experiment in self._own.values():
            found = experiment.observations()
            assert len(found) == len({o.suggestion_id for o in found}) == BUDGET, "lost or doubled"
        workers = {o.worker for e in self._own.values() for o in e.observations()}
        assert len(workers) == len(TRAINERS), f"only {workers} worked"
        self.measured |= {"trials": BUDGET * len(self._own), "seconds": time.monotonic() - BEGIN}
        say(f"{BUDGET * len(self._own)} observations by {len(workers)} hosts, none doubled")
        self._backup.kill()
        codes = [one.stop() for one in (*self._trainers, *self._optimizers.values(), self._store)]
        assert set(codes) == {0, None}, f"exit codes {codes}"


def main() -> int:
    """The exit code."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("test-hosts not run: it needs root and iproute2, for network namespaces")
        return 1 if os.environ.get("PARETUNE_REQUIRE_ALL", "") not in ("", "0") else 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        bridge(stack)
        cluster = Cluster(folder, elsewhere, stack)
        for chapter in (cluster.work, cluster.optimizer_dies, cluster.store_dies, cluster.end):
            chapter()
    facts = {"cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), "backup_every_s": BACKUP_SECONDS}
    (ROOT / "benchmarks" / "published" / "hosts.json").write_text(
        json.dumps(facts | {key: round(value, 2) for key, value in cluster.measured.items()}, indent=1) + "\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
