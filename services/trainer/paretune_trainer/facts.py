"""Facts about machine and software that are recorded with each result."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any, Final

FRAMEWORKS: Final = ("torch", "tensorflow", "keras", "jax", "xgboost", "lightgbm", "scikit-learn", "numpy")
"""Distributions whose versions say what a training ran on."""

GPU_MEMORY: Final = "gpu_memory_bytes"
"""Name of the fact that says how much of the GPU's memory a training took."""

_MODULES: Final = {"scikit-learn": "sklearn"}


def installed_frameworks() -> dict[str, str]:
    """Versions of the installed frameworks by distribution name; imports none of them."""
    versions: dict[str, str] = {}
    for name in FRAMEWORKS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def runtime_facts() -> dict[str, str]:
    """Python, the frameworks that this process has imported, and the device that it used."""
    facts = {"python": platform.python_version()}
    for name in FRAMEWORKS:
        module = sys.modules.get(_MODULES.get(name, name))
        version = getattr(module, "__version__", None)
        if version:
            facts[name] = str(version)
    facts["device"] = _gpu_in_use() or cpu_name()
    if reserved := _gpu_memory_reserved():
        facts[GPU_MEMORY] = str(reserved)
    return facts


def _gpu_in_use() -> str:
    """Name of the GPU that a loaded framework has opened; empty when none has."""
    torch: Any = sys.modules.get("torch")
    with contextlib.suppress(Exception):
        # Asked in this order, nothing is initialised only to answer the question.
        if torch is not None and torch.cuda.is_initialized():
            return str(torch.cuda.get_device_name())
    tensorflow: Any = sys.modules.get("tensorflow")
    with contextlib.suppress(Exception):
        if tensorflow is not None and tensorflow.config.list_physical_devices("GPU"):
            gpu = tensorflow.config.list_physical_devices("GPU")[0]
            return str(tensorflow.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
    return ""


def _gpu_memory_reserved() -> int:
    """Most bytes that PyTorch has held of the GPU; 0 when it has opened none."""
    torch: Any = sys.modules.get("torch")
    with contextlib.suppress(Exception):
        if torch is not None and torch.cuda.is_initialized():
            return int(torch.cuda.max_memory_reserved())
    return 0


def cpu_name() -> str:
    """Model name of the processor."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
