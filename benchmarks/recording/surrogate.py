"""Models of recorded trainings, so that a search of hundreds of trainings takes minutes.

    python -m benchmarks.recording.surrogate      # how well they predict, by cross-validation

Everything that comes from here is an estimate and is labelled so wherever it is shown.

Each metric is predicted by extremely randomized trees (Geurts, Ernst, Wehenkel, Machine Learning 63, 2006)
from the parameters and from what theory says about cost and learning: multiplications per layer, steps, and
the learning rate beside them. Trees, not Gaussian processes: those are what the search under test believes
in, and it would meet its own beliefs again. Time is predicted as its logarithm; where trainings end at a
limit of time, as time per epoch, which is known of trainings that were cut, too.

A training fails where most trees say that its loss diverges, and where its metrics miss the limits of the
workload. A measurement scatters around the prediction by as much as trainings repeated with other seeds do.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import moocore
import numpy as np
from benchmarks.comparison.problems import Problem
from benchmarks.recording.table import DATA, Array, Table, load
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from paretune_trainer.schema import parameter_of
from paretune_trainer.workload import builtin_workloads

TREES = 200
FOLDS = 10
Features = Callable[[Array], Array]


def diatom_features(X: Array) -> Array:
    """Parameters; log multiplications of each convolution and of all; log learning rate per sequence."""
    batch, f1, f2, f3, w1, w2, w3, rate = X.T[:8]
    work = np.column_stack([w1 * f1, w2 * f1 * f2, w3 * f2 * f3])
    return np.column_stack([X, np.log(work), np.log(work.sum(axis=1)), rate - np.log(batch)])


def review_features(X: Array) -> Array:
    """Parameters; epochs as trained; log steps; log learning rate over all steps; log batch and embedding."""
    _, rate, _, _, batch, embed = X.T
    epochs = review_epochs(X)
    steps = np.log(epochs / batch)
    return np.column_stack(
        [X, epochs, steps, rate + steps, rate - np.log(batch), np.log(batch), np.log(embed)]
    )


def review_epochs(X: Array) -> Array:
    """Epochs that presets quick and medium train: a tenth, at least one."""
    return np.maximum(1.0, np.round(0.1 * X[:, 3]))


@dataclass(frozen=True)
class Case:
    """A use case, as far as its surrogate needs to know it.

    Attributes:
        workload: its name; the table is `WORKLOAD_PRESET`.
        parameters: how many of the workload's parameters the table varies, from the first.
        metrics: the one to maximize, the time to minimize.
        features: of configurations, for the models.
        epochs: trained by configurations; None where no training is cut.
        limits: accuracy below and time above which a training fails; None: neither.
        learns: accuracy that only a network that learns reaches.
    """

    workload: str
    parameters: int
    metrics: tuple[str, str]
    features: Features
    learns: float
    epochs: Features | None = None
    limits: tuple[float, float] | None = None


CASES = {
    "diatoms": Case("diatoms", 12, ("accuracy", "inference_time"), diatom_features, 0.2),
    "rotten_tomatoes": Case(
        "rotten_tomatoes", 6, ("accuracy", "training_time"), review_features, 60.0, review_epochs, (60.0, 5.0)
    ),
}


class Forest:
    """Mean of many trees; one configuration costs milliseconds."""

    def __init__(self, X: Array, y: Array) -> None:
        """Fit features (n x f) to targets (n). Same input, same trees."""
        self._forest = ExtraTreesRegressor(TREES, max_features=0.8, min_samples_leaf=2, random_state=0)
        self._forest.fit(X, y)

    def __call__(self, X: Array) -> Array:
        """Predict (n) from features (n x f)."""
        # Asked one by one, the trees spare the threads that scikit-learn would start for each call.
        rows = X.astype(np.float32)
        return np.mean([tree.tree_.predict(rows)[:, 0] for tree in self._forest.estimators_], axis=0)


@dataclass(frozen=True)
class Targets:
    """What the models learn from the rows of a table: masks and values (n).

    Attributes:
        accuracy: at the end of training, NaN where it is not known.
        log_time: log seconds, of an epoch where trainings are cut; NaN where not known.
        diverged: 1 where the loss was not finite, else 0.
    """

    accuracy: Array
    log_time: Array
    diverged: Array


def targets(case: Case, table: Table) -> Targets:
    """What the models learn. Of trainings that ended below the limit of accuracy, curves tell the metrics."""
    accuracy, time = (table.values[name].copy() for name in case.metrics)
    diverged = np.array(["finite" in why or " nan " in why or " inf " in why for why in table.reasons], float)
    if case.epochs is not None:
        epochs = case.epochs(table.X)
        column = {name: 1 + place for place, name in enumerate(table.curve_metrics)}
        for row, curve in enumerate(table.curves):
            if not len(curve):
                time[row] = np.nan
                continue
            step = curve[-1, 0]
            time[row] = curve[-1, column[case.metrics[1]]] / step
            if step == epochs[row]:
                accuracy[row] = curve[-1, column[case.metrics[0]]]
    return Targets(accuracy, np.log(time), diverged)


class Surrogate:
    """What trainings of a use case give, as far as recorded ones tell.

    Attributes:
        case: which.
        table: the recorded trainings.
        noise: standard deviations of a measurement: of accuracy, and of the logarithm of time.
    """

    def __init__(self, case: Case, table: Table, noise: tuple[float, float]) -> None:
        """Fit the models to a table."""
        self.case, self.table, self.noise = case, table, noise
        features, learned = case.features(table.X), targets(case, table)
        self._accuracy, self._log_time, self._diverged = (
            Forest(features[known], y[known])
            for y in (learned.accuracy, learned.log_time, learned.diverged)
            for known in (np.isfinite(y),)
        )

    def expected(self, X: Array) -> Array:
        """Accuracy and time (n x 2) of configurations (n x d) without noise; NaN where the training fails."""
        return self._failed_as_nan(X, *self._means(X))

    def measured(self, X: Array, z: Array) -> Array:
        """The same as measured, with standard normal draws z (n x 2)."""
        accuracy, log_time = self._means(X)
        return self._failed_as_nan(X, accuracy + self.noise[0] * z[:, 0], log_time + self.noise[1] * z[:, 1])

    def _means(self, X: Array) -> tuple[Array, Array]:
        features = self.case.features(X)
        log_time = self._log_time(features)
        if self.case.epochs is not None:
            log_time = log_time + np.log(self.case.epochs(X))
        return self._accuracy(features), log_time

    def _failed_as_nan(self, X: Array, accuracy: Array, log_time: Array) -> Array:
        values = np.column_stack([np.maximum(accuracy, 0.0), np.exp(log_time)])
        failed = self._diverged(self.case.features(X)) > 0.5
        if self.case.limits is not None:
            failed |= (values[:, 0] < self.case.limits[0]) | (values[:, 1] > self.case.limits[1])
        values[failed] = np.nan
        return values


def scatter(case: Case, repeats: Table) -> tuple[float, float]:
    """Standard deviations of accuracy and log time between trainings of one configuration.

    Pooled over the configurations that learn: accuracy that is that of guessing scatters less.
    """
    learned = targets(case, repeats)
    group = np.arange(len(repeats)) // repeats.making["repeats"]
    # Comparisons with NaN are false: a configuration counts when all of its trainings learned.
    useful = [g for g in np.unique(group) if np.all(learned.accuracy[group == g] > case.learns)]
    spread = []
    for y in (learned.accuracy, learned.log_time):
        parts = [y[group == g] for g in useful]
        squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
        spread.append(math.sqrt(squares / sum(len(part) - 1 for part in parts)))
    return spread[0], spread[1]


@functools.cache
def surrogate(name: str, folder: Path = DATA) -> Surrogate:
    """The surrogate of a use case; fitted once per process, in seconds."""
    case = CASES[name]
    return Surrogate(
        case, load(f"{name}_quick", folder), scatter(case, load(f"{name}_quick_repeats", folder))
    )


def problem(name: str, folder: Path = DATA) -> Problem:
    """A use case as a test problem of `benchmarks.comparison`, called `NAME_surrogate`."""
    case, table = CASES[name], load(f"{name}_quick", folder)
    specs = builtin_workloads()[case.workload].parameters[: case.parameters]
    return Problem(
        f"{name}_surrogate",
        tuple(parameter_of(spec) for spec in specs),
        lambda X: surrogate(name, folder).expected(X),
        case.limits or nadir(case, table),
        (True, False),
    )


def nadir(case: Case, table: Table) -> tuple[float, float]:
    """Worst accuracy and worst time among the efficient recorded trainings."""
    accuracy, time = (table.values[metric] for metric in case.metrics)
    efficient = efficient_rows(np.column_stack([-accuracy, time]))
    return float(accuracy[efficient].min()), float(time[efficient].max())


def efficient_rows(values: Array) -> NDArray[np.intp]:
    """Rows that no other is at least as good as, all metrics (n x 2) to be minimized; rows of NaN are none.

    Of equal rows all are efficient.
    """
    rows = np.flatnonzero(np.isfinite(values).all(axis=1))
    return rows[moocore.is_nondominated(values[rows], keep_weakly=True)] if len(rows) else rows


def cross_validated(case: Case, table: Table, folds: int = FOLDS) -> dict[str, dict[str, float]]:
    """How well the models predict trainings that they have not seen, and how well the nearest one does.

    Returns:
        For each of `trees` and `nearest`: root mean square error of accuracy (`accuracy`), the same among
        trainings that learn (`accuracy_learned`), share of the variance of accuracy that is explained
        (`accuracy_r2`), root mean square error of log time (`log_time`) and, where the workload has limits,
        share of trainings whose feasibility is predicted rightly (`feasibility`).
    """
    learned = targets(case, table)
    predicted = {kind: np.full((len(table), 3), np.nan) for kind in ("trees", "nearest")}
    for train, test in KFold(folds, shuffle=True, random_state=0).split(table.X):
        for column, y in enumerate((learned.accuracy, learned.log_time, learned.diverged)):
            known = train[np.isfinite(y[train])]
            features = case.features(table.X)
            predicted["trees"][test, column] = Forest(features[known], y[known])(features[test])
            nearest = make_pipeline(StandardScaler(), KNeighborsRegressor(1)).fit(table.X[known], y[known])
            predicted["nearest"][test, column] = nearest.predict(table.X[test])
    return {kind: _errors(case, table, learned, values) for kind, values in predicted.items()}


def _errors(case: Case, table: Table, learned: Targets, predicted: Array) -> dict[str, float]:
    off = predicted[:, 0] - learned.accuracy
    known = np.isfinite(off)
    top = known & (np.nan_to_num(learned.accuracy) > case.learns)
    errors = {
        "accuracy": float(np.sqrt(np.mean(off[known] ** 2))),
        "accuracy_learned": float(np.sqrt(np.mean(off[top] ** 2))),
        "accuracy_r2": float(1 - np.var(off[known]) / np.var(learned.accuracy[known])),
        "log_time": float(np.sqrt(np.nanmean((predicted[:, 1] - learned.log_time) ** 2))),
    }
    if case.limits is not None and case.epochs is not None:
        time = np.exp(predicted[:, 1]) * case.epochs(table.X)
        feasible = (predicted[:, 0] >= case.limits[0]) & (time <= case.limits[1]) & (predicted[:, 2] <= 0.5)
        errors["feasibility"] = float(np.mean(feasible == table.ok))
    return errors


def main() -> None:
    """Print, for both use cases, how well the surrogate predicts what it has not seen."""
    for name, case in CASES.items():
        table = load(f"{name}_quick")
        noise = scatter(case, load(f"{name}_quick_repeats"))
        print(
            f"{name}: {len(table)} trainings, {int(table.ok.sum())} feasible; {FOLDS}-fold cross-validation"
        )
        print(
            f"  repeated trainings scatter by {noise[0]:.3g} in accuracy and {100 * noise[1]:.1f} % in time"
        )
        for kind, errors in cross_validated(case, table).items():
            print(f"  {kind:8}" + ", ".join(f"{key} {value:.3g}" for key, value in errors.items()))


if __name__ == "__main__":
    main()
