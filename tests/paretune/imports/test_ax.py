"""Snapshots that Ax 1.3.1 wrote (`AxClient` and `Client`), without its generation strategy."""

import json
from pathlib import Path

import pytest

import paretune as pt
from paretune.errors import InvalidArgument
from paretune.experiment import Strategy
from paretune.imports import ORIGIN, ax
from paretune.observation import OutcomeKind

HERE = Path(__file__).parent


def test_a_snapshot_of_axclient():
    foreign = ax.read(HERE / "ax_client.json")
    e = foreign.experiment
    assert e.name == "small net"
    assert list(e.space) == [
        pt.Double("lr", 1e-4, 1e-1, log=True),
        pt.Int("filters", 8, 64),
        pt.Categorical("act", ["relu", "gelu"]),
        pt.Int("batch", grid=[16, 32, 64]),
        pt.Double("x1", 0, 1),
        pt.Double("x2", 0, 1),
    ]
    assert e.space.linear_constraints == (
        pt.LinearConstraint({"x1": 1.0, "x2": 2.0}, 1.5),
        pt.LinearConstraint({"x1": 1.0, "x2": -1.0}, 0.0),
    )
    assert e.metrics == (
        pt.Maximize("accuracy", threshold=0.5),
        pt.Minimize("ms"),
        pt.Minimize("size", strategy=Strategy.CONSTRAIN, threshold=3.0),
    )
    assert e.metadata["fixed.epochs"] == "10"
    kinds = [o.outcome.kind for o in foreign.observations]
    assert kinds == [OutcomeKind.OK, OutcomeKind.OK, OutcomeKind.CRASHED, OutcomeKind.OK, OutcomeKind.CRASHED]
    first = foreign.observations[0]
    assert first.metadata[ORIGIN] == "ax trial 0 arm 0_0"
    assert first.value("ms") == pytest.approx(1.4)
    assert [value.stddev for value in first.values] == [0.01, None, None]
    assert first.assignments["act"] == "gelu"
    assert first.start_time is not None
    for observation in foreign.observations:
        e.space.validate(observation.assignments)
    assert any("not finished" in sentence for sentence in foreign.remarks)


def test_a_snapshot_of_the_newer_client():
    e = ax.read(HERE / "ax_api_client.json").experiment
    assert e.space["n"] == pt.Int("n", grid=[1, 3, 5, 7, 9])
    assert [(m.name, m.goal.name) for m in e.metrics] == [
        ("accuracy", "MAXIMIZE"),
        ("ms", "MINIMIZE"),
        ("size", "MINIMIZE"),
    ]


def test_conditions_and_older_forms(tmp_path):
    body = json.loads((HERE / "ax_client.json").read_text())["experiment"]
    (act,) = [one for one in body["search_space"]["parameters"] if one["name"] == "act"]
    act["dependents"] = {"gelu": ["filters"]}
    body["search_space"]["parameter_constraints"] = [
        {"__type": "ParameterConstraint", "constraint_dict": {"x1": 1.0}, "bound": 0.9}
    ]
    (tmp_path / "experiment.json").write_text(json.dumps(body))  # as save_experiment writes it
    space = ax.read(tmp_path / "experiment.json").experiment.space
    assert space["filters"].condition == pt.Condition("act", ("gelu",))
    assert space.linear_constraints == (pt.LinearConstraint({"x1": 1.0}, 0.9),)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: body.update(optimization_config=None), "what is optimized"),
        (
            lambda body: body["optimization_config"]["outcome_constraints"][0].update(relative=True),
            "relative",
        ),
        (
            lambda body: body["optimization_config"].update(
                objective={"__type": "ScalarizedObjective", "metrics": [], "weights": []}
            ),
            "adds metrics up",
        ),
        (lambda body: body["search_space"]["parameters"][0].pop("lower"), "not known: KeyError"),
    ],
)
def test_what_cannot_be_expressed_is_told(tmp_path, change, says):
    snapshot = json.loads((HERE / "ax_client.json").read_text())
    change(snapshot["experiment"])
    (tmp_path / "s.json").write_text(json.dumps(snapshot))
    with pytest.raises(InvalidArgument, match=says):
        ax.read(tmp_path / "s.json")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    (tmp_path / "b.json").write_text("{")
    for name, says in (("a.json", "no snapshot"), ("b.json", "Cannot read"), ("c.json", "No such file")):
        with pytest.raises(InvalidArgument, match=says):
            ax.read(tmp_path / name)
