"""The fully convolutional network of `fcn.py` in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from paretune_trainer.workloads.adam import Adam
from paretune_trainer.workloads.adiac import Split
from paretune_trainer.workloads.fcn import BATCH_NORM_EPSILON, CLASSES, Configuration, LearningRate
from paretune_trainer.workloads.measure import latency_clock
from paretune_trainer.workloads.torch_device import (
    choose_device,
    keep_host_memory,
    memory_exhaustion_is_infeasible,
    synchronizer,
)


def build(configuration: Configuration, kernels: Sequence[NDArray[np.float32]], momentum: float) -> Any:
    """The network, with `kernels` as its first weights; maps (batch, 1, length) to logits."""
    layers: list[Any] = []
    for (before, filters, length), kernel in zip(configuration.blocks(), kernels[:3], strict=True):
        convolution = torch.nn.Conv1d(before, filters, length)
        _set(convolution, kernel.transpose(2, 1, 0))  # torch keeps (out, in, length)
        layers += [
            # By hand, for torch's padding="same" warns and copies for even lengths. The odd
            # point goes to the right, as in Keras.
            torch.nn.ConstantPad1d(((length - 1) // 2, length // 2), 0.0),
            convolution,
            # torch counts the weight of the present, Keras that of the past.
            torch.nn.BatchNorm1d(filters, eps=BATCH_NORM_EPSILON, momentum=1 - momentum),
            torch.nn.ReLU(),
        ]
    classifier = torch.nn.Linear(configuration.filters[-1], CLASSES)
    _set(classifier, kernels[3].T)
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), classifier)


def _set(layer: Any, weight: NDArray[np.float32]) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.zero_()


class TorchFcn:
    """A network with its optimizer and its data on one device; see `diatoms.Network`."""

    def __init__(
        self,
        configuration: Configuration,
        kernels: Sequence[NDArray[np.float32]],
        train: Split,
        valid: Split,
        *,
        momentum: float,
        device: str,
        threads: int,
    ) -> None:
        torch.set_num_threads(threads)
        keep_host_memory()
        place = choose_device(device)
        self._network = build(configuration, kernels, momentum).to(place)
        self._adam = Adam(
            self._network.parameters(),
            beta_1=configuration.beta_1,
            beta_2=configuration.beta_2,
            epsilon=configuration.epsilon,
        )
        # (examples, 1, length) and (examples,), kept on the device: an epoch of this
        # data set is shorter than moving it batch by batch.
        self._train_x = torch.from_numpy(train.sequences[:, None, :]).to(place)
        self._train_y = torch.from_numpy(train.labels).to(place)
        self._valid_x = torch.from_numpy(valid.sequences[:, None, :]).to(place)
        self._valid_y = torch.from_numpy(valid.labels).to(place)
        self._place = place
        self.clock = latency_clock(place.type, threads)
        self.synchronize = synchronizer(place)
        self.parameter_count = sum(p.numel() for p in self._network.parameters() if p.requires_grad)

    @staticmethod
    @contextmanager
    def guard() -> Iterator[None]:
        """Turn running out of memory into `Infeasible`."""
        with memory_exhaustion_is_infeasible():
            yield

    def train_epoch(self, batches: Sequence[NDArray[np.int64]], rate: LearningRate) -> float:
        """Take one step per batch; the mean loss over the examples."""
        self._network.train()
        # Summed on the device: reading each batch's loss would make the GPU wait.
        total = torch.zeros((), device=self._place)
        for batch in batches:
            rows = torch.from_numpy(batch).to(self._place)
            self._adam.zero_grad()
            logits = self._network(self._train_x[rows])
            loss = torch.nn.functional.cross_entropy(logits, self._train_y[rows])
            loss.backward()
            self._adam.step(rate.next())
            total += loss.detach() * len(batch)
        return float(total) / sum(len(batch) for batch in batches)

    def infer(self) -> Any:
        """Logits of the whole validation set, (examples, classes), in one batch."""
        self._network.eval()
        with torch.inference_mode():
            return self._network(self._valid_x)

    def correct(self) -> int:
        """How many validation sequences are classified correctly."""
        return int((self.infer().argmax(1) == self._valid_y).sum())
