"""For Keras 3: `Checkpoints`.

from paretune.callbacks.keras import Checkpoints

with trial:
epochs = Checkpoints(trial, {"accuracy": "val_accuracy"})
model.fit(x, y, validation_split=0.2, epochs=50, callbacks=[epochs])
if epochs.stopped:
trial.stopped_early(epochs.step, accuracy=...)
else:
trial.observe(accuracy=..., inference_ms=...)
"""

from collections.abc import Mapping
from typing import Any

import keras

from paretune.callbacks.epochs import Epochs


class Checkpoints(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no types
    """Streams metrics after each epoch, and stops training when the trial should stop; see `Epochs`."""

    def __init__(self, trial: Any, metrics: Mapping[str, str] | list[str] | tuple[str, ...]) -> None:
        super().__init__()
        self._epochs = Epochs(trial, metrics)

    @property
    def step(self) -> int:
        """Epochs done so far."""
        return self._epochs.step

    @property
    def stopped(self) -> bool:
        """Whether the training was asked to stop."""
        return self._epochs.stopped

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """See Keras."""
        if self._epochs.ended(epoch, logs or {}):
            self.model.stop_training = True
