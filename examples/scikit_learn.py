"""Tune a scikit-learn classifier: error against the time of a prediction, which compete.

    python examples/scikit_learn.py [DATABASE]

Run again, it goes on where it stopped. What a fold measured becomes value and standard error.
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_validate

import paretune as pt

TRIALS = 12


def measured(values: np.ndarray) -> tuple[float, float]:
    """Mean of the folds and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def main(database: str = "scikit_learn.db") -> None:
    """Search, then print the efficient configurations."""
    x, y = load_digits(return_X_y=True)
    with pt.local(database, trainer_slots=0) as client:
        experiment = client.create_experiment(
            name="forests",
            id="forests",
            exist_ok=True,
            parameters=[
                pt.Int("n_estimators", 2, 100, log=True),
                pt.Int("max_depth", 2, 16),
                pt.Categorical("bootstrap", ["yes", "no"]),
                pt.Double("max_samples", 0.2, 1.0, when={"bootstrap": ["yes"]}),
            ],
            metrics=[pt.Minimize("error"), pt.Minimize("predict_ms", unit="ms")],
            observation_budget=TRIALS,
        )
        for trial in experiment.trials():
            with trial:
                settings = dict(trial.assignments)
                settings["bootstrap"] = settings["bootstrap"] == "yes"
                model = RandomForestClassifier(**settings, random_state=0)
                folds = cross_validate(model, x, y, cv=3)
                trial.observe(
                    error=measured(1 - folds["test_score"]), predict_ms=measured(1000 * folds["score_time"])
                )
        for point in experiment.pareto_front():
            print(point.assignments, point.values)


if __name__ == "__main__":
    main(*sys.argv[1:])
