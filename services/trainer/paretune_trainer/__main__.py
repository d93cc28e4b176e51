"""Start a Trainer: `python -m paretune_trainer --help`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc

from paretune.client import Client
from paretune.errors import InvalidArgument
from paretune.rpc import options
from paretune.rpc.credentials import Credentials
from paretune.rpc.logs import LogFormat, configure_logging
from paretune.rpc.server import CannotListen, Serving, serve
from paretune.v1 import trainer_pb2_grpc
from paretune_trainer import flags
from paretune_trainer.config import AUTO_SLOTS, Config, shared_folder, slots_of, unique_worker
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
    server: flags.Server = "127.0.0.1:50051",
    listen: flags.Listen = "127.0.0.1:50053",
    experiment: flags.Experiments = None,
    project: flags.Project = "",
    slots: flags.Slots = "1",
    name: flags.Name = "",
    run_dir: flags.RunDir = None,
    python_path: flags.PythonPath = None,
    pass_env: flags.PassEnv = None,
    time_limit: flags.TimeLimit = 0.0,
    timeout_infeasible: flags.TimeoutInfeasible = False,
    memory_mb: flags.MemoryMb = 0,
    retries: flags.Retries = 1,
    warm: flags.WarmStart = "auto",
    pid_namespace: flags.PidNamespace = "auto",
    executor: flags.RunsOn = "local",
    ray_address: flags.RayAddress = "auto",
    trial_cpus: flags.TrialCpus = 1.0,
    trial_gpus: flags.TrialGpus = 0.0,
    grace: flags.Grace = 10.0,
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
