"""What `python -m paretune_trainer` can be told; doors, logs and numbers are in `paretune.rpc.options`."""

from pathlib import Path
from typing import Annotated

import typer

from paretune_trainer.config import Executor, Namespace, Warm

Server = Annotated[
    str,
    typer.Option(
        "--server", "--store", envvar="PARETUNE_SERVER", help="Address of the services (the Optimizer's)."
    ),
]
Listen = Annotated[str, typer.Option(envvar="PARETUNE_TRAINER_LISTEN", help="HOST:PORT or unix:PATH.")]
Experiments = Annotated[
    list[str] | None,
    typer.Option(
        envvar="PARETUNE_TRAINER_EXPERIMENT",
        help="Id of an experiment to work for; repeatable. Default: all that name a workload.",
    ),
]
Project = Annotated[
    str,
    typer.Option(envvar="PARETUNE_TRAINER_PROJECT", help="Project to work for. Default: any."),
]
Slots = Annotated[
    str,
    typer.Option(
        envvar="PARETUNE_TRAINER_SLOTS",
        help="Trials at once; auto: one per core, as far as the memory of machine and GPUs goes round.",
    ),
]
Name = Annotated[
    str,
    typer.Option(envvar="PARETUNE_TRAINER_NAME", help="Start of the worker name (default: host name)."),
]
RunDir = Annotated[
    Path | None,
    typer.Option(envvar="PARETUNE_TRAINER_RUN_DIR", help="Where scratch folders of trials are made."),
]
PythonPath = Annotated[
    list[Path] | None,
    typer.Option(
        envvar="PARETUNE_TRAINER_PYTHON_PATH",
        help="Folder with code for module:function workloads; repeatable. Default: the working folder, "
        "unless Python was started with -P.",
    ),
]
PassEnv = Annotated[
    list[str] | None,
    typer.Option(
        envvar="PARETUNE_TRAINER_PASS_ENV", help="Environment variable for trials to see; repeatable."
    ),
]
TimeLimit = Annotated[
    float,
    typer.Option(min=0, envvar="PARETUNE_TRAINER_TIME_LIMIT", help="Seconds for a trial; 0: any."),
]
TimeoutInfeasible = Annotated[
    bool,
    typer.Option(
        envvar="PARETUNE_TRAINER_TIMEOUT_INFEASIBLE",
        help="Past the limit a configuration is infeasible, not crashed.",
    ),
]
MemoryMb = Annotated[
    int,
    typer.Option(min=0, envvar="PARETUNE_TRAINER_MEMORY_MB", help="MiB for a trial; 0: any."),
]
Retries = Annotated[
    int,
    typer.Option(
        min=0,
        envvar="PARETUNE_TRAINER_RETRIES",
        help="Times that a trial that was killed or ran out of memory is begun anew.",
    ),
]
WarmStart = Annotated[
    Warm,
    typer.Option(
        envvar="PARETUNE_TRAINER_WARM",
        help="Fork trials from a process with the framework loaded. auto: built-in workloads, no GPU.",
    ),
]
PidNamespace = Annotated[
    Namespace,
    typer.Option(
        envvar="PARETUNE_TRAINER_PID_NAMESPACE",
        help="Give each trial a PID namespace of its own: where the system allows it (auto), or never.",
    ),
]
RunsOn = Annotated[
    Executor,
    typer.Option(
        envvar="PARETUNE_TRAINER_EXECUTOR", help="Where trials run: local, or ray for a Ray cluster."
    ),
]
RayAddress = Annotated[str, typer.Option(envvar="RAY_ADDRESS", help="Head of the Ray cluster, HOST:PORT.")]
TrialCpus = Annotated[
    float,
    typer.Option(min=0, envvar="PARETUNE_TRAINER_TRIAL_CPUS", help="CPUs of the cluster for a trial."),
]
TrialGpus = Annotated[
    float,
    typer.Option(min=0, envvar="PARETUNE_TRAINER_TRIAL_GPUS", help="GPUs of the cluster for a trial."),
]
Grace = Annotated[
    float,
    typer.Option(
        min=0, envvar="PARETUNE_TRAINER_GRACE", help="Seconds that running trials get to end at SIGTERM."
    ),
]
