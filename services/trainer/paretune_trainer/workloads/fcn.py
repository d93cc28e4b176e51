"""The fully convolutional network of Wang et al., free of any framework.

Z. Wang, W. Yan, T. Oates, "Time series classification from scratch with deep neural
networks: a strong baseline", arXiv:1611.06455 (2016), section II.B: three blocks of
convolution, batch normalisation and ReLU, then global average pooling and softmax.

| symbol | meaning |
|---|---|
| c_i | filters of block i, c_0 = 1 |
| k_i | kernel length of block i |
| C | classes |

What both frameworks share lives here, so that one configuration and seed mean one
network: its shape, its first weights, how the learning rate moves, and the order of
the batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CLASSES: Final = 37
BATCH_NORM_EPSILON: Final = 1e-3  # Keras' default, which the published code ran with


@dataclass(frozen=True)
class Preset:
    """How faithfully the published training is followed.

    Attributes:
        epochs: Passes over the training set.
        patience: Epochs without a lower training loss before the learning rate halves.
        width: Share of the configuration's filters that is built, at least 2 of each.
        stride: Every how many points of a sequence are kept.
        batch_norm_momentum: Weight of the past in the running mean and variance.
        checkpoint_every: Epochs between two checkpoints.
        timing_budget_s: Seconds after which no further inference repeat is started.
    """

    epochs: int
    patience: int
    width: float = 1.0
    stride: int = 1
    batch_norm_momentum: float = 0.99
    checkpoint_every: int = 10
    timing_budget_s: float = 5.0


PRESETS: Final[Mapping[str, Preset]] = {
    "full": Preset(epochs=500, patience=50),
    # A fifth of the training, the same network.
    "medium": Preset(epochs=100, patience=10, checkpoint_every=5),
    # A thinner network on thinned sequences. Its few hundred steps are too short for a
    # running mean with a memory of a hundred steps.
    "quick": Preset(
        epochs=40,
        patience=10,
        width=0.25,
        stride=4,
        batch_norm_momentum=0.9,
        checkpoint_every=5,
        timing_budget_s=0.5,
    ),
}


@dataclass(frozen=True)
class Configuration:
    """One configuration in the terms of the formulas.

    Attributes:
        filters: c_1, c_2, c_3.
        kernels: k_1, k_2, k_3.
        batch_size: Sequences per step.
        learning_rate: Before any decay.
        beta_1: Adam's memory of the gradient.
        beta_2: Adam's memory of its square.
        epsilon: Adam's guard against division by zero.
        decay: Per-step decay d of the learning rate.
    """

    filters: tuple[int, int, int]
    kernels: tuple[int, int, int]
    batch_size: int
    learning_rate: float
    beta_1: float
    beta_2: float
    epsilon: float
    decay: float

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any], width: float = 1.0) -> Configuration:
        """Read the 12 published parameters; `width` scales the filters."""
        filters = [max(2, round(width * values[f"conv_{block}_num_filters"])) for block in (1, 2, 3)]
        kernels = [values[f"conv_{block}_filter_size"] for block in (1, 2, 3)]
        return cls(
            filters=(filters[0], filters[1], filters[2]),
            kernels=(kernels[0], kernels[1], kernels[2]),
            batch_size=values["batch_size"],
            learning_rate=math.exp(values["log_lr"]),
            beta_1=1 - math.exp(values["log_beta_1"]),
            beta_2=1 - math.exp(values["log_beta_2"]),
            epsilon=math.exp(values["log_epsilon"]),
            decay=math.exp(values["log_decay"]),
        )

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """`(c_(i-1), c_i, k_i)` of each block."""
        yield from zip((1, *self.filters[:2]), self.filters, self.kernels, strict=True)

    def parameter_count(self) -> int:
        """Trainable parameters: sum over i of (k_i c_(i-1) + 3) c_i, plus (c_3 + 1) C.

        The 3 is the convolution's bias and the normalisation's scale and shift.
        """
        blocks = sum((kernel * before + 3) * filters for before, filters, kernel in self.blocks())
        return blocks + (self.filters[-1] + 1) * CLASSES


def initial_kernels(configuration: Configuration, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """First weights: three of shape (k_i, c_(i-1), c_i), then (c_3, C); biases start at 0.

    Uniform in +-sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", AISTATS 2010, equation 16.
    Drawn here rather than by a framework, so that both start from the same network.
    """
    shapes = [(kernel, before, filters) for before, filters, kernel in configuration.blocks()]
    draws = []
    for shape in [*shapes, (1, configuration.filters[-1], CLASSES)]:
        limit = math.sqrt(6 / (shape[0] * (shape[1] + shape[2])))
        draws.append(rng.uniform(-limit, limit, shape).astype(np.float32))
    return [*draws[:-1], draws[-1][0]]


class LearningRate:
    """The learning rate at each step: decayed per step, halved on a plateau.

    At step t, counted from 0, it is base / (1 + decay t). `base` halves when the
    training loss has not fallen below its best for `patience` epochs, and does not
    fall under 1e-4 by halving; a base that starts lower stays where it is.
    """

    _FLOOR: Final = 1e-4
    _MIN_FALL: Final = 1e-4  # a smaller fall of the loss counts as none

    def __init__(self, base: float, decay: float, patience: int) -> None:
        self._base, self._decay, self._patience = base, decay, patience
        self._step, self._best, self._stalled = 0, math.inf, 0

    def next(self) -> float:
        """The rate of the next step."""
        rate = self._base / (1 + self._decay * self._step)
        self._step += 1
        return rate

    def end_epoch(self, loss: float) -> None:
        """Take note of an epoch's mean training loss."""
        if loss < self._best - self._MIN_FALL:
            self._best, self._stalled = loss, 0
            return
        self._stalled += 1
        if self._stalled >= self._patience:
            self._stalled = 0
            if self._base > self._FLOOR:
                self._base = max(self._base / 2, self._FLOOR)


def batches(rng: np.random.Generator, examples: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Indices of an epoch's batches, in random order; the last may be smaller."""
    order = rng.permutation(examples)
    return [order[start : start + batch_size] for start in range(0, examples, batch_size)]
