"""Workload `rotten_tomatoes`: the published experiment on movie review sentences.

The training of "Deep Learning Hyperparameter Optimization with Competing Objectives"
(2017): the network of `sentence_cnn.py`, RMSProp with bounded gradients, a learning rate
that halves every 50 epochs. Accuracy competes with training time, and a trial that is
not accurate enough or takes too long is reported as infeasible, so that the search
resolves the front where it matters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch

from paretune_trainer.workload import Infeasible, Measured, TrialHandle, Value
from paretune_trainer.workloads.catalog import ROTTEN_TOMATOES
from paretune_trainer.workloads.data import progress_log
from paretune_trainer.workloads.measure import Laps, accuracy_with_error, latency_clock
from paretune_trainer.workloads.reviews import Corpus, Reviews, load_reviews
from paretune_trainer.workloads.rmsprop import RmsProp
from paretune_trainer.workloads.sentence_cnn import PRESETS, Configuration, Preset, SentenceCnn
from paretune_trainer.workloads.torch_device import (
    choose_device,
    keep_host_memory,
    memory_exhaustion_is_infeasible,
    synchronizer,
)

_LAPS_PER_EPOCH: Final = 4
_PART: Final = 100


def rotten_tomatoes(parameters: Mapping[str, Value], trial: TrialHandle) -> Mapping[str, Measured]:
    """Train one network and measure it.

    A trial that the trainer stops early is not held against `min_accuracy`.

    Args:
        parameters: See `catalog.ROTTEN_TOMATOES`; those left out take their defaults.
        trial: Its settings may hold `preset`, `min_accuracy`, `max_seconds`, `data`,
            `device`, `threads`.

    Returns:
        `accuracy` on the 1,000 validation sentences after the last epoch, in percent, and
        `training_time`, in seconds, each with its standard error.

    Raises:
        Infeasible: The accuracy is too low, the training took too long, the loss is no
            longer finite, or memory ran out.
        DataError: The sentences cannot be found or are damaged.
        ValueError: A parameter or setting is not understood.
    """
    values = ROTTEN_TOMATOES.complete_parameters(parameters)
    settings = ROTTEN_TOMATOES.complete_settings(trial.settings)
    preset = _preset(settings["preset"])
    min_accuracy = _limit(settings, "min_accuracy", preset.min_accuracy)
    max_seconds = _limit(settings, "max_seconds", preset.max_seconds)
    corpus = load_reviews(
        settings,
        progress_log(trial),
        sentences=preset.sentences,
        length=preset.length,
        min_count=preset.min_count,
    )
    configuration = Configuration.from_parameters(values, preset)

    with memory_exhaustion_is_infeasible():
        training = Training(
            configuration,
            corpus,
            halve_every=preset.halve_every,
            max_seconds=max_seconds,
            seed=trial.seed,
            device=settings["device"],
            threads=int(settings["threads"]),
        )
        for epoch in range(1, configuration.epochs + 1):
            training.run_epoch()
            if epoch % preset.checkpoint_every == 0 or epoch == configuration.epochs:
                accuracy = 100 * training.correct() / len(corpus.valid.labels)
                trial.checkpoint(epoch, accuracy=accuracy, training_time=training.laps.total)
            if trial.should_stop():
                break
        correct, sentences = training.correct(), len(corpus.valid.labels)
    accuracy, error = 100 * correct / sentences, 100 * accuracy_with_error(correct, sentences)[1]
    if accuracy < min_accuracy and training.epochs_done == configuration.epochs:
        raise Infeasible(f"the accuracy is {accuracy:.1f} %, below {min_accuracy:g} %")
    return {"accuracy": (accuracy, error), "training_time": training.laps.measured()}


class Training:
    """One network with its optimizer and its data on one device.

    Attributes:
        network: The network being trained.
        laps: What has been timed: the training steps alone, not validation.
        epochs_done: Epochs trained so far.
    """

    def __init__(
        self,
        configuration: Configuration,
        corpus: Corpus,
        *,
        halve_every: int,
        max_seconds: float,
        seed: int,
        device: str,
        threads: int,
    ) -> None:
        torch.set_num_threads(threads)
        keep_host_memory()
        place = choose_device(device)
        # Initial weights and dropout draw from torch's global generator.
        torch.manual_seed(seed)
        self._order = np.random.default_rng(seed)
        self._configuration, self._halve_every, self._max_seconds = configuration, halve_every, max_seconds
        self.network = SentenceCnn(configuration, corpus.vocabulary).to(place)
        self._rmsprop = RmsProp(self.network.parameters())
        self._place = place
        self._train, self._valid = self._moved(corpus.train), self._moved(corpus.valid)
        self.laps = Laps(latency_clock(place.type, threads), synchronizer(place))
        self.epochs_done = 0
        self._warm_up()

    def _moved(self, reviews: Reviews) -> tuple[Any, Any]:
        """Words and labels on the device, where they stay: they are small."""
        return torch.from_numpy(reviews.words).to(self._place), torch.from_numpy(reviews.labels).to(
            self._place
        )

    def _warm_up(self) -> None:
        """Pay for lazy initialisation before anything is timed; changes no weight."""
        size = min(self._configuration.batch_size, len(self._train[1]))
        self._loss(torch.arange(size, device=self._place)).backward()
        self._rmsprop.zero_grad()

    def _loss(self, rows: Any) -> Any:
        words, labels = self._train
        return torch.nn.functional.cross_entropy(self.network(words[rows]), labels[rows])

    def run_epoch(self) -> None:
        """Take one step per batch, in a new random order; the last batch may be smaller.

        Raises:
            Infeasible: The loss is not finite, or training has passed its time limit.
        """
        self.epochs_done += 1
        rate = self._configuration.rate(self.epochs_done, self._halve_every)
        self.network.train()
        rows = torch.from_numpy(self._order.permutation(len(self._train[1]))).to(self._place)
        batches = rows.split(self._configuration.batch_size)
        for lap in np.array_split(np.arange(len(batches)), min(_LAPS_PER_EPOCH, len(batches))):
            with self.laps.lap(len(lap)):
                loss = self._steps([batches[index] for index in lap], rate)
            if not math.isfinite(float(loss)):
                raise Infeasible(f"the training loss is {float(loss)} in epoch {self.epochs_done}")
            if self.laps.total > self._max_seconds:
                raise Infeasible(
                    f"training passed {self._max_seconds:g} s in epoch {self.epochs_done} "
                    f"of {self._configuration.epochs}"
                )

    def _steps(self, batches: Sequence[Any], rate: float) -> Any:
        """The sum of the batches' losses, on the device: reading each would make a GPU wait."""
        total = torch.zeros((), device=self._place)
        for rows in batches:
            self._rmsprop.zero_grad()
            loss = self._loss(rows)
            loss.backward()
            self._rmsprop.clip(self._configuration.max_grad_norm)
            self._rmsprop.step(rate)
            total += loss.detach()
        return total

    def correct(self) -> int:
        """How many validation sentences are classified correctly.

        Raises:
            Infeasible: Outputs are not finite: the last step may have spoilt the weights
                after the last loss was computed.
        """
        self.network.eval()
        words, labels = self._valid
        correct = 0
        with torch.inference_mode():
            # In parts, for the features of all sentences at once would outgrow any cache.
            for part, truth in zip(words.split(_PART), labels.split(_PART), strict=True):
                logits = self.network(part)
                if not bool(logits.isfinite().all()):
                    raise Infeasible(f"the network's outputs are not finite after epoch {self.epochs_done}")
                correct += int((logits.argmax(1) == truth).sum())
        return correct


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is unknown; use {', '.join(PRESETS)}")
    return PRESETS[name]


def _limit(settings: Mapping[str, str], name: str, default: float) -> float:
    """A threshold from the settings, else the preset's.

    Raises:
        ValueError: It is no finite number.
    """
    text = settings[name]
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"setting {name}: expected a finite number, got {text!r}")
    return value
