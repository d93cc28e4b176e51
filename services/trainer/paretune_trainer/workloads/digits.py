"""Workload `digits`: a small convolutional network on scikit-learn's 8x8 digits.

Two convolutions, so that width and kernel size buy accuracy and cost inference time:

    conv(1 -> f1, k) act pool/2 conv(f1 -> f2, k) act global-max dropout linear(f2 -> 10)

The global maximum leaves the classifier one number per filter; with the usual flattening,
which leaves sixteen, four filters are already nearly as good as sixty and there is no
trade-off to search.

The data are the 1,797 images of the UCI "Optical recognition of handwritten digits"
test set (Alpaydin and Kaynak, 1998) that scikit-learn carries. The last 500 validate:
the file is ordered by writer, so the network is judged on handwriting it has not seen.
"""

from __future__ import annotations

import gzip
import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from paretune_trainer.workload import Infeasible, Measured, TrialHandle, Value
from paretune_trainer.workloads.adam import Adam
from paretune_trainer.workloads.catalog import DIGITS
from paretune_trainer.workloads.measure import accuracy_with_error, latency_clock, rough_time, time_call
from paretune_trainer.workloads.torch_device import (
    choose_device,
    keep_host_memory,
    memory_exhaustion_is_infeasible,
    synchronizer,
)

_VALIDATION: Final = 500
_ACTIVATIONS: Final = {"relu": torch.nn.ReLU, "gelu": torch.nn.GELU, "tanh": torch.nn.Tanh}


def digits(parameters: Mapping[str, Value], trial: TrialHandle) -> Mapping[str, Measured]:
    """Train one network and measure it.

    Args:
        parameters: See `catalog.DIGITS`; those left out take their defaults.
        trial: Its settings may hold `epochs`, `device`, `threads`.

    Returns:
        `accuracy` on 500 images and `inference_ms` for all of them, each with its
        standard error.

    Raises:
        Infeasible: The loss is no longer finite, or memory ran out.
        ValueError: A parameter or setting is not understood.
    """
    values: dict[str, Any] = DIGITS.complete_parameters(parameters)
    settings = DIGITS.complete_settings(trial.settings)
    epochs = int(settings["epochs"])
    threads = int(settings["threads"])
    torch.set_num_threads(threads)
    keep_host_memory()
    device = choose_device(settings["device"])
    # Initial weights and dropout draw from torch's global generator.
    torch.manual_seed(trial.seed)
    order = np.random.default_rng(trial.seed)

    with memory_exhaustion_is_infeasible():
        images, labels = (torch.from_numpy(array).to(device) for array in load_digits())
        train_x, train_y = images[:-_VALIDATION], labels[:-_VALIDATION]
        valid_x, valid_y = images[-_VALIDATION:], labels[-_VALIDATION:]
        network = build_network(values).to(device)
        adam = Adam(network.parameters())
        steps = math.ceil(len(train_x) / values["batch_size"])
        accuracy = accuracy_with_error(0, len(valid_y))
        milliseconds = 0.0

        def infer() -> object:
            return network(valid_x)

        for epoch in range(1, epochs + 1):
            network.train()
            total = torch.zeros((), device=device)
            shuffled = torch.from_numpy(order.permutation(len(train_x))).to(device)
            for step, batch in enumerate(shuffled.split(values["batch_size"])):
                adam.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(train_x[batch]), train_y[batch])
                loss.backward()
                # A cosine to zero: ten epochs are too few to find a good last step size by chance.
                progress = ((epoch - 1) * steps + step) / (epochs * steps)
                adam.step(values["learning_rate"] * 0.5 * (1 + math.cos(math.pi * progress)))
                total += loss.detach()
            if not math.isfinite(float(total)):
                raise Infeasible(f"the training loss is {float(total)} in epoch {epoch}")
            network.eval()
            with torch.inference_mode():
                correct = int((network(valid_x).argmax(1) == valid_y).sum())
                milliseconds = milliseconds or 1e3 * rough_time(infer, trial, synchronizer(device))
            accuracy = accuracy_with_error(correct, len(valid_y))
            trial.checkpoint(epoch, accuracy=accuracy[0], inference_ms=milliseconds)
            if trial.should_stop():
                break

        network.eval()
        with torch.inference_mode():
            timing = time_call(
                infer,
                trial=trial,
                synchronize=synchronizer(device),
                budget_s=0.5,
                clock=latency_clock(device.type, threads),
            )
    return {"accuracy": accuracy, "inference_ms": timing.scaled(1e3)}


def build_network(values: Mapping[str, Any]) -> Any:
    """The untrained network; maps (batch, 1, 8, 8) to (batch, 10) logits."""
    filters_1, filters_2 = values["conv_1_filters"], values["conv_2_filters"]
    kernel, activation = values["kernel_size"], _ACTIVATIONS[values["activation"]]
    # Padding by hand: torch's padding="same" warns and copies for even kernels.
    margin = ((kernel - 1) // 2, kernel // 2) * 2
    return torch.nn.Sequential(
        torch.nn.ZeroPad2d(margin),
        torch.nn.Conv2d(1, filters_1, kernel),  # (batch, filters_1, 8, 8)
        activation(),
        torch.nn.MaxPool2d(2),  # (batch, filters_1, 4, 4)
        torch.nn.ZeroPad2d(margin),
        torch.nn.Conv2d(filters_1, filters_2, kernel),  # (batch, filters_2, 4, 4)
        activation(),
        torch.nn.AdaptiveMaxPool2d(1),
        torch.nn.Flatten(),  # (batch, filters_2)
        torch.nn.Dropout(values["dropout"]),
        torch.nn.Linear(filters_2, 10),
    )


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The images, (1797, 1, 8, 8) in -0.5..0.5, and their labels, (1797,) in 0..9.

    Reads scikit-learn's data file without importing scikit-learn, which would add
    about a second to the start of each trial.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
        FileNotFoundError: This scikit-learn keeps its digits elsewhere.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the digits workload reads its images from scikit-learn: install it")
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)  # (1797, 65), pixels 0..16 then the label
    images = (table[:, :64].reshape(-1, 1, 8, 8) / 16 - 0.5).astype(np.float32)
    return images, table[:, 64].astype(np.int64)
