"""This machine: versions, the generated stubs, GPUs, the folders of data sets and of trainings."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import google.protobuf
import grpc

from paretune.doctor.files import room
from paretune.doctor.finding import Finding, fail, ok, warn
from paretune.v1 import store_pb2, store_pb2_grpc

LIBRARIES = ("paretune", "grpcio", "protobuf", "numpy", "scipy", "sqlite-utils")
FRAMEWORKS = ("torch", "tensorflow", "ray", "pandas", "pyarrow", "optuna", "opentelemetry-sdk")
SECONDS = 20.0


def examine(environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Everything about this machine that needs no service."""
    yield _versions()
    yield stubs("grpcio", store_pb2_grpc.GRPC_GENERATED_VERSION, grpc.__version__)
    yield stubs("protobuf", _written_for(), google.protobuf.__version__)
    yield gpus(_nvidia_smi(), installed("torch"))
    yield from folders(environ)


def installed(name: str) -> str:
    """The version of a package; empty when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _versions() -> Finding:
    python = f"Python {platform.python_version()}"
    known = {name: installed(name) for name in (*LIBRARIES, *FRAMEWORKS)}
    missing = [name for name in LIBRARIES if not known[name]]
    found = ", ".join([python, *(f"{name} {number}" for name, number in known.items() if number)])
    if missing:
        return fail("versions", f"{found}; without {', '.join(missing)}", "Run `pip install paretune` again.")
    return ok("versions", found)


def _written_for() -> str:
    """Version of protobuf for which the messages were generated, as the generated file says."""
    text = Path(store_pb2.__file__).read_text(encoding="utf-8")
    found = re.search(r"Protobuf Python Version: ([\d.]+)", text)
    return found[1] if found else ""


def stubs(package: str, number: str, runtime: str) -> Finding:
    """Whether code generated for version `number` of a package suits the one that runs it.

    Both refuse to load with an older runtime. protobuf promises one major version ahead:
    https://protobuf.dev/support/cross-version-runtime-guarantee/.
    """
    found = f"generated for {package} {number}, running with {runtime}"
    if _numbers(runtime) < _numbers(number):
        return fail("stubs", found, f"Install {package}>={number}.")
    if package == "protobuf" and _numbers(runtime)[0] > _numbers(number)[0] + 1:
        return fail("stubs", found, f"Install protobuf<{_numbers(number)[0] + 2}, or a newer paretune.")
    return ok("stubs", found)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3]) or (0,)


def _nvidia_smi() -> str | None:
    """Name, driver and memory of each GPU, one a line; None: no nvidia-smi. Its own words when it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    fields = "--query-gpu=name,driver_version,memory.total"
    try:
        done = subprocess.run(  # noqa: S603 - the program of the driver, by its path
            [program, fields, "--format=csv,noheader"], capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"failed: {error}"
    return done.stdout.strip() if done.returncode == 0 else f"failed: {(done.stdout + done.stderr).strip()}"


def gpus(listed: str | None, torch: str) -> Finding:
    """GPUs, given what nvidia-smi said and the version of PyTorch (empty: not installed)."""
    if listed is None:
        return ok("gpu", "no nvidia-smi: trainings run on the CPU")
    if not listed or listed.startswith("failed"):
        return fail("gpu", f"nvidia-smi {listed or 'lists no GPU'}", "Look at the driver, or remove it.")
    found = "; ".join(listed.splitlines())
    if torch.endswith("+cpu"):
        return warn("gpu", f"{found}; PyTorch {torch} cannot use it", "Install a CUDA build of PyTorch.")
    return ok("gpu", found)


def folders(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Where data sets are read from, and where trainings write."""
    named = environ.get("PARETUNE_DATA")
    if named:
        yield _data(Path(named))
    else:
        cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paretune" / "data"
        yield ok("data", f"PARETUNE_DATA is not set: data sets are fetched to {cache} when first used")
    runs = environ.get("PARETUNE_TRAINER_RUN_DIR")
    if runs:
        yield room("trainings", Path(runs))


def _data(folder: Path) -> Finding:
    try:
        held = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        return fail("data", f"{folder}: {error.strerror}", "Let PARETUNE_DATA name a folder that is there.")
    if not held:
        return warn("data", f"{folder} is empty", "Put the data sets there (docs/use-cases.md), or unset it.")
    return ok("data", f"{folder} holds {', '.join(held[:8])}")
