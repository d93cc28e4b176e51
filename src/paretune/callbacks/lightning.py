"""For PyTorch Lightning 2, as `lightning` or as `pytorch_lightning`: `Checkpoints`.

from paretune.callbacks.lightning import Checkpoints

with trial:
epochs = Checkpoints(trial, {"accuracy": "val_accuracy"})
Trainer(max_epochs=50, callbacks=[epochs]).fit(module, train, validate)
if epochs.stopped:
trial.stopped_early(epochs.step, accuracy=...)
else:
trial.observe(accuracy=..., inference_ms=...)
"""

import importlib.util
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from paretune.callbacks.epochs import Epochs

# The same library under two names, with classes that do not know each other: the one that is there.
_library = import_module(
    "lightning.pytorch" if importlib.util.find_spec("lightning") else "pytorch_lightning"
)


class Checkpoints(_library.Callback):  # type: ignore[misc, name-defined] # known when it runs
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

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """See Lightning; the validation of the epoch is done by then."""
        if trainer.is_global_zero and self._epochs.ended(trainer.current_epoch, trainer.callback_metrics):
            trainer.should_stop = True
