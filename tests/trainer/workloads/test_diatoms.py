"""Both implementations of the diatom network; Keras is imported by the tests that need it."""

import math

import numpy as np
import pytest
import torch

from paretune_trainer.workload import Infeasible
from paretune_trainer.workloads import fcn_torch
from paretune_trainer.workloads.catalog import DIATOMS
from paretune_trainer.workloads.data import MissingData
from paretune_trainer.workloads.diatoms import diatoms
from paretune_trainer.workloads.fcn import Configuration, LearningRate, batches, initial_kernels
from paretune_trainer.workloads.fcn_torch import TorchFcn

THIN = {f"conv_{block}_num_filters": 32 for block in (1, 2, 3)}
FRAMEWORKS = ["torch", "keras"]


def configuration(**parameters) -> Configuration:
    return Configuration.from_parameters(DIATOMS.complete_parameters({**THIN, **parameters}))


def network_class(framework: str):
    if framework == "torch":
        return TorchFcn
    from paretune_trainer.workloads.fcn_keras import KerasFcn

    return KerasFcn


def build(framework: str, values: Configuration, outlines, seed: int = 0):
    kernels = initial_kernels(values, np.random.default_rng(seed))
    return network_class(framework)(values, kernels, *outlines, momentum=0.9, device="cpu", threads=1)


SHAPES = [
    {},
    {"conv_1_num_filters": 47, "conv_2_num_filters": 33, "conv_3_num_filters": 61},
    {"conv_1_filter_size": 2, "conv_2_filter_size": 10, "conv_3_filter_size": 7},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_both_frameworks_have_the_same_parameter_count(outlines, shape):
    values = configuration(**shape)
    counts = {build(framework, values, outlines).parameter_count for framework in FRAMEWORKS}
    assert counts == {values.parameter_count()}


@pytest.mark.parametrize("shape", SHAPES)
def test_both_frameworks_start_as_the_same_function(outlines, shape):
    values = configuration(**shape)
    ours, theirs = (np.asarray(build(framework, values, outlines).infer()) for framework in FRAMEWORKS)
    assert ours.shape == (30, 37)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_both_frameworks_take_the_same_steps(outlines):
    values = configuration(
        batch_size=16, log_lr=math.log(1e-3), log_epsilon=math.log(1e-3), conv_2_filter_size=4
    )
    losses = {}
    for framework in FRAMEWORKS:
        network = build(framework, values, outlines)
        rng, rate = np.random.default_rng(1), LearningRate(values.learning_rate, 1e-2, patience=50)
        losses[framework] = [network.train_epoch(batches(rng, 60, 16), rate) for _ in range(3)]
    assert losses["torch"][0] > losses["torch"][2]
    # Float rounding grows with the steps.
    np.testing.assert_allclose(losses["torch"], losses["keras"], rtol=5e-3)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_reports_its_metrics_on_the_real_data(make_trial, data_folder, framework):
    trial = make_trial(
        settings={"framework": framework, "preset": "quick", "epochs": "2", "data": str(data_folder)}
    )
    metrics = diatoms({**THIN, "batch_size": 32}, trial)
    assert list(metrics) == ["accuracy", "inference_time"]
    for value, error in metrics.values():
        assert math.isfinite(value)
        assert error > 0
    ((step, vector),) = trial.checkpoints
    assert (step, vector["accuracy"]) == (2, metrics["accuracy"][0])
    assert vector["inference_time"] > 0
    assert trial.times_held == 2  # roughly for the checkpoint, and well at the end


def test_quick_preset_learns_and_repeats_itself(make_trial, data_folder):
    values = {"log_lr": math.log(5e-3), "batch_size": 16}
    curves = []
    for seed in (0, 0):
        trial = make_trial(seed=seed, settings={"preset": "quick", "epochs": "15", "data": str(data_folder)})
        diatoms(values, trial)
        curves.append([vector["accuracy"] for _, vector in trial.checkpoints])
    assert curves[0] == curves[1]
    assert max(curves[0]) > 5 / 37


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_loss_that_is_not_finite_is_infeasible(make_trial, data_folder, framework):
    trial = make_trial(
        settings={"framework": framework, "preset": "quick", "epochs": "3", "data": str(data_folder)}
    )
    with pytest.raises(Infeasible, match=r"the training loss is (nan|inf) in epoch [1-3]"):
        diatoms({**THIN, "batch_size": 32, "log_lr": 85.0}, trial)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_running_out_of_memory_is_infeasible(framework):
    if framework == "torch":
        error = torch.OutOfMemoryError("CUDA out of memory.")
    else:
        import tensorflow as tf

        error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore lines")
    with pytest.raises(Infeasible, match=r"^out of memory: ") as caught, network_class(framework).guard():
        raise error
    assert "\n" not in caught.value.reason


def test_stops_early_with_the_metrics_it_has(make_trial, data_folder):
    trial = make_trial(stop_at=5, settings={"preset": "quick", "data": str(data_folder)})
    assert set(diatoms({**THIN, "batch_size": 32}, trial)) == {"accuracy", "inference_time"}
    assert [step for step, _ in trial.checkpoints] == [5]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"framework": "jax"}, "framework 'jax' is unknown; use torch or keras"),
        ({"preset": "fast"}, "preset 'fast' is unknown; use full, medium, quick"),
        ({"device": "tpu"}, "device 'tpu' is not here"),
    ],
)
def test_settings_that_are_not_understood_are_refused(make_trial, data_folder, settings, message):
    trial = make_trial(settings={"preset": "quick", "data": str(data_folder), **settings})
    with pytest.raises(ValueError, match=message):
        diatoms(THIN, trial)


def test_missing_data_is_not_the_configuration_s_fault(make_trial, tmp_path):
    with pytest.raises(MissingData, match="adiac/Adiac_TRAIN is missing"):
        diatoms({}, make_trial(settings={"data": str(tmp_path)}))


def test_even_kernels_pad_as_keras_does():
    values = configuration(conv_1_filter_size=4, conv_2_filter_size=10, conv_3_filter_size=2)
    network = fcn_torch.build(values, initial_kernels(values, np.random.default_rng(0)), 0.9)
    assert [network[i].padding for i in (0, 4, 8)] == [(1, 2), (4, 5), (0, 1)]
