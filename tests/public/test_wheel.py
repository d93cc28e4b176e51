"""What users install: the packages and nothing else, light, typed."""

import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)],
        check=True, capture_output=True, timeout=250,
    )  # fmt: skip
    (path,) = folder.glob("paretune-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_only_paretune_packages_at_the_top(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    packages = {name for name in top if not name.endswith(".dist-info")}
    assert packages == {
        "paretune",
        "paretune_optimizer",
        "paretune_store",
        "paretune_trainer",
        "paretune_dashboard",
    }


def test_typed_and_with_stubs(wheel):
    names = set(wheel.namelist())
    assert "paretune/py.typed" in names
    assert {"paretune/v1/store_pb2.py", "paretune/v1/store_pb2.pyi"} <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith((".db", ".so"))]


def test_base_install_needs_no_framework(wheel):
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    needed = Parser().parsestr(wheel.read(metadata).decode()).get_all("Requires-Dist")
    names = [re.match(r"[\w-]+", line).group() for line in needed]
    base = {name for name, line in zip(names, needed, strict=True) if "extra" not in line}
    assert {"grpcio", "numpy", "scipy", "moocore", "sqlite-utils"} <= base
    assert not base & {"torch", "tensorflow", "ray", "keras", "botorch", "pandas"}
    extras = {line.split("extra ==")[1].strip(" '\"") for line in needed if "extra ==" in line}
    frameworks, services = {"torch", "tensorflow", "ray"}, {"dashboard", "operations", "tracing"}
    assert extras == frameworks | services | {"optuna", "parquet", "dev", "security"}
