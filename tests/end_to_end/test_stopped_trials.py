"""What the model makes of a trial that was stopped early, with a real Store and Optimizer."""

import json

import pytest

import paretune as pt
from paretune.observation import Checkpoint
from paretune.transfer import export_records, import_records


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with pt.local(tmp_path_factory.mktemp("stopped") / "tune.db", trainer_slots=0) as one:
        yield one


def create(client, **fields):
    return client.create_experiment(
        name="e",
        parameters=[pt.Double("x", 0, 1)],
        metrics=[pt.Maximize("accuracy"), pt.Minimize("ms")],
        policy="gp",
        fidelity=pt.Fidelity("epochs", 3, 30),
        **fields,
    )


def train(handle, x, gain):
    """A trial whose accuracy after 3 epochs grows by `gain` to its end; 0: it is stopped there."""
    handle.queue({"x": x})
    one = handle.suggest()
    early = (pt.MetricValue("accuracy", 0.1 + x / 10), pt.MetricValue("ms", 1.0))
    handle.client.record_checkpoints(one.id, one.lease.fence, [Checkpoint(one.id, 3, early)])
    values = {"accuracy": 0.1 + x / 10 + gain, "ms": 1.0}
    handle.observe(one, values, **({} if gain else {"stopped_early": 3}))


def accuracy_at(handle, x):
    return {one.metric: one.mean for one in handle.predict({"x": x}).metrics}["accuracy"]


def test_a_stopped_trial_counts_as_what_it_was_heading_for(client):
    handle = create(client, early_stopping=pt.EarlyStopping())
    for place in range(7):
        train(handle, place / 6, 0.7)
    train(handle, 0.58, 0.0)
    # Its last accuracy was 0.158, and all like it gained 0.7.
    assert accuracy_at(handle, 0.58) == pytest.approx(0.858, abs=0.1)


@pytest.mark.parametrize("order", ["as exported", "checkpoints last"])
def test_an_import_knows_what_stopped_trials_were_heading_for(client, order):
    handle = create(client, early_stopping=pt.EarlyStopping())
    for place in range(5):
        train(handle, place / 4, 0.7)
    train(handle, 0.6, 0.0)
    before = accuracy_at(handle, 0.6)
    head, *records = export_records(client, handle.id)
    if order == "checkpoints last":  # as earlier versions wrote it
        records.sort(key=lambda record: "checkpoint" in record)
    client.delete_experiment(handle.id)
    import_records(client, map(json.dumps, [head, *records]))
    assert accuracy_at(handle, 0.6) == pytest.approx(before, abs=1e-6)


def test_early_stops_that_are_turned_on_later_lose_nothing(client):
    handle = create(client)
    for place in range(5):
        train(handle, place / 4, 0.7)
    before = accuracy_at(handle, 0.5)
    handle.update(early_stopping=pt.EarlyStopping())
    assert accuracy_at(handle, 0.5) == pytest.approx(before)
