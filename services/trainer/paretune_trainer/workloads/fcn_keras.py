"""The fully convolutional network of `fcn.py` in Keras on TensorFlow.

One known difference from PyTorch: the running variance of batch normalisation is that
of the batch here and its unbiased estimate there, under one part in a thousand apart
at the published batch sizes and lengths.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Both are read once, when the frameworks are imported below. The first is the backend
# unless the user has chosen one; the second silences start-up notices.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

from paretune_trainer.workload import Infeasible
from paretune_trainer.workloads.adiac import Split
from paretune_trainer.workloads.fcn import BATCH_NORM_EPSILON, CLASSES, Configuration, LearningRate
from paretune_trainer.workloads.measure import latency_clock


def build(
    configuration: Configuration, kernels: Sequence[NDArray[np.float32]], momentum: float, length: int
) -> Any:
    """The network, with `kernels` as its first weights; maps (batch, length, 1) to logits."""
    layers: list[Any] = [keras.Input((length, 1))]
    for _, filters, size in configuration.blocks():
        layers += [
            keras.layers.Conv1D(filters, size, padding="same"),
            keras.layers.BatchNormalization(momentum=momentum, epsilon=BATCH_NORM_EPSILON),
            keras.layers.ReLU(),
        ]
    layers += [keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(CLASSES)]
    network = keras.Sequential(layers)
    weighted = [
        layer for layer in network.layers if isinstance(layer, keras.layers.Conv1D | keras.layers.Dense)
    ]
    for layer, kernel in zip(weighted, kernels, strict=True):
        layer.kernel.assign(kernel)  # Keras keeps (length, in, out); biases start at 0
    return network


def _choose_device(wanted: str, threads: int) -> str:
    """The TensorFlow name of the device in the setting `device`; also limits threads.

    Raises:
        ValueError: The setting names nothing known, or a GPU where there is none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in gpus:
        # The default takes the whole device's memory, and other trials may share it.
        tf.config.experimental.set_memory_growth(gpu, True)
    if wanted == "cpu" or (wanted == "auto" and not gpus):
        return "/CPU:0"
    kind, _, index = wanted.partition(":")
    if wanted == "auto" or (kind == "cuda" and int(index or 0) < len(gpus)):
        return f"/GPU:{index or 0}"
    raise ValueError(f"device {wanted!r} is not here; use auto, cpu{', cuda or cuda:N' if gpus else ''}")


class KerasFcn:
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
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"framework keras needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()}")
        place = _choose_device(device, threads)
        self.clock = latency_clock("cpu" if place == "/CPU:0" else "gpu", threads)
        with tf.device(place):
            network = build(configuration, kernels, momentum, train.sequences.shape[1])
            optimizer = keras.optimizers.Adam(
                configuration.learning_rate,
                beta_1=configuration.beta_1,
                beta_2=configuration.beta_2,
                epsilon=configuration.epsilon,
            )
            optimizer.build(network.trainable_variables)
            train_x = tf.constant(train.sequences[:, :, None])  # (examples, length, 1)
            train_y = tf.constant(train.labels)  # (examples,)
            valid_x = tf.constant(valid.sequences[:, :, None])

        def step(rows: Any) -> Any:
            with tf.GradientTape() as tape:
                logits = network(tf.gather(train_x, rows), training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(train_y, rows), logits)
                loss = tf.reduce_mean(losses)
            optimizer.apply(tape.gradient(loss, network.trainable_variables))
            return loss

        # Any batch length: otherwise an epoch's shorter last batch compiles a second graph.
        self._step = tf.function(step, input_signature=[tf.TensorSpec([None], tf.int64)])
        self._infer = tf.function(lambda: network(valid_x, training=False))
        self._optimizer, self._valid_y = optimizer, valid.labels

        self.parameter_count = sum(int(np.prod(v.shape)) for v in network.trainable_variables)

    @staticmethod
    @contextmanager
    def guard() -> Iterator[None]:
        """Turn running out of memory into `Infeasible`."""
        try:
            yield
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise Infeasible(f"out of memory: {str(error).partition(chr(10))[0]}") from error

    def train_epoch(self, batches: Sequence[NDArray[np.int64]], rate: LearningRate) -> float:
        """Take one step per batch; the mean loss over the examples."""
        total = tf.zeros(())
        for batch in batches:
            self._optimizer.learning_rate.assign(rate.next())
            total += self._step(tf.constant(batch)) * len(batch)
        return float(total) / sum(len(batch) for batch in batches)

    def infer(self) -> Any:
        """Logits of the whole validation set, (examples, classes), in one batch.

        They come as a NumPy array, which a GPU can only give once its work is done.
        """
        return self._infer().numpy()

    def synchronize(self) -> None:
        """Do nothing: `infer` has waited for the device already."""

    def correct(self) -> int:
        """How many validation sequences are classified correctly."""
        return int((self.infer().argmax(1) == self._valid_y).sum())
