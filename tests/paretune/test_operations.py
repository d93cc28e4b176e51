"""What an operator sees of running services: numbers, logs, and settings from a file."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import paretune as pt
from paretune.errors import NotFound
from paretune.local import free_ports
from paretune.rpc.health import wait_until_serving


@contextmanager
def service(name: str, folder, address: str, *arguments: str, **environment: str):
    """One service with its log in a file; stopped by SIGTERM."""
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"paretune_{name}", *arguments],
            cwd=folder, env=os.environ | environment, stderr=log,
        )  # fmt: skip
    try:
        wait_until_serving(address, 60)
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0, path.read_text()


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """Store and Optimizer set up by one file, after some calls; gives numbers and records of both."""
    folder = tmp_path_factory.mktemp("watched")
    store, optimizer, store_numbers, optimizer_numbers = free_ports(4)
    (folder / "paretune.toml").write_text(f"""
        [store]
        db = "kept.db"
        listen = "127.0.0.1:{store}"
        metrics = "127.0.0.1:{store_numbers}"
        log-level = "DEBUG"
        log-format = "json"
        [optimizer]
        listen = "127.0.0.1:1"
        store = "127.0.0.1:{store}"
        metrics = "127.0.0.1:{optimizer_numbers}"
        log-format = "json"
    """)
    address = f"127.0.0.1:{optimizer}"
    numbers = {}
    with (
        service("store", folder, f"127.0.0.1:{store}", PARETUNE_CONFIG="paretune.toml"),
        service("optimizer", folder, address, "--config", "paretune.toml", PARETUNE_OPTIMIZER_LISTEN=address),
        pt.Client(address) as client,
    ):
        experiment = client.create_experiment(
            name="watched", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Minimize("y")], policy="gp"
        )
        for _ in range(4):
            suggestion = experiment.suggest()
            experiment.observe(suggestion, {"y": suggestion.assignments["x"]})
        client.suggest(experiment.id, worker="w", request_id="remember-me")
        experiment.pareto_front()
        with pytest.raises(NotFound):
            client.get_experiment("nowhere")
        for name, port in (("store", store_numbers), ("optimizer", optimizer_numbers)):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
                numbers[name] = reply.read().decode()
    assert (folder / "kept.db").exists()
    return numbers, {name: (folder / f"{name}.log").read_text() for name in numbers}


def value(text: str, name: str) -> float:
    (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found)


def test_calls_are_counted_by_method_and_code(watched):
    store = watched[0]["store"]
    observe = '{code="OK",method="/paretune.v1.StoreService/Observe"}'
    assert value(store, f"paretune_calls_total{observe}") == 4
    missing = '{code="NOT_FOUND",method="/paretune.v1.StoreService/GetExperiment"}'
    assert value(store, f"paretune_calls_total{missing}") == 1
    assert value(store, 'paretune_call_seconds_count{method="/paretune.v1.StoreService/Observe"}') == 4
    suggest = '{code="OK",method="/paretune.v1.OptimizerService/Suggest"}'
    assert value(watched[0]["optimizer"], f"paretune_calls_total{suggest}") == 5


def test_queue_leases_models_and_fronts_are_shown(watched):
    store, optimizer = watched[0]["store"], watched[0]["optimizer"]
    assert value(store, "paretune_store_waiting_writes") == 0
    assert value(store, "paretune_store_observations") == 4
    assert value(store, "paretune_store_leased") == 1
    assert value(optimizer, 'paretune_work_seconds_count{work="fit"}') >= 1
    made = re.findall(r'^paretune_suggestions_total\{made="(\w+)"\} (\S+)$', optimizer, re.MULTILINE)
    assert {name for name, _ in made} <= {"ahead", "awaited", "asked"}
    assert sum(float(count) for _, count in made) == 5
    (points,) = re.findall(r'^paretune_front_points\{experiment="[^"]+"\} (\S+)$', optimizer, re.MULTILINE)
    assert float(points) == 1


def test_logs_are_json_with_request_ids(watched):
    records = [json.loads(line) for line in watched[1]["store"].splitlines()]
    assert {r["service"] for r in records} == {"store"}
    leases = [r for r in records if r.get("request_id") == "remember-me"]
    assert leases
    assert {r["method"] for r in leases} == {"/paretune.v1.StoreService/LeaseSuggestions"}
    assert all(r["code"] == "OK" and r["ms"] > 0 and r["peer"] for r in leases)
    missing = [r for r in records if r.get("code") == "NOT_FOUND"]
    assert "nowhere" in missing[0]["message"]
    quiet = [json.loads(line) for line in watched[1]["optimizer"].splitlines()]
    assert not [r for r in quiet if r.get("code") == "OK"], "calls are told at level DEBUG only"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[store]\nlisen = "x"', "did you mean 'listen'"),
        ("[store", "paretune.toml"),
        ('[store]\nkeep-days = "many"', "keep-days"),
        ('[store]\nmetrics = "nowhere"', "HOST:PORT"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, sentence):
    (tmp_path / "paretune.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "paretune_store", "--config", "paretune.toml", "--listen", "127.0.0.1:0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert sentence in done.stderr


def test_the_example_dashboard_asks_for_numbers_that_there_are(watched):
    text = (Path(__file__).resolve().parents[2] / "deploy" / "grafana-dashboard.json").read_text()
    asked = {
        re.sub(r"_(bucket|total)$", "", name)
        for panel in json.loads(text)["panels"]
        for target in panel["targets"]
        for name in re.findall(r"paretune_\w+", target["expr"])
    }
    shown = set(
        re.findall(r"^# TYPE (paretune_\w+?)(?:_total)? ", "\n".join(watched[0].values()), re.MULTILINE)
    )
    assert asked <= shown
