"""The commands that read, and those that steer, against real services."""

import csv
import io
import json

import pytest

import paretune as pt


@pytest.fixture(scope="module")
def experiment(client):
    """Five results, four of them efficient, one infeasible; names that try to break the terminal."""
    made = client.create_experiment(
        name="trade",
        parameters=[pt.Double("x", 0, 1), pt.Int("width", 1, 9), pt.Categorical("act", ["relu", "gelu"])],
        metrics=[pt.Maximize("score"), pt.Minimize("cost", unit="s")],
        observation_budget=6,
        labels={"team": "red\x1b[31m"},
        linear_constraints=[pt.LinearConstraint({"x": 1.0, "width": 0.5}, 6.0)],
    )
    for x in (0.2, 0.4, 0.6, 0.8):
        made.observe({"x": x, "width": 3, "act": "relu"}, {"score": (x, 0.011), "cost": x})
    made.observe({"x": 0.9, "width": 3, "act": "gelu"}, {"score": 0.1, "cost": 0.9})
    made.observe({"x": 1.0, "width": 9, "act": "gelu"}, infeasible="out of\x1b[2J memory\nat step 3")
    return made


@pytest.mark.parametrize("name", ["trade", "id"])
def test_show(at, experiment, name):
    ended = at("show", experiment.id if name == "id" else name)
    assert ended.code == 0
    for text in (
        experiment.id,
        "6/6, 1 infeasible",
        "a whole number from 1 to 9",
        "maximize",
        "auto, seed 0",
        "x + 0.5 width <= 6",
    ):
        assert text in ended.out
    assert ended.err == ""


def test_show_json_and_yaml(at, experiment, folder):
    document = json.loads(at("show", "trade", "--json").out)
    assert document["id"] == experiment.id
    assert document["space"]["parameters"][1]["type"] == "int"
    assert document["progress"]["infeasible"] == 1
    (folder / "again.yaml").write_text(at("show", "trade", "--yaml").out)
    from paretune.experiment_file import load_experiment

    again = load_experiment(folder / "again.yaml")
    assert (again.space, again.metrics) == (experiment.experiment.space, experiment.experiment.metrics)


def test_experiments(at, experiment):
    (line,) = [line for line in at("experiments").out.splitlines() if experiment.id in line]
    assert line.split()[1:5] == ["trade", "active", "6/6", "1"]
    (found,) = [e for e in json.loads(at("experiments", "--json").out) if e["name"] == "trade"]
    assert found["id"] == experiment.id


def test_front(at, experiment, folder):
    ended = at("front", "trade", "--png", "front.png")
    assert ended.code == 0
    assert "0.800 ± 0.011" in ended.out
    assert "4 of 6 observations are efficient; hypervolume " in ended.out
    assert (folder / "front.png").read_bytes().startswith(b"\x89PNG")
    assert not any(line.endswith(" ") for line in ended.out.splitlines())
    assert "are efficient or within 2 standard errors of that; " in at("front", "trade", "--slack", "2").out


def test_front_json(at, experiment):
    document = json.loads(at("front", "trade", "--json").out)
    assert [point["values"]["score"] for point in document["points"]] == [0.8, 0.6, 0.4, 0.2]
    assert document["points"][0]["stddevs"] == {"score": 0.011}
    assert document["hypervolume"] > 0
    assert len(json.loads(at("front", "trade", "--json", "--as-of", "2").out)["points"]) == 2


@pytest.mark.parametrize(
    ("command", "columns"), [("front", 20), ("front", 80), ("show", 80), ("experiments", 80)]
)
def test_narrow_terminals(at, experiment, command, columns):
    ended = at(command, *(["trade"] if command != "experiments" else []), COLUMNS=str(columns))
    assert ended.code == 0
    tables = [line for line in ended.out.splitlines() if "hypervolume" not in line]
    assert max(map(len, tables)) <= columns


def test_watch_begins_with_the_past_and_ends_with_the_budget(at, experiment):
    lines = at("watch", "trade").out.splitlines()
    observed = [line for line in lines if "trade [" in line]
    assert len(observed) == 6
    assert "trade [4/6] score 0.8  cost 0.8 s" in observed[3]
    assert "infeasible: out of?[2J memory at step 3" in observed[5]
    documents = [json.loads(line) for line in at("watch", "trade", "--json").out.splitlines()]
    assert [d["observation"]["ordinal"] for d in documents if "observation" in d] == [1, 2, 3, 4, 5, 6]


def test_watch_draws_progress_on_a_terminal(at, experiment):
    shown = at("watch", "trade", FORCE_COLOR="1", COLUMNS="100", raw=True).out
    assert "6/6" in shown
    assert "━" in shown
    assert shown.count("trade [") == 6


def test_export(at, experiment, folder):
    ended = at("export", "trade", raw=True)  # data as they are, also those that a terminal would obey
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["score"] for row in rows] == ["0.2", "0.4", "0.6", "0.8", "0.1", ""]
    assert [row["efficient"] for row in rows][-2:] == ["False", "False"]
    lines = [json.loads(line) for line in at("export", "trade", "--json").out.splitlines()]
    assert lines[0]["score_stddev"] == 0.011
    assert at("export", "trade", "-o", "rows.jsonl").err.strip() == "Wrote 6 observations to rows.jsonl."
    assert [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()] == lines


def test_export_into_a_kind_of_file_that_is_not_written(at, experiment, folder):
    ended = at("export", "trade", "-o", "rows.xlsx")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ".xlsx is none of .csv, .parquet, .jsonl" in ended.err
    assert not (folder / "rows.xlsx").exists()


def test_export_to_a_place_that_cannot_be_written(at, experiment):
    ended = at("export", "trade", "-o", "no/such/folder/x.csv")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "--output: cannot write no/such/folder/x.csv: No such file or directory." in ended.err


@pytest.mark.parametrize("command", ["show", "watch", "delete"])
def test_an_unknown_experiment_is_a_mistake_with_the_closest_name(at, experiment, command):
    ended = at(command, "tarde", *(["--yes"] if command == "delete" else []))
    assert ended.code == 2
    assert ended.err == "paretune: There is no experiment 'tarde'; did you mean 'trade'?\n"


def test_of_several_of_one_name_the_newest_is_meant(at, client):
    made = [
        client.create_experiment(
            name="twice", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Maximize("y")], labels={"n": str(n)}
        )
        for n in range(2)
    ]
    ended = at("show", "twice", "--json")
    assert json.loads(ended.out)["id"] == made[1].id
    assert ended.err == f"2 experiments are called 'twice'; taking the newest, {made[1].id}.\n"


def test_pause_resume_and_delete(at, client):
    made = client.create_experiment(
        name="steered", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Maximize("y")]
    )
    assert at("pause", "steered").err == f"{made.id} is paused.\n"
    assert made.refresh().state is pt.ExperimentState.PAUSED
    assert at("resume", "steered").code == 0
    assert made.refresh().state is pt.ExperimentState.ACTIVE
    refused = at("delete", "steered")
    assert refused.code == 2
    assert refused.err.endswith("Nothing was deleted: say --yes where nobody can be asked.\n")
    assert at("delete", "steered", "--yes").err == f"Deleted {made.id} with 0 observations.\n"
    with pytest.raises(pt.errors.NotFound):
        made.refresh()


def test_amend(at, client):
    made = client.create_experiment(
        name="amended", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Maximize("y"), pt.Minimize("z=")]
    )
    made.observe({"x": 0.5}, {"y": (1.0, 0.1), "z=": 2.0})
    for words, said in (
        ([], "needs a reason"),
        (["--reason", "r"], "Nothing to amend"),
        (["y:3", "--reason", "r"], "is not METRIC=VALUE"),
        (["w=3", "--reason", "r"], "w"),
    ):
        ended = at("amend", "amended", "1", *words)
        assert (ended.code, said in ended.err) == (2, True)
    assert at("amend", "amended", "2", "y=3", "--reason", "r").code == 2
    ended = at("amend", "amended", "1", "y=3±0.5", "z==4", "--reason", "again")
    assert ended.err == f"Trial 1 of {made.id} is amended (1 time in all).\n"
    document = json.loads(at("amend", "amended", "1", "--crashed", "oops", "--reason", "r", "--json").out)
    assert [value["value"] for value in document["values"]] == [3.0, 4.0]
    assert [former["reason"] for former in document["amendments"]] == ["again", "r"]


def test_an_empty_store_says_what_to_do(paretune, folder):
    with pt.local(folder / "empty.db", trainer_slots=0):
        ended = paretune("experiments", "--db", "empty.db")  # finds the services that run already
        assert ended.err == "No experiments yet. Create one with `paretune run FILE.yaml`.\n"
        assert json.loads(paretune("experiments", "--db", "empty.db", "--json").out) == []
