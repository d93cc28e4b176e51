"""Workload `diatoms`: the published experiment on UCR Adiac.

The training of "Deep Learning Hyperparameter Optimization with Competing Objectives"
(2017): the network of `fcn.py`, 12 parameters, Adam with a decaying learning rate that
halves when the training loss stalls. Two implementations, chosen by the setting
`framework`, start from the same weights and see the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from paretune_trainer.workload import Infeasible, Measured, TrialHandle, Value
from paretune_trainer.workloads.adiac import load_adiac
from paretune_trainer.workloads.catalog import DIATOMS
from paretune_trainer.workloads.data import progress_log
from paretune_trainer.workloads.fcn import (
    PRESETS,
    Configuration,
    LearningRate,
    Preset,
    batches,
    initial_kernels,
)
from paretune_trainer.workloads.measure import accuracy_with_error, rough_time, time_call


class Network(Protocol):
    """What the training loop below needs of a framework's network."""

    parameter_count: int

    @property
    def clock(self) -> Callable[[], float]:
        """What to time `infer` with."""

    def train_epoch(self, batches: Sequence[NDArray[np.int64]], rate: LearningRate) -> float:
        """Take one step per batch; the mean loss over the examples."""

    def infer(self) -> object:
        """Classify the validation set in one batch."""

    def synchronize(self) -> None:
        """Wait for the device."""

    def correct(self) -> int:
        """How many validation sequences are classified correctly."""


def diatoms(parameters: Mapping[str, Value], trial: TrialHandle) -> Mapping[str, Measured]:
    """Train one network and measure it.

    Args:
        parameters: See `catalog.DIATOMS`; those left out take their defaults.
        trial: Its settings may hold `framework`, `preset`, `epochs`, `data`, `device`,
            `threads`.

    Returns:
        `accuracy` on the validation set and `inference_time`, in seconds, for all of it,
        each with its standard error.

    Raises:
        Infeasible: The loss is no longer finite, or memory ran out.
        DataError: Adiac cannot be found or is damaged.
        ValueError: A parameter or setting is not understood.
    """
    values = DIATOMS.complete_parameters(parameters)
    settings = DIATOMS.complete_settings(trial.settings)
    preset = _preset(settings["preset"])
    epochs = int(settings["epochs"] or preset.epochs)
    train, valid = (part.thinned(preset.stride) for part in load_adiac(settings, progress_log(trial)))
    configuration = Configuration.from_parameters(values, preset.width)
    framework = _framework(settings["framework"])
    rng = np.random.default_rng(trial.seed)

    with framework.guard():
        network: Network = framework(
            configuration,
            initial_kernels(configuration, rng),
            train,
            valid,
            momentum=preset.batch_norm_momentum,
            device=settings["device"],
            threads=int(settings["threads"]),
        )
        rate = LearningRate(configuration.learning_rate, configuration.decay, preset.patience)
        seconds = 0.0
        for epoch in range(1, epochs + 1):
            loss = network.train_epoch(batches(rng, len(train.labels), configuration.batch_size), rate)
            if not math.isfinite(loss):
                raise Infeasible(f"the training loss is {loss} in epoch {epoch}")
            rate.end_epoch(loss)
            if epoch % preset.checkpoint_every == 0 or epoch == epochs:
                seconds = seconds or rough_time(network.infer, trial, network.synchronize)
                trial.checkpoint(
                    epoch, accuracy=network.correct() / len(valid.labels), inference_time=seconds
                )
            if trial.should_stop():
                break
        accuracy = accuracy_with_error(network.correct(), len(valid.labels))
        timing = time_call(
            network.infer,
            trial=trial,
            synchronize=network.synchronize,
            budget_s=preset.timing_budget_s,
            clock=network.clock,
        )
    return {"accuracy": accuracy, "inference_time": timing.scaled(1.0)}


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is unknown; use {', '.join(PRESETS)}")
    return PRESETS[name]


class _Framework(Protocol):
    """A class whose instances are a `Network`."""

    def __call__(self, *args: Any, **settings: Any) -> Network: ...

    def guard(self) -> AbstractContextManager[None]: ...


def _framework(name: str) -> _Framework:
    """The implementation in one framework; imports that framework alone.

    Raises:
        ValueError: No such implementation.
        ImportError: The framework is not installed.
    """
    if name == "torch":
        from paretune_trainer.workloads.fcn_torch import TorchFcn

        return TorchFcn
    if name == "keras":
        from paretune_trainer.workloads.fcn_keras import KerasFcn

        return KerasFcn
    raise ValueError(f"framework {name!r} is unknown; use torch or keras")
