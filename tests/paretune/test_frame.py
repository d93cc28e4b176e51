import csv
import sys

import pytest

import paretune as pt
from paretune import frame
from paretune.errors import FailedPrecondition


@pytest.fixture
def observed(experiment):
    experiment.observe({"x": 0.5, "n": 2, "kind": "plain"}, {"accuracy": (0.9, 0.1), "cost": 3})
    experiment.observe({"x": 0.1, "n": 3, "kind": "deep", "rate": 0.01}, {"accuracy": 0.8, "cost": 4})
    experiment.observe({"x": 0.2, "n": 2, "kind": "plain"}, infeasible="out of memory, says the device")
    return experiment


def test_rows(observed):
    first, second, third = observed.to_rows()
    assert (first["accuracy"], first["accuracy_stddev"], first["cost_stddev"]) == (0.9, 0.1, None)
    assert (first["rate"], second["rate"]) == (None, 0.01)
    assert [row["efficient"] for row in (first, second, third)] == [True, False, False]
    assert (third["outcome"], third["accuracy"]) == ("INFEASIBLE", None)
    assert third["reason"].startswith("out of memory")
    assert third["failure"] == "DECLARED"


def test_csv(observed, tmp_path):
    path = observed.to_csv(tmp_path / "results.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ordinal"] for row in rows] == ["1", "2", "3"]
    assert [row["rate"] for row in rows] == ["", "0.01", ""]
    assert rows[0]["create_time"].endswith("+00:00")
    assert list(rows[0])[:8] == ["ordinal", "outcome", "efficient", "x", "n", "kind", "rate", "accuracy"]


def test_dataframe(observed):
    table = observed.to_dataframe()
    assert list(table.columns) == frame.header(observed.experiment)
    assert table["accuracy"].dtype == table["cost_stddev"].dtype == table["rate"].dtype == float
    assert table.loc[table.efficient, "x"].tolist() == [0.5]


def test_an_empty_dataframe_has_all_columns(experiment):
    table = experiment.to_dataframe()
    assert len(table) == 0
    assert list(table.columns) == frame.header(experiment.experiment)


def test_without_pandas_there_is_another_way(experiment, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(FailedPrecondition, match="to_csv"):
        experiment.to_dataframe()


def test_names_that_would_clash_are_told_apart():
    space = pt.SearchSpace((pt.Double("outcome", 0, 1), pt.Double("size", 0, 1), pt.Double("a_stddev", 0, 1)))
    clashing = pt.Experiment("e", space, (pt.Maximize("a"), pt.Minimize("size"), pt.Minimize("step")))
    parameters, metrics = frame.columns(clashing)
    assert list(parameters.values()) == ["parameter.outcome", "parameter.size", "parameter.a_stddev"]
    assert list(metrics.values()) == ["a", "metric.size", "metric.step"]
    names = frame.header(clashing)
    assert len(set(names)) == len(names)
