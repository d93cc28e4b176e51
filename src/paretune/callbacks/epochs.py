"""What all callbacks do after an epoch: send a checkpoint, and find out whether to go on."""

from collections.abc import Mapping
from typing import Any

from paretune.errors import InvalidArgument
from paretune.parameters import unknown_name


class Epochs:
    """Sends the metrics of each epoch of one trial.

    Args:
        trial: a `paretune.Trial`, or the handle that a Trainer gives a workload.
        metrics: metric of the experiment -> name under which the framework knows it, such as
            ``{"accuracy": "val_accuracy"}``; or the names that both use.

    Attributes:
        step: epochs done so far.
        stopped: whether the training was asked to stop; then `step` is the last epoch, for
            ``trial.stopped_early(step, ...)``.
    """

    def __init__(self, trial: Any, metrics: Mapping[str, str] | list[str] | tuple[str, ...]) -> None:
        self._trial = trial
        self._names = dict(metrics) if isinstance(metrics, Mapping) else {name: name for name in metrics}
        self.step = 0
        self.stopped = False

    def ended(self, epoch: int, known: Mapping[str, Any]) -> bool:
        """After an epoch, counted from 0: whether training should stop now.

        Args:
            epoch: number of the epoch.
            known: what the framework measured, by its own names; numbers, or tensors with one number.

        Raises:
            InvalidArgument: a metric is missing, with those that there are.
        """
        self.step = epoch + 1
        vector = {}
        for metric, name in self._names.items():
            if name not in known:
                raise InvalidArgument.of(f"metrics[{metric!r}]", unknown_name("measured value", name, known))
            vector[metric] = float(known[name])
        self._trial.checkpoint(self.step, **vector)
        should_stop = self._trial.should_stop  # a property of a Trial, a method of a Trainer's handle
        self.stopped = bool(should_stop() if callable(should_stop) else should_stop)
        return self.stopped
