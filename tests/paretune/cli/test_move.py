"""Moving data by the command line: export and import, backup and restore."""

import csv
import json
from fcntl import LOCK_EX, flock

import pytest

import paretune as pt
from paretune import transfer
from paretune.cli import move
from paretune.errors import AlreadyExists, InvalidArgument
from paretune.observation import FailureReason, Observation, Outcome, OutcomeKind

PARAMETERS = [pt.Double("x", 0, 1), pt.Int("n", 1, 8), pt.Categorical("kind", ["plain", "deep"])]
METRICS = [pt.Maximize("score"), pt.Minimize("cost")]


@pytest.fixture(scope="module")
def moved(client):
    """An experiment with four results, one of them a crash, and one trial that is being trained."""
    made = client.create_experiment(name="moved", parameters=PARAMETERS, metrics=METRICS, id="moved")
    for n in range(1, 4):
        made.observe({"x": n / 10, "n": n, "kind": "deep"}, {"score": (0.1 * n, 0.01), "cost": n**2})
    crashed = Outcome(OutcomeKind.CRASHED, "boom, and\nmore", FailureReason.EXCEPTION)
    assignments = {"x": 0.7, "n": 7, "kind": "plain"}
    client.observe(Observation(assignments, outcome=crashed, experiment_id=made.id))
    made.suggest()
    return made


def values(rows):
    own = ("observation_id", "suggestion_id", "create_time", "attempt")
    return [{k: v for k, v in row.items() if k not in own} for row in rows]


def test_a_whole_experiment_moves_to_another_database(at, paretune, moved, folder):
    assert at("export", "moved", "--whole", "-o", "moved.jsonl").code == 0
    ended = paretune("import", "moved.jsonl", "--db", "other.db")
    assert ended.err.splitlines()[-1] == "Recorded moved with 4 observations.", ended
    again = paretune("import", "moved.jsonl", "--db", "other.db")
    assert again.code == 0
    assert paretune("export", "moved", "--whole", "-o", "back.jsonl", "--db", "other.db").code == 0
    assert (folder / "back.jsonl").read_text() == (folder / "moved.jsonl").read_text()
    # Deleted, it can be imported again.
    assert paretune("delete", "moved", "--yes", "--db", "other.db").code == 0
    assert paretune("import", "moved.jsonl", "--db", "other.db").code == 0
    assert len(json.loads(paretune("experiments", "--json", "--db", "other.db").out)) == 1


def test_an_import_that_was_cut_short_goes_on_whatever_was_before(client, monkeypatch):
    made = client.create_experiment(name="cut", parameters=PARAMETERS, metrics=METRICS, id="cut")
    for n in range(1, 6):
        made.observe({"x": n / 10, "n": n, "kind": "deep"}, {"score": n, "cost": n})
    lines = [json.dumps(record) for record in transfer.export_records(client, "cut")]
    monkeypatch.setattr(transfer, "PART", 2)
    client.delete_experiment("cut")
    transfer.import_records(client, lines)  # so that the Store answered these very requests before
    client.delete_experiment("cut")
    with monkeypatch.context() as patch:
        sent, run = [], client.run

        def cut(call, **options):
            sent.append(call.method.rpartition("/")[2])
            if sent.count("Import") == 2:
                raise KeyboardInterrupt
            return run(call, **options)

        patch.setattr(client, "run", cut)
        with pytest.raises(KeyboardInterrupt):
            transfer.import_records(client, lines)
    half = client.get_experiment("cut")
    assert (half.state.name, half.progress.observations) == ("PAUSED", 1)
    client.update_experiment("cut", state=pt.ExperimentState.ACTIVE)
    with pytest.raises(AlreadyExists, match="active, without 4 records"):
        transfer.import_records(client, lines)
    client.update_experiment("cut", state=pt.ExperimentState.PAUSED)
    whole = transfer.import_records(client, lines)
    assert (whole.state.name, whole.progress.observations) == ("ACTIVE", 5)
    assert [json.dumps(record) for record in transfer.export_records(client, "cut")] == lines
    paused = client.update_experiment("cut", state=pt.ExperimentState.PAUSED)
    assert transfer.import_records(client, lines) == paused
    client.delete_experiment("cut")
    client.create_experiment(name="other", parameters=PARAMETERS, metrics=METRICS, id="cut")
    with pytest.raises(AlreadyExists, match="another experiment 'cut'"):
        transfer.import_records(client, lines)


def test_of_a_table_that_grew_the_new_rows_are_recorded(client):
    made = client.create_experiment(name="grows", parameters=PARAMETERS, metrics=METRICS)
    rows = [{"x": n / 10, "n": 1, "kind": "deep", "score": 1.0, "cost": 2} for n in (1, 2, 2)]
    assert transfer.import_rows(client, made.experiment, rows) == 3
    assert transfer.import_rows(client, made.experiment, [{**rows[0], "x": 0.9}, *rows, rows[0]]) == 2
    assert sorted(one.assignments["x"] for one in made.observations()) == [0.1, 0.1, 0.2, 0.2, 0.9]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_round_trips_into_another_experiment(at, client, moved, folder, ending):
    target = client.create_experiment(name=f"into-{ending}", parameters=PARAMETERS, metrics=METRICS)
    file = f"rows.{ending}"
    assert at("export", "moved", "-o", file).code == 0
    for new in (4, 0):  # the second time changes nothing
        ended = at("import", file, "--into", target.id)
        assert ended.err == f"Recorded {new} new observations of 4 in {target.id}.\n"
    assert at("export", target.id, "-o", f"again.{ending}").code == 0

    def read(name):
        with (folder / name).open(newline="") as lines:
            return [*csv.DictReader(lines)] if ending == "csv" else [json.loads(line) for line in lines]

    assert values(read(f"again.{ending}")) == values(read(file))


def test_mistakes_are_told_by_line(at, moved, folder):
    for name, text, options, sentence in (
        ("no.csv", "x,n\n", [], "name its experiment with --into"),
        ("bad.csv", "x,n,kind,score,cost\n0.5,2,deep,1,2\n2.0,2,deep,1,2\n", ["--into", "moved"], "row 2"),
        (
            "bad.csv",
            "x,n,kind,score,cost\n0.5,2,deep,high,2\n",
            ["--into", "moved"],
            "'high' is not a number",
        ),
        ("bad.csv", "x\n1,2\n", ["--into", "moved"], "more cells"),
        ("bad.jsonl", '{"x": 0.5}\n[1]\n', ["--into", "moved"], "line 2: is not a JSON object"),
        ("bad.jsonl", '{"paretune_records": 2}\n', [], "format 2"),
        ("bad.jsonl", '{"paretune_records": 1}\n{"experiment": {"colour": 1}}\n', [], "line 2"),
        ("bad.jsonl", '{"paretune_records": 1}\n', [], "must hold the experiment"),
        ("bad.jsonl", '{"paretune_records": 1}\n', ["--into", "moved"], "--into is for tables"),
    ):
        (folder / name).write_text(text)
        ended = at("import", name, *options)
        assert ended.code == 2, ended
        assert sentence in ended.err
    assert at("import", "nowhere.csv", "--into", "moved").code == 2
    assert len(list(moved.observations())) == 4


def test_backup_and_restore(at, paretune, moved, folder):
    ended = at("backup", "copy.db")
    assert ended.code == 0, ended
    assert ended.err.endswith("MB to copy.db.\n")
    assert at("backup", "copy.db").code == 2
    assert at("backup", "no/such/folder/copy.db").code == 2
    assert paretune("restore", "copy.db", "--db", "restored.db").code == 0
    restored = json.loads(paretune("show", "moved", "--db", "restored.db", "--json").out)
    assert restored["progress"]["observations"] == 4
    assert restored["progress"]["leased"] == 0
    refused = paretune("restore", "copy.db", "--db", "restored.db")
    assert refused.code == 2
    assert "--replace" in refused.err
    replaced = paretune("restore", "copy.db", "--db", "restored.db", "--replace")
    assert replaced.code == 0
    assert "is now" in replaced.err
    (folder / "copy.db").write_bytes(b"hello")
    assert "damaged" in paretune("restore", "copy.db", "--db", "third.db").err
    assert not (folder / "third.db").exists()


def test_a_draft_is_taken_over_from_the_dead_and_not_from_the_living(client, moved, tmp_path):
    copy, draft = tmp_path / "copy.db", tmp_path / "copy.db.part"
    draft.write_bytes(b"left by a kill" * 1_000_000)
    size = transfer.backup(client, copy)
    assert copy.stat().st_size == size < 14_000_000
    assert not draft.exists()
    before = copy.read_bytes()
    with draft.open("wb") as living:
        flock(living, LOCK_EX)
        with pytest.raises(InvalidArgument, match="Another backup"):
            transfer.backup(client, copy, replace=True)
    assert (draft.exists(), copy.read_bytes()) == (True, before)


def test_a_backup_that_fails_once_is_made_the_next_time(client, moved, tmp_path, monkeypatch, capsys):
    disk, away = tmp_path / "disk", tmp_path / "away"
    disk.mkdir()
    steps = iter([lambda: disk.rename(away), lambda: away.rename(disk), lambda: (disk / "copy.db").unlink()])

    def wait(seconds):
        assert seconds == 60
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr(move.time, "sleep", wait)
    with pytest.raises(KeyboardInterrupt):
        move.backup(disk / "copy.db", every=60, server=client.address)
    assert "still the copy before: Cannot write" in capsys.readouterr().err
    assert (disk / "copy.db").exists()


def test_a_search_from_elsewhere_becomes_an_experiment_and_grows(at, folder):
    body = {
        "name": "From elsewhere",
        "parameters": [{"name": "x", "type": "double", "bounds": {"min": 0, "max": 1}}],
        "metrics": [{"name": "a", "objective": "maximize"}, {"name": "b", "objective": "minimize"}],
        "observations": [
            {"assignments": {"x": x}, "values": [{"name": "a", "value": x}, {"name": "b", "value": x * x}]}
            for x in (0.1, 0.5)
        ],
    }
    (folder / "other.json").write_text(json.dumps(body))
    ended = at("import", "other.json", "--from", "sigopt")
    assert ended.err.endswith("Recorded from-elsewhere with 2 new observations of 2.\n"), ended
    body["observations"].append({"assignments": {"x": 0.9}, "failed": True})
    (folder / "other.json").write_text(json.dumps(body))
    assert "1 new observations of 3" in at("import", "other.json", "--from", "sigopt").err
    assert "0 new observations of 3" in at("import", "other.json", "--from", "sigopt").err
    assert len(json.loads(at("front", "from-elsewhere", "--json").out)["points"]) == 2
    body["metrics"][0]["name"] = "c"
    (folder / "other.json").write_text(json.dumps(body | {"observations": []}))
    refused = at("import", "other.json", "--from", "sigopt")
    assert refused.code == 2
    assert "other metrics" in refused.err
    assert at("import", "other.json", "--from", "ax", "--study", "x").code == 2


def test_parquet_has_types(at, moved, folder):
    from pyarrow import parquet

    assert at("export", "moved", "-o", "moved.parquet").code == 0
    table = parquet.read_table(folder / "moved.parquet")
    assert table.num_rows == 4
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["x"], kinds["n"], kinds["kind"], kinds["score"]) == ("double", "int64", "string", "double")
    assert kinds["create_time"] == "timestamp[us, tz=UTC]"
    assert table.column("score_stddev").to_pylist()[:2] == [0.01, 0.01]
    assert at("export", "moved", "--format", "parquet").code == 2
    assert at("export", "moved", "--whole", "--format", "parquet").code == 2
    assert at("export", "moved", "-o", "no/folder/moved.parquet").code == 2
