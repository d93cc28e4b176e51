"""Which GPU trials get and how they share it: real processes on the GPUs of a fake nvidia-smi."""

import shutil
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from paretune.errors import FailedPrecondition
from paretune.observation import FailureReason, OutcomeKind
from paretune_trainer import machine, placement
from paretune_trainer.describe import describe_node
from paretune_trainer.node import Run
from paretune_trainer.placement import NoRoom, Placement

MIB = 1024**2


@pytest.fixture
def make_node(make_node):
    """Nodes whose trials know the ids by which the fake nvidia-smi finds their processes."""
    return partial(make_node, pid_namespace="never")


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Two GPUs of 1,000 MiB, as folders."""
    folder = tmp_path / "smi"
    for name in gpu_names():
        (folder / name).mkdir(parents=True)
        (folder / name / "total").write_text("1000")
    shutil.copy(Path(__file__).with_name("fake_nvidia_smi.sh"), folder / "nvidia-smi")
    (folder / "nvidia-smi").chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    machine.gpus.cache_clear()
    yield folder
    machine.gpus.cache_clear()


@pytest.fixture
def run_there(task, gpus):
    """Run a sample workload in a slot of a node, as soon as there is one; its verdict."""

    def run(node, function, **fields):
        one = task(f"sample_gpu:{function}", metrics=None, settings={"gpus": str(gpus)}, **fields)
        while True:
            try:
                with node.slot(one) as seat:
                    return node.train(Run(one, seat=seat))
            except FailedPrecondition:
                time.sleep(0.05)

    return run


def together(*functions):
    """What the functions return, each in a thread."""
    found = [None] * len(functions)

    def call(place):
        found[place] = functions[place]()

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def gpu_names():
    return "GPU-0", "GPU-1"


def values(verdict):
    return {value.metric: value.value for value in verdict.values}


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_memory_of_the_first_trial_says_how_many_share_a_gpu(make_node, run_there, task, gpus):
    (gpus / "GPU-1" / "total").write_text("400")
    node = make_node(slots=8, share_gpus=True)
    run_there(node, "hold")
    one = task("sample_gpu:hold", metrics=None, settings={"gpus": str(gpus)})
    with ExitStack() as held:
        seats = [held.enter_context(node.slot(one)) for _ in range(4)]
        # 250 MiB each: three in nine tenths of 1,000, one in nine tenths of 400.
        assert sorted(seat.gpu.device.id for seat in seats) == ["GPU-0"] * 3 + ["GPU-1"]
        with pytest.raises(FailedPrecondition, match="every GPU is taken"), node.slot(one):
            pass
        described = {device.id: device for device in describe_node(node).devices}
        assert [(described[name].slots, described[name].running) for name in gpu_names()] == [(3, 3), (1, 1)]
    assert not any(device.running or device.problem for device in describe_node(node).devices)


def test_the_first_trial_of_a_workload_has_a_gpu_for_itself(make_node, task, gpus):
    node = make_node(slots=8, share_gpus=True)
    with node.slot(task("ok")), node.slot(task("ok")):
        with pytest.raises(FailedPrecondition, match="every GPU is taken"), node.slot(task("ok")):
            pass
        with pytest.raises(FailedPrecondition, match="every GPU is taken"), node.slot(task("crash")):
            pass


def test_a_number_of_slots_spreads_trials_and_looks_at_no_memory(make_node, run_there):
    node = make_node(slots=4)
    seen = [values(one) for one in together(*[lambda: run_there(node, "hold")] * 4)]
    assert sorted(one["gpu"] for one in seen) == [0, 0, 1, 1]


def test_gpus_that_the_operator_hides_are_not_used(make_node, run_there):
    node = make_node(slots=4, environ={"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": "1"})
    assert {values(one)["gpu"] for one in together(*[lambda: run_there(node, "hold")] * 3)} == {1}


def test_all_processes_of_other_trials_stand_still_during_a_measurement(make_node, run_there, gpus):
    node = make_node(slots=4)
    notes = [gpus / name / "ticks" for name in gpu_names()]

    def measured():
        wait_for(lambda: all(file.exists() for file in notes))
        verdict = run_there(node, "measure")
        for file in notes:
            (file.parent / "enough").touch()
        return verdict

    *_, verdict = together(*[lambda: run_there(node, "tick")] * 2, measured)
    span = values(verdict)
    inside = [
        sum(span["begin"] < float(line) < span["end"] for line in file.read_text().split()) for file in notes
    ]
    # The measurement was on one of the two; on the other one life went on, and afterwards on both.
    assert min(inside) == 0
    assert max(inside) > 10
    assert all(float(file.read_text().split()[-1]) > span["end"] for file in notes)


def test_a_trial_that_dies_measuring_lets_the_others_go_on(make_node, run_there, gpus):
    shutil.rmtree(gpus / "GPU-1")
    machine.gpus.cache_clear()
    node, notes = make_node(slots=2), gpus / "GPU-0" / "ticks"

    def die():
        wait_for(notes.exists)
        verdict = run_there(node, "die_measuring")
        seen = notes.stat().st_size
        wait_for(lambda: notes.stat().st_size > seen)
        (notes.parent / "enough").touch()
        return verdict

    ticking, dead = together(lambda: run_there(node, "tick"), die)
    assert dead.outcome.failure is FailureReason.SIGNAL
    assert ticking.outcome.kind is OutcomeKind.OK


def test_memory_that_does_not_come_back_closes_the_device_until_it_does(
    make_node, run_there, task, gpus, monkeypatch
):
    monkeypatch.setattr(placement, "_RETURN_SECONDS", 0.3)
    monkeypatch.setattr(placement, "_UNHEALTHY_SECONDS", 0.0)
    node = make_node(slots=1)
    for _ in range(2):
        assert run_there(node, "leak").outcome.kind is OutcomeKind.OK
    described = describe_node(node)
    assert "700 MiB of its memory did not come back" in described.problem
    assert all("did not come back" in device.problem for device in described.devices if device.id != "cpu")
    with pytest.raises(FailedPrecondition, match="did not come back"), node.slot(task("ok")):
        pass
    (gpus / "GPU-1" / "leak").unlink()
    assert values(run_there(node, "hold"))["gpu"] == 1
    assert not describe_node(node).problem


def test_out_of_memory_beside_others_is_tried_again_alone(make_node, run_there, gpus):
    shutil.rmtree(gpus / "GPU-1")
    machine.gpus.cache_clear()
    node = make_node(slots=2, retries=0)
    verdicts = together(*[lambda: run_there(node, "crowded")] * 2)
    assert {one.outcome.kind for one in verdicts} == {OutcomeKind.OK}
    assert "2" in {one.metadata.get("tries") for one in verdicts}


GPU = machine.Device("GPU-0", "Fake", 1000 * MIB)


def test_a_higher_peak_that_a_framework_reports_counts_from_then_on():
    place = Placement([GPU], by_memory=True, read=lambda: {"GPU-0": 0})
    with place.seat("small") as seat:
        with pytest.raises(NoRoom), place.seat("small"):
            pass
        seat.succeeded(0)
    with place.seat("small") as seat, place.seat("small"):
        seat.succeeded(400 * MIB)
    with place.seat("small"), pytest.raises(NoRoom, match="taken"), place.seat("small"):
        pass


def test_a_driver_that_does_not_answer_makes_the_device_unhealthy(monkeypatch):
    monkeypatch.setattr(placement, "_RETURN_SECONDS", 0.0)
    answers = [{"GPU-0": 0}]
    place = Placement([GPU], by_memory=False, read=lambda: answers[0])
    answers[0] = {}
    with place.seat("any"):
        pass
    with pytest.raises(NoRoom, match="nvidia-smi does not say"), place.seat("any"):
        pass


def test_nobody_sits_down_during_a_measurement():
    place = Placement([GPU], by_memory=False, read=lambda: {"GPU-0": 0})
    with place.seat("one") as seat:
        seat.measuring(True)
        with pytest.raises(NoRoom), place.seat("two"):
            pass
        seat.measuring(False)
        with place.seat("two"):
            pass


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, "ab"),
        ("", ""),
        ("1", "b"),
        ("1,0", "ba"),
        ("GPU-b", "b"),
        ("-1", ""),
        ("0,7,1", "a"),
        ("MIG-x", ""),
    ],
)
def test_the_devices_that_the_operator_shows_are_understood(wanted, found):
    gpus = [machine.Device(f"GPU-{name}", "", 0) for name in "ab"]
    assert [gpu.id for gpu in machine.visible(gpus, wanted)] == [f"GPU-{name}" for name in found]
