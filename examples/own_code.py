"""Code of your own as a workload: a function of parameters and a handle; see own_code.yaml.

A perceptron of one hidden layer learns the exclusive or, in plain Python: a second per trial.
"""

import math
import random
from collections.abc import Mapping
from typing import Any

POINTS = [((0.0, 0.0), 0.0), ((0.0, 1.0), 1.0), ((1.0, 0.0), 1.0), ((1.0, 1.0), 0.0)]


def train(parameters: Mapping[str, Any], trial: Any) -> dict[str, float]:
    """Train one configuration; `parameters` have their types, `trial` is described in workload.py."""
    draw = random.Random(trial.seed)
    hidden = parameters["hidden"]
    inner = [[draw.gauss(0, 1) for _ in range(3)] for _ in range(hidden)]
    outer = [draw.gauss(0, 1) for _ in range(hidden + 1)]
    epochs = int(trial.settings["epochs"])
    loss = 0.0
    for epoch in range(1, epochs + 1):
        loss = 0.0
        for x, wanted in POINTS:
            values = [math.tanh(w[0] * x[0] + w[1] * x[1] + w[2]) for w in inner]
            error = sum(o * v for o, v in zip(outer, [*values, 1.0], strict=True)) - wanted
            loss += error * error / len(POINTS)
            for unit, value in enumerate(values):
                slope = parameters["rate"] * error * outer[unit] * (1 - value * value)
                inner[unit] = [w - slope * part for w, part in zip(inner[unit], (*x, 1.0), strict=True)]
                outer[unit] -= parameters["rate"] * error * value
            outer[hidden] -= parameters["rate"] * error
        if epoch % 10 == 0:
            trial.checkpoint(epoch, loss=loss, weights=4 * hidden + 1)
            if trial.should_stop():
                break
    return {"loss": loss, "weights": 4 * hidden + 1}  # a value, or (value, standard error)
