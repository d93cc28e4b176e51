"""What the operator of a trainer node decides."""

from __future__ import annotations

import os
import re
import secrets
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from paretune.errors import InvalidArgument
from paretune_trainer import machine

Warm = Literal["auto", "always", "never"]
Executor = Literal["local", "ray"]
Namespace = Literal["auto", "never"]

# What a training may need of the node's environment. Tokens and passwords are not on the list, and neither
# are proxies, whose addresses can hold passwords: --pass-env adds what an operator wants to add.
_ALLOWED: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TERM|VIRTUAL_ENV|CONDA_PREFIX|PYTHONHASHSEED|PYTHONPATH"
    r"|LD_LIBRARY_PATH|CUDA_\w+|NVIDIA_\w+|ROCR_\w+|HIP_\w+|XDG_CACHE_HOME|XDG_DATA_HOME|SSL_CERT_FILE"
    r"|SSL_CERT_DIR|(OMP|MKL|OPENBLAS|NUMEXPR|TORCH|PYTORCH|TF|KERAS|XLA|JAX)_\w+|PARETUNE_(DATA|CACHE)"
)
_SECRET: Final = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY", re.IGNORECASE)

# One thread a trial unless it asks for more: trials share the cores, and a process with one thread can fork.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# TensorFlow and JAX take a whole GPU unless they are told not to, and nobody could share it.
_MEMORY_AS_NEEDED: Final = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


@dataclass(frozen=True)
class Config:
    """Settings of a node.

    Attributes:
        worker: name of the node in leases; unique per process.
        slots: trials that may run at once.
        share_gpus: let measured memory decide how many of them share a GPU.
        folder: where the folders of nodes are made.
        experiments: ids to work for; empty: all that name a workload.
        python_path: folders from which user code is imported.
        pass_env: names of further environment variables for trials.
        time_limit: seconds of wall-clock time a trial may take; 0: no limit.
        timeout_is_infeasible: whether a trial past the limit is infeasible instead of crashed.
        memory_bytes: private memory a trial may take; 0: no limit.
        retries: times that a trial whose process was killed, or ran out of memory, is begun anew.
        project: project to work for; empty: any.
        executor: what trials run on: this machine, or a Ray cluster.
        ray_address: of the cluster's head.
        trial_cpus: CPUs that a trial asks of the cluster; may be a fraction.
        trial_gpus: GPUs that a trial asks of the cluster; may be a fraction.
        warm: keep a process with the workload's framework loaded: always, never, or (auto) for built-in
            workloads on nodes without a GPU.
        poll: seconds between looks for work.
        pid_namespace: give each trial a PID namespace of its own: where the system allows it, or never.
    """

    worker: str
    slots: int
    folder: Path
    experiments: Sequence[str] = ()
    python_path: Sequence[str] = ()
    pass_env: Sequence[str] = ()
    time_limit: float = 0.0
    timeout_is_infeasible: bool = False
    memory_bytes: int = 0
    retries: int = 1
    project: str = ""
    executor: Executor = "local"
    ray_address: str = "auto"
    trial_cpus: float = 1.0
    trial_gpus: float = 0.0
    warm: Warm = "auto"
    poll: float = 0.5
    share_gpus: bool = False
    pid_namespace: Namespace = "auto"


AUTO_SLOTS: Final = ("auto", "0")
"""Numbers of slots that leave the choice to the node."""


def slots_of(text: str, memory_bytes: int) -> int:
    """Number of slots: what was asked for, or (auto, 0) one per core as far as memory goes round.

    Args:
        text: a number, or "auto".
        memory_bytes: limit of each trial; 0: none.

    Raises:
        InvalidArgument: it is neither.
    """
    if text.isdecimal() and int(text):
        return int(text)
    if text not in AUTO_SLOTS:
        raise InvalidArgument(f"--slots: {text!r} is neither a number nor auto.")
    cores = machine.cpu_count()
    return max(1, min(cores, machine.memory_bytes() // memory_bytes)) if memory_bytes else cores


def unique_worker(name: str = "") -> str:
    """The name of a node, made unique per process."""
    return f"{name or socket.gethostname()}-{secrets.token_hex(3)}"


def shared_folder() -> Path:
    """A private folder of this user on this machine.

    Raises:
        PermissionError: somebody else made it.
    """
    folder = Path(tempfile.gettempdir()) / f"paretune-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to another user; set TMPDIR to a folder of your own")
    return folder


def trial_environment(environ: Mapping[str, str], pass_env: Sequence[str] = ()) -> dict[str, str]:
    """The environment of a trial: an allow-list of the node's, nothing secret.

    Args:
        environ: the node's environment.
        pass_env: names to let through besides.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in pass_env or (_ALLOWED.fullmatch(name) and not _SECRET.search(name))
    }
    return {**_ONE_THREAD, **_MEMORY_AS_NEEDED, **kept}
