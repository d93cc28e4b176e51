"""Complete trials per second through gRPC: paretune beside Optuna, OSS Vizier and a bare server.

    .venv/bench/bin/python benchmarks/trials_throughput.py [--workers 1 --workers 32] [--seconds 10]

A trial is a suggestion of 8 parameters and the report of 2 metrics; training takes no time. All draw at
random, so that what is compared is storage and transport: paretune's Optimizer and Store with full
durability (`policy: random`), Optuna's `run_grpc_proxy_server` on its SQLite storage with `RandomSampler`,
and OSS Vizier's service on SQLite with RANDOM_SEARCH. The floor is a server with two RPCs that commits each
call to SQLite in groups, as durable as paretune's Store; `transport` is the same without storing. Workers
are threads in two processes, each with one client, on the same machine as the servers; `paretune` is
measured first and last.
"""

import argparse
import contextlib
import functools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import throughput_floor
import throughput_vizier

PARAMETERS, METRICS, PROCESSES = 8, 2, 2
SYSTEMS = ("paretune", "optuna", "vizier", "floor", "transport")
VIZIER_PYTHON = Path(__file__).resolve().parent.parent / ".venv" / "vizier" / "bin" / "python"
VIZIER_PAUSE = 10.0
"""Seconds between Vizier's port being open and its study being there."""
WARM_UP = 1.0
"""Seconds of work before the clock starts."""

Trial = Callable[[], None]


def free_address() -> str:
    """A loopback address that nothing holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


# The three systems: how each serves, and what a worker's trial is


@contextlib.contextmanager
def paretune_suite(folder: Path) -> Iterator[str]:
    """Store and Optimizer; the Optimizer's address."""
    from paretune.rpc.health import wait_until_serving

    store, optimizer = free_address(), free_address()
    quiet = ("--log-level", "WARNING")
    with (
        _process("-m", "paretune_store", "--db", str(folder / "paretune.db"), "--listen", store, *quiet),
        _process("-m", "paretune_optimizer", "--store", store, "--listen", optimizer, *quiet),
    ):
        for address in (store, optimizer):
            wait_until_serving(address, 60)
        import paretune as pt

        with pt.Client(optimizer) as client:
            client.create_experiment(
                id="bench",
                name="bench",
                parameters=[pt.Double(f"p{n}", 0.0, 1.0) for n in range(PARAMETERS)],
                metrics=[pt.Minimize(f"m{n}") for n in range(METRICS)],
                policy="random",
            )
        yield optimizer


def paretune_worker(address: str) -> Callable[[int], Trial]:
    """Trials of paretune's blocking client."""
    import paretune as pt

    client = pt.Client(address, timeout=120)

    def worker(number: int) -> Trial:
        experiment = client.experiment("bench")

        def trial() -> None:
            suggestion = experiment.suggest(worker=f"{os.getpid()}-{number}")
            experiment.observe(
                suggestion, {f"m{n}": suggestion.assignments["p0"] + n for n in range(METRICS)}
            )

        return trial

    return worker


@contextlib.contextmanager
def optuna_proxy(folder: Path) -> Iterator[str]:
    """Optuna's proxy on an SQLite file."""
    address = free_address()
    with _process(__file__, "--serve-optuna", address, str(folder / "optuna.db")):
        grpc.channel_ready_future(grpc.insecure_channel(address)).result(120)
        import optuna

        host, port = address.split(":")
        storage = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        optuna.create_study(storage=storage, study_name="bench", directions=["minimize"] * METRICS)
        yield address


def serve_optuna(address: str, database: str) -> None:
    """Run the proxy until it is ended."""
    import optuna

    host, port = address.split(":")
    storage = optuna.storages.RDBStorage(f"sqlite:///{database}")
    optuna.storages.run_grpc_proxy_server(storage, host=host, port=int(port))


def optuna_worker(address: str) -> Callable[[int], Trial]:
    """Trials of Optuna's ask and tell."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    host, port = address.split(":")
    space = {f"p{n}": optuna.distributions.FloatDistribution(0.0, 1.0) for n in range(PARAMETERS)}

    def worker(number: int) -> Trial:
        storage = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        sampler = optuna.samplers.RandomSampler()
        study = optuna.load_study(storage=storage, study_name="bench", sampler=sampler)

        def trial() -> None:
            asked = study.ask(space)
            study.tell(asked, [asked.params["p0"] + n for n in range(METRICS)])

        return trial

    return worker


@contextlib.contextmanager
def bare_server(folder: Path, database: str = "floor.db") -> Iterator[str]:
    """A server with two RPCs that commits each call; without `database` it stores nothing."""
    address = free_address()
    with _process(__file__, "--serve-floor", address, str(folder / database) if database else ""):
        grpc.channel_ready_future(grpc.insecure_channel(address)).result(60)
        yield address


@contextlib.contextmanager
def vizier_service(folder: Path) -> Iterator[str]:
    """OSS Vizier's service, storage and algorithm in one process, on an SQLite file."""
    address = free_address()
    with _process(__file__, "--serve-vizier", address, str(folder / "vizier.db"), python=python_of("vizier")):
        grpc.channel_ready_future(grpc.insecure_channel(address)).result(120)
        time.sleep(VIZIER_PAUSE)
        yield address


SERVERS = {
    "paretune": paretune_suite,
    "optuna": optuna_proxy,
    "vizier": vizier_service,
    "floor": bare_server,
    "transport": functools.partial(bare_server, database=""),
}
WORKERS = {
    "paretune": paretune_worker,
    "optuna": optuna_worker,
    "vizier": functools.partial(throughput_vizier.worker, metrics=METRICS),
    "floor": throughput_floor.worker,
    "transport": throughput_floor.worker,
}


def python_of(system: str) -> str:
    """The interpreter that has what a system needs."""
    return str(VIZIER_PYTHON) if system == "vizier" else sys.executable


@contextlib.contextmanager
def _process(*words: str, python: str = sys.executable) -> Iterator[None]:
    process = subprocess.Popen([python, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# Measuring


def load(system: str, address: str, workers: int, seconds: float) -> None:
    """Work in so many threads; print what was done as JSON."""
    make = WORKERS[system](address)
    begin, took, failed = time.perf_counter() + WARM_UP, [], []

    def work(number: int) -> None:
        trial = make(number)
        while (start := time.perf_counter()) < begin + seconds:
            try:
                trial()
            except Exception as error:
                failed.append(f"{type(error).__name__}: {error}")
                continue
            if start >= begin:
                took.append(time.perf_counter() - start)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end = time.perf_counter()
    print(json.dumps({"took": took, "failed": failed[:3], "failures": len(failed), "seconds": end - begin}))


def measure(system: str, workers: int, seconds: float, parent: Path | None) -> float:
    """Trials per second of one system with so many workers, on a fresh database; printed and returned."""
    with tempfile.TemporaryDirectory(dir=parent) as folder, SERVERS[system](Path(folder)) as address:
        shares = [workers // PROCESSES + (n < workers % PROCESSES) for n in range(min(PROCESSES, workers))]
        command = [python_of(system), __file__, "--load", system, address]
        with futures.ThreadPoolExecutor(len(shares)) as pool:
            said = list(
                pool.map(
                    lambda share: (
                        subprocess.run(
                            [*command, str(share), str(seconds)],
                            stdout=subprocess.PIPE,
                            check=True,
                            text=True,
                        ).stdout
                    ),
                    shares,
                )
            )
    parts = [json.loads(text.splitlines()[-1]) for text in said]
    took = sorted(second for part in parts for second in part["took"])
    rate = sum(len(part["took"]) / part["seconds"] for part in parts)
    cuts = statistics.quantiles(took, n=100) if len(took) > 1 else [float("nan")] * 99
    failures = sum(part["failures"] for part in parts)
    print(
        f"{system:9s} {workers:3d} workers: {rate:8.1f} trials/s, p50 {cuts[49] * 1e3:7.1f} ms,"
        f" p99 {cuts[98] * 1e3:8.1f} ms, {len(took)} trials, {failures} failures"
        + (f" ({parts[0]['failed'][:1]})" if failures else ""),
        flush=True,
    )
    return rate


def main() -> None:
    """Measure every system with every number of workers, in one run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, action="append", help="default: 32; repeat for more")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--folder", type=Path, help="where to put the databases; the disk matters")
    parser.add_argument("--serve-optuna", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--serve-vizier", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--serve-floor", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve_optuna:
        serve_optuna(*arguments.serve_optuna)
    elif arguments.serve_floor:
        throughput_floor.serve(*arguments.serve_floor)
    elif arguments.serve_vizier:
        throughput_vizier.serve(*arguments.serve_vizier, PARAMETERS, METRICS)
    elif arguments.load:
        system, address, workers, seconds = arguments.load
        load(system, address, int(workers), float(seconds))
    else:
        if "vizier" in arguments.systems and not VIZIER_PYTHON.exists():
            print(f"vizier is left out: there is no {VIZIER_PYTHON} (make .venv/vizier/done, Python 3.11)")
            arguments.systems.remove("vizier")
        version, busy = sys.version.split()[0], os.getloadavg()[0]
        print(f"{os.cpu_count()} cores, load {busy:.1f}, Python {version}, grpcio {grpc.__version__}")
        for workers in arguments.workers or [32]:
            rates: dict[str, list[float]] = {}
            again = ["paretune"] if "paretune" in arguments.systems and len(arguments.systems) > 1 else []
            for system in [*arguments.systems, *again]:
                rate = measure(system, workers, arguments.seconds, arguments.folder)
                rates.setdefault(system, []).append(rate)
            ours = statistics.mean(rates.get("paretune", [0.0]))
            for peer in [name for name in rates if name != "paretune" and "paretune" in rates]:
                print(f"paretune : {peer} at {workers} workers = {ours / rates[peer][0]:.2f}")


if __name__ == "__main__":
    main()
