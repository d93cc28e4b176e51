"""The demo of the README, with one training of each search: from nothing to a picture, and resumed."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.mark.slow
def test_the_demo_trains_reports_and_resumes(tmp_path):
    pytest.importorskip("torch")
    command = [sys.executable, str(DEMO), "--budget", "1"]
    for _ in range(2):
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        assert "1 of 1 efficient" in ended.stdout
    assert (tmp_path / "demo" / "front.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "demo" / "results.csv").read_text().splitlines()) == 3
    assert "Created experiment" not in ended.stderr, "the second time nothing is trained"
