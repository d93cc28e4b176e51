"""Every block of code in a document runs in a test, or is named here with the reason why it does not."""

from pathlib import Path

import pytest
from code_blocks import ROOT, blocks_of, run_page

QUICK = ("docs/quickstart.md", "docs/concepts.md", "docs/how-to.md")
"""Run here, from top to bottom."""
LONG = ("docs/elsewhere.md", "docs/tutorials/diatoms.md", "docs/tutorials/sentences.md")
"""Run by `make test-docs`, in tests/public/code_blocks_lane.py."""

_MAKE = "that targets exist is tested; CI runs demo and test, the others are lanes of their own"
_HOURS = "hours, or services that stay; the tutorials run the same, small"
_HOSTS = "other machines; `make test-hosts` does this, `make deploy-test` and kubernetes-validate the rest"
_CLI = "tests/paretune/cli runs these commands one by one"
NOT_RUN = {
    "docs/quickstart.md": {"make setup": _MAKE},
    "CONTRIBUTING.md": {"make setup": _MAKE},
    "README.md": {"make demo": _MAKE, "paretune up": _CLI},
    "benchmarks/README.md": {
        "make bench": _MAKE,
        "python -m benchmarks.recording": _HOURS,
        "python -m benchmarks.dashboard_load": _HOURS,
    },
    "dashboard/README.md": {
        "python -m paretune_dashboard": _HOURS,
        "curl http://127.0.0.1:50054/": "tests/dashboard asks the same routes",
    },
    "deploy/README.md": {"kubectl apply": _HOSTS},
    "docker/README.md": {"make images": _MAKE},
    "docs/dashboard.md": {"paretune up": _CLI, "paretune report": _CLI, "make images": _HOSTS},
    "docs/elsewhere.md": {"paretune import sqlite": "tests/paretune/imports: real studies and snapshots"},
    "docs/operations.md": {"paretune doctor": _CLI, "paretune trainer --server opt-1": _HOSTS},
    "docs/reliability.md": {"paretune backup monday.db": _CLI},
    "docs/use-cases.md": {"paretune run examples/": _HOURS, "paretune study examples/": _HOURS},
    "services/optimizer/README.md": {"history = History": "a sketch of how the modules call each other"},
}
"""By page and beginning of the block."""
IN_OTHER_TESTS = ("README.md", "benchmarks/README.md")
"""Their blocks of Python run in test_docs.py and below."""


def documents() -> list[str]:
    """All documents of the tree."""
    away = {".venv", "demo", "build", ".pytest_cache", "node_modules"}
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(str(path) for path in found if not away & set(path.parts))


@pytest.mark.parametrize("page", documents())
def test_every_block_runs_somewhere_or_has_a_reason(page: str):
    for block in blocks_of(ROOT / page):
        elsewhere = page in IN_OTHER_TESTS and block.language == "python"
        accounted = page in QUICK + LONG or elsewhere or block.begins_with(NOT_RUN.get(page, ()))
        assert accounted, f"{page}: this block runs in no test, and has no reason:\n{block.code}"


@pytest.mark.parametrize("page", NOT_RUN)
def test_reasons_are_of_blocks_that_exist(page: str):
    for begin in NOT_RUN[page]:
        assert any(block.begins_with([begin]) for block in blocks_of(ROOT / page)), begin


@pytest.mark.parametrize("page", QUICK)
def test_page_runs(page: str, tmp_path: Path):
    assert run_page(ROOT / page, tmp_path, NOT_RUN.get(page, ())), "it prints something"


def test_the_recorded_trainings_are_read_as_the_readme_says(monkeypatch: pytest.MonkeyPatch):
    (block,) = [b for b in blocks_of(ROOT / "benchmarks/README.md") if b.language == "python"]
    monkeypatch.chdir(ROOT)
    exec(compile(block.code, "README", "exec"), {})
