"""The public names are a promise: adding one is a decision, removing one breaks somebody's program."""

import subprocess
import sys

import paretune

NAMES = [
    "Beta",
    "Categorical",
    "Client",
    "Condition",
    "Directive",
    "Double",
    "EarlyStopping",
    "EarlyStoppingRule",
    "Experiment",
    "ExperimentHandle",
    "ExperimentState",
    "Fidelity",
    "Goal",
    "Int",
    "LeasePolicy",
    "LinearConstraint",
    "Maximize",
    "Metric",
    "MetricValue",
    "Minimize",
    "Normal",
    "Observation",
    "Outcome",
    "OutcomeKind",
    "ParetoFront",
    "ParetoPoint",
    "ParetuneError",
    "Policy",
    "Prediction",
    "Provenance",
    "RelativeThreshold",
    "SearchSpace",
    "Strategy",
    "Suggestion",
    "SuggestionState",
    "Trial",
    "Weights",
    "Workload",
    "aio",
    "connect",
    "errors",
    "local",
]

HEAVY = [
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "sklearn",
    "torch",
    "tensorflow",
    "typer",
    "rich",
    "yaml",
    "pydantic",
    "sqlite3",
]


def test_public_names_are_exactly_these():
    assert sorted(paretune.__all__) == sorted(NAMES)


def test_every_public_name_is_there_and_documented():
    for name in NAMES:
        assert getattr(paretune, name).__doc__, name


def test_import_loads_nothing_heavy():
    program = f"import sys, paretune; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
