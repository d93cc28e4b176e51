import math

import numpy as np
import pytest

from paretune_trainer.workloads.catalog import DIATOMS
from paretune_trainer.workloads.fcn import (
    PRESETS,
    Configuration,
    LearningRate,
    batches,
    initial_kernels,
)


def configuration(**parameters) -> Configuration:
    return Configuration.from_parameters(DIATOMS.complete_parameters(parameters))


def test_defaults_are_the_network_of_the_paper():
    default = configuration()
    assert (default.filters, default.kernels) == ((128, 256, 128), (8, 5, 3))
    assert default.parameter_count() == (
        (8 * 1 + 3) * 128 + (5 * 128 + 3) * 256 + (3 * 256 + 3) * 128 + 129 * 37
    )


def test_logarithms_are_undone():
    values = configuration(
        log_lr=math.log(0.02),
        log_beta_1=math.log(0.1),
        log_beta_2=math.log(1e-3),
        log_epsilon=math.log(1e-8),
        log_decay=math.log(1e-4),
    )
    assert (values.learning_rate, values.beta_1, values.beta_2) == pytest.approx((0.02, 0.9, 0.999))
    assert (values.epsilon, values.decay) == pytest.approx((1e-8, 1e-4))


def test_width_scales_the_filters_but_leaves_two():
    values = DIATOMS.complete_parameters({"conv_1_num_filters": 32})
    assert Configuration.from_parameters(values, 0.25).filters == (8, 64, 32)
    assert Configuration.from_parameters(values, 0.01).filters == (2, 3, 2)


def test_full_preset_is_as_published():
    full = PRESETS["full"]
    assert (full.epochs, full.patience, full.width, full.stride) == (500, 50, 1.0, 1)


def test_first_weights_have_the_glorot_range_and_come_from_the_seed():
    values = configuration(conv_1_num_filters=40)
    kernels = initial_kernels(values, np.random.default_rng(5))
    assert [kernel.shape for kernel in kernels] == [(8, 1, 40), (5, 40, 256), (3, 256, 128), (128, 37)]
    limit = math.sqrt(6 / (5 * (40 + 256)))
    assert 0.99 * limit < abs(kernels[1]).max() <= limit
    again = initial_kernels(values, np.random.default_rng(5))
    assert all((a == b).all() for a, b in zip(kernels, again, strict=True))


def test_batches_cover_every_example_once():
    split = batches(np.random.default_rng(0), 390, 32)
    assert [len(batch) for batch in split] == [32] * 12 + [6]
    assert sorted(np.concatenate(split).tolist()) == list(range(390))


def test_learning_rate_decays_with_the_step():
    rate = LearningRate(0.1, decay=0.5, patience=10)
    assert [rate.next() for _ in range(3)] == pytest.approx([0.1, 0.1 / 1.5, 0.05])


def test_learning_rate_halves_on_a_plateau_down_to_the_floor():
    rate = LearningRate(4e-4, decay=0.0, patience=3)
    seen = []
    for loss in [1.0] * 13:
        rate.end_epoch(loss)
        seen.append(rate.next())
    assert seen == pytest.approx([4e-4] * 3 + [2e-4] * 3 + [1e-4] * 7)


def test_learning_rate_stays_while_the_loss_falls_and_below_the_floor():
    falling = LearningRate(0.1, decay=0.0, patience=2)
    small = LearningRate(1e-6, decay=0.0, patience=2)
    for epoch in range(20):
        falling.end_epoch(1.0 - epoch * 1e-2)
        small.end_epoch(1.0)
    assert (falling.next(), small.next()) == (0.1, 1e-6)


def test_a_fall_too_small_to_matter_is_a_stall():
    rate = LearningRate(0.1, decay=0.0, patience=2)
    for epoch in range(3):
        rate.end_epoch(1.0 - epoch * 1e-6)
    assert rate.next() == 0.05
