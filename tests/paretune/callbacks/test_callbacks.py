"""Callbacks within real trainings of a real model, with a real trial."""

from importlib import import_module

import numpy as np
import pytest

import paretune as pt
from paretune.callbacks import Epochs
from paretune.client import calls
from paretune.errors import InvalidArgument
from paretune.observation import OutcomeKind

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("float32")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pt.local(tmp_path_factory.mktemp("callbacks") / "tune.db", trainer_slots=0) as client:
        yield client.create_experiment(
            name="callbacks", parameters=[pt.Double("rate", 0.001, 0.1)], policy="random",
            metrics=[pt.Maximize("accuracy"), pt.Minimize("loss")],
        )  # fmt: skip


def checkpoints(experiment, trial):
    return list(experiment.client.list_checkpoints(trial.suggestion.id))


def stop_at(experiment, trial, step):
    """Ask the trial to stop once `step` is recorded, as an early-stopping rule does."""
    checkpoint = trial.checkpoint

    def watched(number, values=None, /, **named):
        if number == step:
            experiment.client.run(calls.stop(trial.suggestion.id, "enough", trial.suggestion.attempt, None))
        return checkpoint(number, values, **named)

    trial.checkpoint = watched


def fit_keras(callback, epochs):
    import keras
    import tensorflow as tf

    # As in trials: once begun, TensorFlow keeps its number of threads, and other tests here want one.
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, validation_split=0.25, epochs=epochs, verbose=0, callbacks=[callback])


def fit_lightning(callback, epochs):
    import torch
    from pytorch_lightning import LightningModule, Trainer
    from torch.utils.data import DataLoader, TensorDataset

    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, index):
            x, y = batch
            return torch.nn.functional.binary_cross_entropy_with_logits(self.layer(x)[:, 0], y)

        def validation_step(self, batch, index):
            x, y = batch
            out = self.layer(x)[:, 0]
            self.log("val_loss", torch.nn.functional.binary_cross_entropy_with_logits(out, y))
            self.log("val_accuracy", ((out > 0) == (y > 0.5)).float().mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    data = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=16)
    trainer = Trainer(
        max_epochs=epochs, callbacks=[callback], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    trainer.fit(Module(), data, data)


@pytest.mark.filterwarnings("ignore")  # of the frameworks
@pytest.mark.parametrize(("module", "fit"), [("keras", fit_keras), ("lightning", fit_lightning)])
def test_epochs_become_checkpoints_and_a_stop_ends_the_training(experiment, module, fit):
    made = import_module(f"paretune.callbacks.{module}").Checkpoints
    names = {"accuracy": "val_accuracy", "loss": "val_loss"}
    trials = experiment.trials()
    with next(trials) as trial:
        epochs = made(trial, names)
        fit(epochs, 3)
        recorded = checkpoints(experiment, trial)
        assert [one.step for one in recorded] == [1, 2, 3]
        assert {value.metric for value in recorded[-1].values} == {"accuracy", "loss"}
        assert (epochs.step, epochs.stopped) == (3, False)
        trial.observe(accuracy=0.5, loss=1.0)
    with next(trials) as trial:
        stop_at(experiment, trial, 2)
        epochs = made(trial, names)
        fit(epochs, 50)
        assert (epochs.step, epochs.stopped) == (2, True)
        trial.stopped_early(epochs.step, accuracy=0.5)
    assert trial.observation.outcome.kind is OutcomeKind.STOPPED_EARLY
    trials.close()


class Handle:
    """As a Trainer gives a workload."""

    def __init__(self):
        self.sent = []

    def checkpoint(self, step, **metrics):
        self.sent.append((step, metrics))

    def should_stop(self):
        return len(self.sent) == 2


def test_the_handle_of_a_trainer_and_missing_metrics():
    handle = Handle()
    epochs = Epochs(handle, ["loss"])
    assert [epochs.ended(epoch, {"loss": 1.0 / (epoch + 1)}) for epoch in range(2)] == [False, True]
    assert handle.sent == [(1, {"loss": 1.0}), (2, {"loss": 0.5})]
    with pytest.raises(InvalidArgument, match="did you mean 'val_loss'"):
        Epochs(handle, {"loss": "valloss"}).ended(0, {"val_loss": 1.0})
