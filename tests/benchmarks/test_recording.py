"""Recording trainings and packing them, with a workload that takes no time."""

import json
import math
import multiprocessing

import numpy as np
import pytest
from benchmarks.recording import __main__ as command_line
from benchmarks.recording import record as recorder
from benchmarks.recording.record import Recording, configuration, finished, record
from benchmarks.recording.table import load, name_of, pack
from benchmarks.recording.turns import Turns

from paretune_trainer.workload import Infeasible, MetricSpec, ParameterSpec, Workload, builtin_workloads

DIATOMS = builtin_workloads()["diatoms"].parameters


class Toy(Workload):
    def load(self):
        return train


def train(parameters, trial):
    if parameters["x"] > 0.7:
        raise Infeasible("x is above 0.7,\nthat is why")
    for step in (1, 2):
        trial.checkpoint(step, good=step * parameters["x"], cost=float(step))
    return {"good": (parameters["x"], 0.1), "cost": 2.0 + trial.seed / 1000}


@pytest.fixture
def toy(monkeypatch):
    specs = (ParameterSpec("x", "double", "", 0.5, 0.0, 1.0), ParameterSpec("n", "int", "", 2, 1, 3))
    metrics = (MetricSpec("good", "maximize", ""), MetricSpec("cost", "minimize", ""))
    workload = Toy("toy", "", "", specs, metrics)
    monkeypatch.setattr(recorder, "builtin_workloads", lambda: {"toy": workload})
    return Recording("toy", ("x", "n"), {"preset": "quick", "data": "/a/secret/place"}, seed=3)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_configuration_depends_on_seed_and_number_alone():
    one = configuration(DIATOMS, 5, 17)
    assert configuration(DIATOMS, 5, 17) == one
    assert configuration(DIATOMS, 5, 18) != one != configuration(DIATOMS, 6, 17)
    # Pinned: a recording that was begun must go on in later versions.
    assert configuration(DIATOMS, 0, 0)["conv_2_num_filters"] == 169
    assert configuration(DIATOMS, 0, 0)["log_lr"] == -11.458133051696246


def test_configurations_are_uniform_over_the_declared_ranges():
    drawn = [configuration(DIATOMS, 1, index) for index in range(2000)]
    for spec in DIATOMS:
        values = np.array([one[spec.name] for one in drawn], dtype=float)
        assert spec.min <= values.min()
        assert values.max() <= spec.max
        # Six standard errors of the mean of a uniform draw.
        allowed = 6 * (spec.max - spec.min + 1) / math.sqrt(12 * len(values))
        assert values.mean() == pytest.approx((spec.min + spec.max) / 2, abs=allowed)
        if spec.type == "int":
            assert {spec.min, spec.max} <= set(values)


def test_resuming_repeats_nothing_and_a_torn_line_is_trained_again(toy, tmp_path):
    path = tmp_path / "toy.jsonl"
    assert record(toy, path, count=6) == 6
    before = rows(path)
    assert {row["index"] for row in before} == set(range(6))
    torn = path.read_bytes()[:-9]
    path.write_bytes(torn)
    assert len(finished(path)) == 5
    assert record(toy, path, count=8) == 3
    after = rows(path)
    assert sorted(row["index"] for row in after) == list(range(8))
    assert after[:5] == before[:5]
    assert record(toy, path, count=8) == 0
    assert rows(path) == after


def test_what_a_configuration_is_to_blame_for_is_recorded_as_infeasible(toy, tmp_path):
    path = tmp_path / "toy.jsonl"
    record(toy, path, count=20)
    failed = [row for row in rows(path) if row["outcome"] == "INFEASIBLE"]
    assert 0 < len(failed) < 20
    for row in rows(path):
        assert (row["parameters"]["x"] > 0.7) == (row in failed)
        assert (row["metrics"] == {}) == (row in failed)
    assert {row["reason"] for row in failed} == {"x is above 0.7,\nthat is why"}


def test_repeats_are_of_one_configuration_with_other_seeds(toy, tmp_path):
    path = tmp_path / "toy.jsonl"
    record(Recording("toy", ("x",), {}, repeats=3), path, count=6)
    found = sorted(rows(path), key=lambda row: row["index"])
    assert [row["parameters"] for row in found] == [found[0]["parameters"]] * 3 + [found[3]["parameters"]] * 3
    assert found[0]["parameters"] != found[3]["parameters"]
    costs = [row["metrics"]["cost"] for row in found if row["metrics"]]
    assert len(set(costs)) == len(costs) > 0


def test_a_table_is_what_was_recorded_and_says_how(toy, tmp_path):
    path = tmp_path / "toy.jsonl"
    record(toy, path, count=20, command="make it")
    assert name_of(path) == "toy_quick"
    packed = pack(path, "toy_quick", tmp_path / "data", load="none")
    table = load("toy_quick", tmp_path / "data")
    recorded = sorted(rows(path), key=lambda row: row["index"])
    assert len(table) == 20
    assert table.parameters == ("x", "n")
    for number, row in enumerate(recorded):
        assert dict(zip(table.parameters, table.X[number], strict=True)) == row["parameters"]
        assert table.ok[number] == (row["outcome"] == "OK")
        assert table.reasons[number] == row["reason"]
        if table.ok[number]:
            assert table.values["good"][number] == pytest.approx(row["metrics"]["good"][0], rel=1e-5)
            assert table.errors["good"][number] == 0.1
            assert table.curves[number][:, 0].tolist() == [1, 2]
            assert table.curves[number][:, 2].tolist() == [1, 2]
        else:
            assert np.isnan(table.values["good"][number])
            assert table.curves[number].shape == (0, 4)
    assert np.isnan(table.errors["cost"]).all()
    made = table.making["made"][0]
    assert made["command"] == "make it"
    assert made["commit"]
    assert made["numpy"] == np.__version__
    assert table.making["settings"] == {"preset": "quick"}
    assert table.making["outcomes"]["OK"] == int(table.ok.sum())
    content = packed.read_bytes()
    assert pack(path, "toy_quick", tmp_path / "data", load="none").read_bytes() == content


def test_a_recording_is_not_continued_in_another_way(toy, tmp_path):
    path = tmp_path / "toy.jsonl"
    record(toy, path, count=2)
    with pytest.raises(ValueError, match="was recorded with other settings: choose another file"):
        record(Recording("toy", ("x", "n"), {"preset": "full"}, seed=3), path, count=4)
    assert len(rows(path)) == 2


def test_the_command_line_records_an_example_file(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(command_line, "record", lambda *args, **named: asked.update(args=args, **named))
    out = tmp_path / "reviews.jsonl"
    command_line.main(["examples/rotten_tomatoes.yaml", "--count", "7", "--data", "/d", "--out", str(out)])
    recording, path = asked["args"]
    assert (recording.workload, len(recording.specs), asked["count"], path) == ("rotten_tomatoes", 6, 7, out)
    assert recording.settings == {"preset": "quick", "device": "cpu", "threads": "1", "data": "/d"}
    assert asked["command"] == (
        "python -m benchmarks.recording examples/rotten_tomatoes.yaml --preset quick --device cpu --count 7 "
        "--repeats 1 --workers 2 --seed 0 --out reviews.jsonl"
    )


def test_who_measures_has_the_device_alone_and_is_not_starved(tmp_path):
    """Real processes: three share the device and offer it all the time, one wants it alone."""
    context = multiprocessing.get_context("fork")
    sharing, stop = [context.Value("i", 0) for _ in range(3)], context.Event()

    def share(flag):
        turns = Turns(tmp_path)
        with turns.shared():
            while not stop.is_set():
                flag.value = 1
                flag.value = 0
                turns.offer()

    processes = [context.Process(target=share, args=(flag,)) for flag in sharing]
    for process in processes:
        process.start()
    turns, seen = Turns(tmp_path), []
    with turns.shared():
        for _ in range(20):
            with turns.alone():
                seen += [flag.value for flag in sharing for _ in range(50)]
    stop.set()
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not any(seen)
