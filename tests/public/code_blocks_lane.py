"""The pages that take longer: real trainings of both use cases, and other frameworks. `make test-docs`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from code_blocks import ROOT, run_page
from test_code_blocks import LONG, NOT_RUN


@pytest.mark.parametrize("page", LONG)
def test_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    beside = ROOT.parent / "shared" / "data"
    if "PARETUNE_DATA" not in os.environ and beside.is_dir():
        monkeypatch.setenv("PARETUNE_DATA", str(beside))
    assert run_page(ROOT / page, tmp_path, NOT_RUN.get(page, ())), "it prints something"


def test_scikit_learn(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "scikit_learn.py")],
        cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("n_estimators") >= 2, "a front of two competing metrics"
