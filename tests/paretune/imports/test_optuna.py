"""Studies that Optuna itself made, in real storages."""

import warnings

import optuna
import pytest
from sqlalchemy.exc import SAWarning

import paretune as pt
from paretune.errors import InvalidArgument
from paretune.experiment import Strategy
from paretune.imports import ORIGIN
from paretune.imports.optuna import read as read_optuna
from paretune.observation import OutcomeKind

optuna.logging.set_verbosity(optuna.logging.ERROR)


def objective(trial):
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    layers = trial.suggest_int("layers", 1, 3)
    booster = trial.suggest_categorical("booster", ["tree", "dart", None])
    trial.suggest_categorical("on", [True, False])
    trial.suggest_float("keep", 0.1, 0.9, step=0.1)
    trial.suggest_int("units", 16, 64, step=16)
    trial.suggest_int("always", 5, 5)
    drop = trial.suggest_float("drop", 0, 1) if booster == "dart" else 0.0
    if layers == 3:
        trial.suggest_int("third", 1, 8)
    trial.set_user_attr("note", "hello")
    if trial.number == 4:
        raise RuntimeError("boom")
    return lr + drop, float(layers)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """A study of two values in SQLite; the last trial still runs."""
    url = f"sqlite:///{tmp_path_factory.mktemp('optuna') / 'study.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            storage=url, study_name="boosted", directions=["minimize", "maximize"],
            sampler=optuna.samplers.NSGAIISampler(seed=1, constraints_func=lambda t: [t.params["lr"] - 0.05]),
        )  # fmt: skip
        study.set_metric_names(["loss", "layers_used"])
        study.optimize(objective, n_trials=20, catch=(RuntimeError,))
        study.ask()
    return url


def test_a_study_with_conditions_and_constraints(storage):
    foreign = read_optuna(storage)
    e = foreign.experiment
    space = {parameter.name: parameter for parameter in e.space}
    assert space["lr"] == pt.Double("lr", 1e-4, 1e-1, log=True)
    assert space["booster"].choices == ("tree", "dart", "None")
    assert space["on"].choices == ("True", "False")
    assert space["units"] == pt.Int("units", grid=[16, 32, 48, 64])
    assert len(space["keep"].grid) == 9
    assert space["drop"].condition == pt.Condition("booster", ("dart",))
    assert space["third"].condition == pt.Condition("layers", (3,))
    assert "always" not in space
    assert e.metadata["fixed.always"] == "5"
    assert e.metrics == (
        pt.Minimize("loss"),
        pt.Maximize("layers_used"),
        pt.Minimize("constraint_0", strategy=Strategy.CONSTRAIN, threshold=0),
    )
    for observation in foreign.observations:
        e.space.validate(observation.assignments)
    assert len(foreign.observations) == 20
    assert foreign.observations[4].outcome.kind is OutcomeKind.CRASHED
    assert foreign.observations[7].metadata == {ORIGIN: "optuna trial 7", "note": "hello"}
    assert foreign.observations[7].start_time.tzinfo is not None
    assert any("still run" in sentence for sentence in foreign.remarks)


def test_a_single_value_with_pruned_trials_in_a_journal(tmp_path):
    file = tmp_path / "study.journal"

    def pruned(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, step=3)
        if trial.number % 2:
            raise optuna.TrialPruned
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend = optuna.storages.journal.JournalFileBackend(str(file))
        study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="one")
        study.optimize(pruned, n_trials=4)
    foreign = read_optuna(str(file), metrics=["error"])
    assert foreign.experiment.metrics == (pt.Minimize("error"),)
    second = foreign.observations[1]
    assert second.outcome.kind is OutcomeKind.STOPPED_EARLY
    assert second.outcome.step == 3
    assert second.value("error") == second.assignments["x"]


def test_what_cannot_be_expressed_is_told(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        study = optuna.create_study(storage=url, study_name="odd")
        with pytest.raises(InvalidArgument, match="no finished trial"):
            read_optuna(url)

        def odd(trial):
            x = trial.suggest_float("x", 0, 1)
            return trial.suggest_float("y", 0, 1) if x > 0.5 else x

        study.optimize(odd, n_trials=8)
        with pytest.raises(InvalidArgument, match="Only some trials"):
            read_optuna(url)
        optuna.create_study(storage=url, study_name="second")
        with pytest.raises(InvalidArgument, match="--study"):
            read_optuna(url)
        with pytest.raises(InvalidArgument, match="no study 'third'"):
            read_optuna(url, "third")
        with pytest.raises(InvalidArgument, match="names are given"):
            read_optuna(url, "odd", ["a", "b"])
    with pytest.raises(InvalidArgument, match="no file"):
        read_optuna(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(InvalidArgument, match="neither a URL"):
        read_optuna(str(tmp_path / "none.journal"))
