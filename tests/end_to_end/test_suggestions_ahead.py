"""Timing changes when a suggestion is made, never which one."""

import threading
import time

import pytest

import paretune as pt

PARAMETERS = [pt.Double("x", -4.0, 4.0), pt.Int("k", 1, 8), pt.Double("y", 0.0, 1.0)]


def measure(assignments) -> dict[str, float]:
    x, k, y = assignments["x"], assignments["k"], assignments["y"]
    return {"left": x**2 + 0.1 * k + y, "right": (x - 2) ** 2 + 0.1 * (8 - k) + y**2}


def create(client, name: str):
    return client.create_experiment(
        name=name, parameters=PARAMETERS, metrics=[pt.Minimize("left"), pt.Minimize("right")],
        seed=5, policy="gp",
    )  # fmt: skip


def search(client, pause: float) -> list:
    experiment = create(client, f"pause {pause}")
    seen = []
    for _ in range(8):
        time.sleep(pause)
        suggestion = experiment.suggest()
        made = suggestion.provenance
        seen.append((suggestion.assignments, made.policy, made.predictions, made.fallback_reason))
        experiment.observe(suggestion, measure(suggestion.assignments))
    return seen


def test_hurried_unhurried_and_on_demand_give_the_same(tmp_path, monkeypatch):
    with pt.local(tmp_path / "ahead.db") as client:
        hurried, unhurried = search(client, 0.0), search(client, 0.25)
    monkeypatch.setenv("PARETUNE_OPTIMIZER_AHEAD", "0")
    with pt.local(tmp_path / "demand.db") as client:
        on_demand = search(client, 0.0)
    assert hurried == unhurried == on_demand


@pytest.mark.parametrize("workers", [6])
def test_workers_that_ask_at_the_same_time_get_different_suggestions(tmp_path, workers):
    with pt.local(tmp_path / "together.db") as client:
        experiment = create(client, "together")
        for k in range(8):
            at = {"x": k - 4.0, "k": k + 1, "y": k / 8}
            experiment.observe(at, measure(at))
        found, ready = [], threading.Barrier(workers)

        def work():
            for _ in range(3):
                ready.wait(60)
                found.append(experiment.suggest())

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert sorted(s.ordinal for s in found) == list(range(1, 3 * workers + 1))
    assert len({tuple(sorted(s.assignments.items())) for s in found}) == 3 * workers
    assert {(s.provenance.policy, s.provenance.fallback_reason) for s in found} == {(pt.Policy.GP, "")}
