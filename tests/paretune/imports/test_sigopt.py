"""SigOpt-style experiments in YAML and JSON."""

import json

import pytest

import paretune as pt
from paretune.errors import InvalidArgument
from paretune.experiment import Strategy
from paretune.imports import sigopt
from paretune.observation import OutcomeKind

YAML = """\
name: sentences
project: text
observation_budget: 120
parallel_bandwidth: 4
conditionals:
  - {name: algorithm, values: [sgd, adam]}
parameters:
  - {name: log_lr, type: double, bounds: {min: 1e-5, max: 0.1}, transformation: log}
  - {name: filters, type: int, bounds: {min: 8, max: 64}, default_value: 16}
  - {name: momentum, type: double, bounds: {min: 0, max: 0.99}, conditions: {algorithm: [sgd]}}
  - {name: batch, type: int, grid: [16, 32, 64]}
  - {name: pool, type: categorical, categorical_values: [{name: max, enum_index: 1}, {name: mean}]}
  - {name: drop, type: double, bounds: {min: 0, max: 1}, prior: {name: beta, shape_a: 2, shape_b: 5}}
metrics:
  - {name: accuracy, objective: maximize, strategy: optimize, threshold: 0.7}
  - {name: ms, objective: minimize}
  - {name: size, objective: minimize, strategy: constraint, threshold: 10}
  - {name: epochs, strategy: store}
linear_constraints:
  - {type: less_than, threshold: 1.5, terms: [{name: drop, weight: 1}, {name: filters, weight: 0.01}]}
  - {type: greater_than, threshold: 0.1, terms: [{name: drop, weight: 1}]}
observations:
  - assignments: {algorithm: sgd, log_lr: 0.01, filters: 16, momentum: 0.5, batch: 32, pool: max, drop: 0.5}
    values: [{name: accuracy, value: 0.8, value_stddev: 0.01}, {name: ms, value: 3}, {name: size, value: 4},
             {name: epochs, value: 9}]
  - assignments: {algorithm: adam, log_lr: 0.01, filters: 16, batch: 32, pool: max, drop: 0.5}
    failed: true
"""


def read(tmp_path, text):
    (tmp_path / "sigopt.yaml").write_text(text)
    return sigopt.read(tmp_path / "sigopt.yaml")


def test_everything_is_taken_along(tmp_path):
    foreign = read(tmp_path, YAML)
    e = foreign.experiment
    assert (e.name, e.observation_budget, e.parallelism) == ("sentences", 120, 4)
    assert list(e.space) == [
        pt.Categorical("algorithm", ["sgd", "adam"]),
        pt.Double("log_lr", 1e-5, 0.1, log=True),
        pt.Int("filters", 8, 64, default=16),
        pt.Double("momentum", 0, 0.99, when={"algorithm": ["sgd"]}),
        pt.Int("batch", grid=[16, 32, 64]),
        pt.Categorical("pool", ["max", "mean"]),
        pt.Double("drop", 0, 1, prior=pt.Beta(2, 5)),
    ]
    assert e.metrics == (
        pt.Maximize("accuracy", threshold=0.7),
        pt.Minimize("ms"),
        pt.Minimize("size", strategy=Strategy.CONSTRAIN, threshold=10),
        pt.Maximize("epochs", strategy=Strategy.STORE),
    )
    assert e.space.linear_constraints == (
        pt.LinearConstraint({"drop": 1.0, "filters": 0.01}, 1.5),
        pt.LinearConstraint({"drop": -1.0}, -0.1),
    )
    good, failed = foreign.observations
    e.space.validate(good.assignments)
    assert good.values[0].stddev == 0.01
    assert failed.outcome.kind is OutcomeKind.CRASHED
    assert "text" in foreign.remarks[0]


def test_json_as_a_server_gives_it(tmp_path):
    body = {
        "object": "experiment", "id": "7", "name": "one", "created": 1, "progress": {},
        "parameters": [{"name": "x", "type": "double", "bounds": {"min": 0, "max": 1}, "conditions": []}],
        "metric": {"name": "loss", "objective": "minimize"},
        "observations": {"data": [{"id": "11", "assignments": {"x": 0.5}, "values": [{"value": 2}]}]},
    }  # fmt: skip
    foreign = read(tmp_path, json.dumps(body))
    assert foreign.experiment.metrics == (pt.Minimize("loss"),)
    assert foreign.observations[0].metadata["origin"] == "sigopt observation 11"
    assert foreign.observations[0].value("loss") == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("observation_budget", "observation_bugdet", r":3: .*did you mean 'observation_budget'"),
        ("type: int, grid", "type: integer, grid", r"parameters\[3\].type"),
        ("bounds: {min: 8, max: 64}", "bounds: {min: 8}", r"parameters\[1\].max"),
        ("transformation: log", "transformation: sqrt", r"parameters\[0\].transformation"),
        ("strategy: constraint, threshold: 10", "strategy: constraint", "threshold"),
        ("less_than", "equal", r"linear_constraints\[0\].type"),
        ("filters: 16, momentum", "filtres: 16, momentum", "no parameter 'filtres'"),
        ("{algorithm: [sgd]}", "{optimizer: [sgd]}", "not a parameter"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, old, new, says):
    with pytest.raises(InvalidArgument, match=says):
        read(tmp_path, YAML.replace(old, new, 1))
