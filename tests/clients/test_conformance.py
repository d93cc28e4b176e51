"""The conformance cases through the clients that CI runs; `make test-clients` runs all of them."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "clients"))
SPEC = importlib.util.spec_from_file_location("clients_run", ROOT / "clients" / "run.py")
clients = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(clients)
LANGUAGES = {language.name: language for language in clients.LANGUAGES}


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A suite behind TLS and tokens; see `closed_suite`."""
    with clients.closed_suite(tmp_path_factory.mktemp("conformance")) as suite:
        yield suite


@pytest.mark.parametrize("name", ["python", "node"])
def test_worker_and_cases_pass(name, closed):
    language = LANGUAGES[name]
    if missing := language.missing():
        text = f"{', '.join(missing)} not installed (apt-get install {language.packages})"
        if os.environ.get("PARETUNE_REQUIRE_ALL", "") not in ("", "0"):
            pytest.fail(text)
        pytest.skip(text)
    verdicts = clients.try_language(language, *closed)
    assert all(verdicts.values())
    assert len(verdicts) >= 42


def test_the_runner_notices_a_wrong_reply(tmp_path, closed, monkeypatch):
    case = """[{"name": "wrong", "steps": [{"call": "paretune.v1.StoreService/ListExperiments", "request": {},
               "reply": {"next_page_token": "surely not"}}]},
               {"name": "wrong status", "steps": [{"call": "paretune.v1.StoreService/GetExperiment",
               "request": {"experiment_id": "nowhere"}, "status": "NOT_FOUND", "reason": "ELSE"}]},
               {"name": "wrong field", "steps": [{"call": "paretune.v1.StoreService/GetExperiment",
               "request": {}, "status": "INVALID_ARGUMENT", "fields": ["else"]}]}]"""
    (tmp_path / "wrong.json").write_text(case)
    monkeypatch.setattr(clients, "CASES", [tmp_path / "wrong.json"])
    monkeypatch.setattr(clients, "OVERLOAD_CASES", [])
    assert clients.try_language(LANGUAGES["python"], *closed) == {
        "wrong": False, "wrong status": False, "wrong field": False,
    }  # fmt: skip
