"""The check for breaking changes of the contract really breaks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).parent / "buf"
CHANGES = {
    "a renamed RPC": ("store.proto", "rpc Observe(", "rpc Note("),
    "a removed field": ("optimizer.proto", "  bool within_budget = 6;", ""),
    "a renumbered field": ("types.proto", "string suggestion_id = 4;", "string suggestion_id = 40;"),
    "a renamed service": ("optimizer.proto", "service OptimizerService", "service AdviserService"),
}


def breaking(folder: Path) -> subprocess.CompletedProcess:
    image = ROOT / "protos" / "released" / "v0.1.binpb"
    return subprocess.run(
        [BUF, "breaking", "--against", str(image)], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("change", CHANGES)
def test_breaking_changes_are_refused(change, tmp_path):
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    assert breaking(tmp_path).returncode == 0
    name, old, new = CHANGES[change]
    path = tmp_path / "protos" / "paretune" / "v1" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = breaking(tmp_path)
    assert done.returncode != 0
    assert name in done.stdout
