"""Kim's sentence network in PyTorch, and how faithfully it is trained.

Y. Kim, "Convolutional neural networks for sentence classification", EMNLP 2014,
section 2, in its variant CNN-rand, whose word vectors start random and are learned:

    e = embedding(words)                        (batch, L, E)
    f_i = max over time of relu(conv_{k_i}(e))  (batch, m), i = 1..3
    logits = linear(dropout([f_1, f_2, f_3]))   (batch, 2)

| symbol | meaning |
|---|---|
| V | words in the vocabulary, with the padding |
| E | length of a word vector, `embed_dim` |
| L | words in a sentence, padded to the longest |
| k_i | words a filter of convolution i sees, `filter_size_i` |
| m | filters of each convolution, `num_feature_maps` |

Deviations from the paper are those of the published experiment: RMSProp instead of
Adadelta, the norm of the gradients is bounded instead of that of the last layer's
weights, and weights start uniform in +-0.1, biases at 0. The padding is a word like any
other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch

_CLASSES: Final = 2
_START: Final = 0.1


@dataclass(frozen=True)
class Preset:
    """How faithfully the published training is followed.

    Attributes:
        min_accuracy: Percent; a trial below it is infeasible.
        max_seconds: Training time; a trial beyond it is infeasible.
        epochs: Share of the configuration's epochs that is trained, at least 1.
        width: Share of its `embed_dim` and `num_feature_maps` that is built, at least 2.
        halve_every: Epochs after which the learning rate halves.
        sentences: Training sentences kept, None for all.
        length: Words of a sentence kept, None for all.
        min_count: Words seen less often are left out.
        checkpoint_every: Epochs between two checkpoints.
    """

    min_accuracy: float
    max_seconds: float
    epochs: float = 1.0
    width: float = 1.0
    halve_every: int = 50
    sentences: int | None = None
    length: int | None = None
    min_count: int = 1
    checkpoint_every: int = 1


PRESETS: Final[Mapping[str, Preset]] = {
    "full": Preset(min_accuracy=75.0, max_seconds=250.0, checkpoint_every=5),
    # A tenth of the training, a thinner network, all sentences.
    "medium": Preset(min_accuracy=75.0, max_seconds=25.0, epochs=0.1, width=0.25, halve_every=5),
    # The same on fewer and shorter sentences, of their commoner words.
    "quick": Preset(
        min_accuracy=60.0,
        max_seconds=5.0,
        epochs=0.1,
        width=0.25,
        halve_every=5,
        sentences=3000,
        length=32,
        min_count=2,
    ),
}


@dataclass(frozen=True)
class Configuration:
    """One configuration in the terms of the formulas.

    Attributes:
        filter_sizes: k_1, k_2, k_3.
        feature_maps: m.
        embed_dim: E.
        dropout: Share of features dropped before the classifier.
        learning_rate: Of the first epochs.
        max_grad_norm: Upper bound of the norm of all gradients together.
        epochs: Passes over the training sentences.
        batch_size: Sentences per step.
    """

    filter_sizes: tuple[int, int, int]
    feature_maps: int
    embed_dim: int
    dropout: float
    learning_rate: float
    max_grad_norm: float
    epochs: int
    batch_size: int

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any], preset: Preset) -> Configuration:
        """Read the 10 published parameters, scaled by the preset."""
        return cls(
            filter_sizes=(values["filter_size_1"], values["filter_size_2"], values["filter_size_3"]),
            feature_maps=max(2, round(preset.width * values["num_feature_maps"])),
            embed_dim=max(2, round(preset.width * values["embed_dim"])),
            dropout=values["dropout_rate"],
            learning_rate=math.exp(values["log_learning_rate"]),
            max_grad_norm=values["max_grad_norm"],
            epochs=max(1, round(preset.epochs * values["epochs"])),
            batch_size=values["batch_size"],
        )

    def parameter_count(self, vocabulary: int) -> int:
        """Trainable parameters: V E + sum over i of (k_i E + 1) m, plus 2 (3 m + 1)."""
        filters = sum((size * self.embed_dim + 1) * self.feature_maps for size in self.filter_sizes)
        return vocabulary * self.embed_dim + filters + _CLASSES * (3 * self.feature_maps + 1)

    def rate(self, epoch: int, halve_every: int) -> float:
        """The learning rate in an epoch, counted from 1."""
        return self.learning_rate * 0.5 ** ((epoch - 1) // halve_every)


class SentenceCnn(torch.nn.Module):  # type: ignore[misc]  # torch carries no types here
    """Maps (batch, L) word indices to (batch, 2) logits. Draws its weights from torch's generator."""

    def __init__(self, configuration: Configuration, vocabulary: int) -> None:
        super().__init__()
        maps, width = configuration.feature_maps, configuration.embed_dim
        self.embedding = torch.nn.Embedding(vocabulary, width)
        self.convolutions = torch.nn.ModuleList(
            torch.nn.Conv1d(width, maps, size) for size in configuration.filter_sizes
        )
        self.dropout = torch.nn.Dropout(configuration.dropout)
        self.classifier = torch.nn.Linear(3 * maps, _CLASSES)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.zeros_(parameter)
            else:
                torch.nn.init.uniform_(parameter, -_START, _START)

    def forward(self, words: Any) -> Any:
        """Logits of a batch of sentences."""
        vectors = self.embedding(words).transpose(1, 2)  # (batch, E, L)
        # relu after the maximum: the same value, on a fraction of the numbers.
        features = [conv(vectors).max(2).values.relu() for conv in self.convolutions]  # 3 of (batch, m)
        return self.classifier(self.dropout(torch.cat(features, 1)))
