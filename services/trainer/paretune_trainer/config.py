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

Warm = Literal["auto", "always", "never"]

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


@dataclass(frozen=True)
class Config:
    """Settings of a node.

    Attributes:
        worker: name of the node in leases; unique per process.
        slots: trials that may run at once.
        folder: where scratch folders and the measurement lock lie.
        experiments: ids to work for; empty: all that name a workload.
        python_path: folders from which user code is imported.
        pass_env: names of further environment variables for trials.
        time_limit: seconds of wall-clock time a trial may take; 0: no limit.
        timeout_is_infeasible: whether a trial past the limit is infeasible instead of crashed.
        memory_bytes: private memory a trial may take; 0: no limit.
        warm: keep a process with the workload's framework loaded: always, never, or (auto) for built-in
            workloads on nodes without a GPU.
        poll: seconds between looks for work.
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
    warm: Warm = "auto"
    poll: float = 0.5

    @property
    def lock(self) -> Path:
        """File that a trial locks while it measures."""
        # One for all nodes of this user on this machine: they share its devices.
        return shared_folder() / "measurement.lock"


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
    return {**_ONE_THREAD, **kept}
