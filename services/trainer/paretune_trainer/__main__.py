"""Start a Trainer: `python -m paretune_trainer --help`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import grpc
import typer

from paretune.client import Client
from paretune.errors import InvalidArgument
from paretune.rpc import options
from paretune.rpc.credentials import Credentials
from paretune.rpc.logs import LogFormat, configure_logging
from paretune.rpc.server import CannotListen, Serving, serve
from paretune.v1 import trainer_pb2_grpc
from paretune_trainer.config import (
    AUTO_SLOTS,
    Config,
    Executor,
    Namespace,
    Warm,
    shared_folder,
    slots_of,
    unique_worker,
)
from paretune_trainer.node import Node
from paretune_trainer.reporting import Reporter
from paretune_trainer.servicer import TrainerServicer
from paretune_trainer.worker import Workers

SERVICES = ["paretune.v1.TrainerService"]

CALL_SECONDS = 10.0
"""Time a call may take. Shorter than usual: whatever matters is tried again until it is answered."""


async def run(serving: Serving, server: str, credentials: Credentials, config: Config, grace: float) -> None:
    """Work and serve until told to stop.

    Raises:
        CannotListen: the address is taken or not allowed.
        InvalidArgument: `credentials` cannot be used.
    """
    credentials.metadata()  # says now what would fail later
    node = Node(config)
    with Client(server, timeout=CALL_SECONDS, credentials=credentials) as client:
        workers = Workers(node, client)

        def register(grpc_server: grpc.aio.Server) -> None:
            trainer_pb2_grpc.add_TrainerServiceServicer_to_server(TrainerServicer(node), grpc_server)

        reporter = Reporter(node, client, serving.listen)

        async def started() -> None:
            workers.start()
            reporter.start()

        async def stopping() -> None:
            await asyncio.to_thread(workers.stop, grace)
            await asyncio.to_thread(reporter.stop)

        try:
            await serve(serving, register, SERVICES, started=started, stopping=stopping)
        finally:
            node.close()


def main(
    server: Annotated[
        str,
        typer.Option(
            "--server", "--store", envvar="PARETUNE_SERVER", help="Address of the services (the Optimizer's)."
        ),
    ] = "127.0.0.1:50051",
    listen: Annotated[
        str, typer.Option(envvar="PARETUNE_TRAINER_LISTEN", help="HOST:PORT or unix:PATH.")
    ] = "127.0.0.1:50053",
    experiment: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PARETUNE_TRAINER_EXPERIMENT",
            help="Id of an experiment to work for; repeatable. Default: all that name a workload.",
        ),
    ] = None,
    project: Annotated[
        str,
        typer.Option(envvar="PARETUNE_TRAINER_PROJECT", help="Project to work for. Default: any."),
    ] = "",
    slots: Annotated[
        str,
        typer.Option(
            envvar="PARETUNE_TRAINER_SLOTS",
            help="Trials at once; auto: one per core, as far as the memory of machine and GPUs goes round.",
        ),
    ] = "1",
    name: Annotated[
        str,
        typer.Option(envvar="PARETUNE_TRAINER_NAME", help="Start of the worker name (default: host name)."),
    ] = "",
    run_dir: Annotated[
        Path | None,
        typer.Option(envvar="PARETUNE_TRAINER_RUN_DIR", help="Where scratch folders of trials are made."),
    ] = None,
    python_path: Annotated[
        list[Path] | None,
        typer.Option(
            envvar="PARETUNE_TRAINER_PYTHON_PATH",
            help="Folder with code for module:function workloads; repeatable. Default: the working folder, "
            "unless Python was started with -P.",
        ),
    ] = None,
    pass_env: Annotated[
        list[str] | None,
        typer.Option(
            envvar="PARETUNE_TRAINER_PASS_ENV", help="Environment variable for trials to see; repeatable."
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(min=0, envvar="PARETUNE_TRAINER_TIME_LIMIT", help="Seconds for a trial; 0: any."),
    ] = 0.0,
    timeout_infeasible: Annotated[
        bool,
        typer.Option(
            envvar="PARETUNE_TRAINER_TIMEOUT_INFEASIBLE",
            help="Past the limit a configuration is infeasible, not crashed.",
        ),
    ] = False,
    memory_mb: Annotated[
        int,
        typer.Option(min=0, envvar="PARETUNE_TRAINER_MEMORY_MB", help="MiB for a trial; 0: any."),
    ] = 0,
    retries: Annotated[
        int,
        typer.Option(
            min=0,
            envvar="PARETUNE_TRAINER_RETRIES",
            help="Times that a trial that was killed or ran out of memory is begun anew.",
        ),
    ] = 1,
    warm: Annotated[
        Warm,
        typer.Option(
            envvar="PARETUNE_TRAINER_WARM",
            help="Fork trials from a process with the framework loaded. auto: built-in workloads, no GPU.",
        ),
    ] = "auto",
    pid_namespace: Annotated[
        Namespace,
        typer.Option(
            envvar="PARETUNE_TRAINER_PID_NAMESPACE",
            help="Give each trial a PID namespace of its own: where the system allows it (auto), or never.",
        ),
    ] = "auto",
    executor: Annotated[
        Executor,
        typer.Option(
            envvar="PARETUNE_TRAINER_EXECUTOR", help="Where trials run: local, or ray for a Ray cluster."
        ),
    ] = "local",
    ray_address: Annotated[
        str, typer.Option(envvar="RAY_ADDRESS", help="Head of the Ray cluster, HOST:PORT.")
    ] = "auto",
    trial_cpus: Annotated[
        float,
        typer.Option(min=0, envvar="PARETUNE_TRAINER_TRIAL_CPUS", help="CPUs of the cluster for a trial."),
    ] = 1.0,
    trial_gpus: Annotated[
        float,
        typer.Option(min=0, envvar="PARETUNE_TRAINER_TRIAL_GPUS", help="GPUs of the cluster for a trial."),
    ] = 0.0,
    grace: Annotated[
        float,
        typer.Option(
            min=0, envvar="PARETUNE_TRAINER_GRACE", help="Seconds that running trials get to end at SIGTERM."
        ),
    ] = 10.0,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    tokens: options.Tokens = None,
    audit: options.AuditLog = None,
    plaintext: options.Plaintext = False,
    reflect: options.Reflect = False,
    token_file: options.TokenFileOption = None,
    tls: options.Tls = False,
    ca: options.Ca = None,
    cert: options.Cert = None,
    key: options.Key = None,
    insecure: options.Insecure = False,
    metrics_at: options.Metrics = "",
    traces_to: options.Traces = "",
    log_level: options.LogLevel = "INFO",
    log_format: options.Logs = LogFormat.TEXT,
    config_file: options.Config = None,
) -> None:
    """Pull suggestions, train them, report the metrics."""
    configure_logging("trainer", log_level, log_format)
    try:
        folders = python_path if python_path else ([] if sys.flags.safe_path else [Path.cwd()])
        config = Config(
            worker=unique_worker(name),
            slots=slots_of(slots, memory_mb * 1024**2),
            share_gpus=slots in AUTO_SLOTS,
            retries=retries,
            project=project,
            executor=executor,
            ray_address=ray_address,
            trial_cpus=trial_cpus,
            trial_gpus=trial_gpus,
            folder=run_dir or shared_folder(),
            experiments=tuple(experiment or ()),
            python_path=tuple(str(folder.absolute()) for folder in folders),
            pass_env=tuple(pass_env or ()),
            time_limit=time_limit,
            timeout_is_infeasible=timeout_infeasible,
            memory_bytes=memory_mb * 1024**2,
            warm=warm,
            pid_namespace=pid_namespace,
        )
        options.begin_tracing("trainer", traces_to)
        tls_server = options.server_tls(tls_cert, tls_key, client_ca)
        serving = Serving(listen, plaintext, reflect, tls_server, tokens, audit, metrics_at)
        credentials = options.client_credentials(token_file, tls, ca, cert, key, insecure)
        asyncio.run(run(serving, server, credentials, config, grace))
    except (CannotListen, InvalidArgument) as error:
        sys.stderr.write(f"paretune trainer: {error}\n")
        raise SystemExit(3) from None


if __name__ == "__main__":
    options.run("trainer", main)
