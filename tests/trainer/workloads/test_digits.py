import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from paretune_trainer.workload import Infeasible
from paretune_trainer.workloads import digits as module
from paretune_trainer.workloads.catalog import DIGITS
from paretune_trainer.workloads.digits import build_network, digits, load_digits

SMALL = {"conv_1_filters": 4, "conv_2_filters": 8, "batch_size": 128, "learning_rate": 0.02}


def test_reports_its_metrics_with_errors_and_a_checkpoint_per_epoch(make_trial):
    trial = make_trial(settings={"epochs": "2"})
    metrics = digits(SMALL, trial)
    assert list(metrics) == ["accuracy", "inference_ms"]
    for value, error in metrics.values():
        assert math.isfinite(value)
        assert error > 0
    assert [step for step, _ in trial.checkpoints] == [1, 2]
    assert trial.checkpoints[-1][1]["accuracy"] == metrics["accuracy"][0]
    times = {vector["inference_ms"] for _, vector in trial.checkpoints}
    assert len(times) == 1
    assert times.pop() > 0
    assert trial.times_held == 2  # roughly for the checkpoints, and well at the end


def test_same_seed_same_accuracy(make_trial):
    curves = []
    for seed in (3, 3, 4):
        trial = make_trial(seed=seed, settings={"epochs": "2"})
        digits(SMALL, trial)
        curves.append([vector["accuracy"] for _, vector in trial.checkpoints])
    assert curves[0] == curves[1] != curves[2]


def test_default_configuration_learns(make_trial):
    metrics = digits({}, make_trial())
    assert metrics["accuracy"][0] > 0.9


def test_wider_network_is_slower(make_trial):
    def time_of(filters):
        values = {**SMALL, "conv_1_filters": filters, "conv_2_filters": filters}
        return digits(values, make_trial(settings={"epochs": "1"}))["inference_ms"][0]

    assert time_of(48) > 2 * time_of(4)


def test_stops_early_with_the_metrics_it_has(make_trial):
    trial = make_trial(settings={"epochs": "50"}, stop_at=1)
    assert set(digits(SMALL, trial)) == {"accuracy", "inference_ms"}
    assert [step for step, _ in trial.checkpoints] == [1]


def test_loss_that_is_not_finite_is_infeasible(make_trial):
    with pytest.raises(Infeasible, match=r"the training loss is (nan|inf) in epoch 1"):
        digits({**SMALL, "learning_rate": 1e30}, make_trial(settings={"epochs": "1"}))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_is_infeasible(make_trial, monkeypatch, error):
    def build(_):
        raise error

    monkeypatch.setattr(module, "build_network", build)
    with pytest.raises(Infeasible, match="out of memory: "):
        digits(SMALL, make_trial())


def test_a_network_that_does_not_fit_is_infeasible(make_trial):
    # 40 TB of weights: more than any machine lends, whatever it overcommits.
    huge = {"conv_1_filters": 10**6, "conv_2_filters": 10**7, "kernel_size": 1}
    with pytest.raises(Infeasible, match="out of memory"):
        digits({**SMALL, **huge}, make_trial())


def test_other_errors_are_crashes(make_trial, monkeypatch):
    def build(_):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(module, "build_network", build)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        digits(SMALL, make_trial())


def test_unknown_device_is_refused(make_trial):
    with pytest.raises(ValueError, match="device 'tpu' is not here; use auto, cpu"):
        digits(SMALL, make_trial(settings={"device": "tpu"}))


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_network_maps_images_to_logits(kernel):
    values = DIGITS.complete_parameters({**SMALL, "kernel_size": kernel})
    network = build_network(values)
    assert network(torch.zeros(7, 1, 8, 8)).shape == (7, 10)
    count = sum(p.numel() for p in network.parameters())
    assert count == (kernel**2 + 1) * 4 + (4 * kernel**2 + 1) * 8 + 9 * 10


def test_images_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits as load_with_sklearn

    images, labels = load_digits()
    pixels, expected = load_with_sklearn(return_X_y=True)
    np.testing.assert_array_equal((images.reshape(-1, 64) + 0.5) * 16, pixels)
    np.testing.assert_array_equal(labels, expected)


def test_a_trial_imports_neither_scikit_learn_nor_the_torch_compiler():
    """Each costs a trial's child process a second or more."""
    code = (
        "import contextlib, sys, types\n"
        "from paretune_trainer.workloads.digits import digits\n"
        "trial = types.SimpleNamespace(seed=0, settings={'epochs': '1'}, exclusive=contextlib.nullcontext,\n"
        "    checkpoint=lambda *a, **k: None, should_stop=lambda: False)\n"
        "digits({}, trial)\n"
        "print(sorted({'sklearn', 'scipy', 'torch._dynamo'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
