"""`paretune run` from a file to a front: create, resume, interrupt, refuse."""

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import paretune as pt
from paretune.cli.run import report
from paretune.cli.training import create_or_resume, train
from paretune.cli.workloads import check_code, check_workload
from paretune.errors import FailedPrecondition, InvalidArgument, NotFound
from paretune.experiment_file import load_experiment, parse_experiment

EXAMPLES = Path(__file__).parents[3] / "examples"

SLOW = ("seconds: 0", "seconds: 0.3")


def results(folder):
    return list(csv.DictReader(io.StringIO((folder / "results" / "toy.csv").read_text())))


def services_of(folder):
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if "paretune_" in command and str(folder) in command:
            found.append(command)
    return found


def change(folder, *pairs):
    text = (folder / "toy.yaml").read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (folder / "toy.yaml").write_text(text)
    return text


def test_create_resume_and_start_afresh(at, folder, client):
    change(folder, ("name: toy", "name: life"))
    first = at("run", "toy.yaml")
    assert first.code == 0
    assert f"Using the services at {client.address}." in first.err

    again = at("run", "toy.yaml", "--json", "--out", "elsewhere")
    assert "Finished already: experiment life-" in again.err
    document = json.loads(again.out)
    assert document["experiment"]["progress"]["observations"] == 4
    assert document["files"]["csv"] == "elsewhere/life.csv"

    more = at("run", "toy.yaml", "--budget", "6")
    assert "Resuming: experiment life-" in more.err
    assert "[4/" not in more.err
    assert "life [6/6] score " in more.err

    change(folder, ("max: 1", "max: 2"))
    other = at("run", "toy.yaml")
    assert other.code == 2
    assert "with other parameters: start afresh with --new, or change the name." in other.err
    assert "Created experiment life-" in at("run", "toy.yaml", "--new", "--budget", "1").err
    assert len(list(client.list_experiments(name="life"))) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max: 1", "max: 0", "toy.yaml:5: parameters[0].min: 0 must be below max 0."),
        ("max: 1", "max: .nan", "toy.yaml:5: parameters[0].max: must be a finite number."),
        (
            "type: double",
            "type: dubble",
            "toy.yaml:5: parameters[0].type: 'dubble' is not known; did you mean",
        ),
        ("goal: minimize", "goal: minimise", "toy.yaml:8: metrics[1].goal: 'minimise' is not known; did you"),
        ("workload: toy:train\nsettings: {seconds: 0}\n", "", "toy.yaml: names no workload"),
    ],
)
def test_a_bad_file_is_one_line_and_nothing_is_stored(paretune, folder, old, new, message):
    change(folder, (old, new))
    ended = paretune("run", "toy.yaml")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith(f"paretune: {message}")
    assert not (folder / "paretune.db").exists()


def test_a_workload_that_the_trainer_cannot_run_is_one_line_and_nothing_is_stored(paretune, folder):
    change(folder, ("toy:train", "digts"))
    ended = paretune("run", "toy.yaml")
    assert ended.code == 2
    assert "paretune: workload: there is no workload 'digts'; did you mean 'digits'?" in ended.err
    assert json.loads(paretune("experiments", "--json", "--db", "paretune.db").out) == []


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ((), "parameters: there is no parameter 'x'; known are"),
        (
            (("name: x", "name: dropuot"),),
            "parameters: there is no parameter 'dropuot'; did you mean 'dropout'?",
        ),
        (
            (("name: x", "name: dropout"),),
            "metrics: there is no metric 'score'; known are accuracy, inference_ms",
        ),
        (
            (
                ("name: x", "name: dropout"),
                ("score", "accuracy"),
                ("cost", "inference_ms"),
                ("seconds", "epoch"),
            ),
            "settings: there is no setting 'epoch'; did you mean 'epochs'?",
        ),
    ],
)
def test_names_that_the_workload_does_not_know(folder, client, pairs, message):
    text = change(folder, ("toy:train", "digits"), *pairs)
    client.supervisor.wait_until_ready()
    with pytest.raises(InvalidArgument) as caught:
        check_workload(client.suite.trainer_address, parse_experiment(text))
    assert message in str(caught.value)


@pytest.mark.parametrize("file", ["diatoms", "rotten_tomatoes"])
def test_data_that_are_missing_end_the_run_and_nothing_is_stored(paretune, folder, file):
    (folder / "data").mkdir()
    words = ("run", EXAMPLES / f"{file}.yaml", "--budget", "1", "--data", "data")
    ended = paretune(*words)
    assert ended.code == 2
    last = ended.err.splitlines()[-1]
    assert last.startswith(f"paretune: workload: the Trainer cannot run {file}: MissingData: ")
    assert f"is missing (the setting data names {folder / 'data'}). Fetch https://" in last
    assert json.loads(paretune("experiments", "--json", "--db", "paretune.db").out) == []
    assert not (folder / "results").exists()


def test_data_that_are_damaged_end_the_study(paretune, folder):
    (folder / "data" / "adiac").mkdir(parents=True)
    for name in ("Adiac_TRAIN", "Adiac_TEST"):
        (folder / "data" / "adiac" / name).write_text("1,2,3\n")
    ended = paretune("study", EXAMPLES / "diatoms.yaml", "--budget", "1", "--data", "data", "--out", "report")
    assert ended.code == 2
    assert "ChecksumMismatch: Adiac: " in ended.err.splitlines()[-1]
    assert "expected afc3729e" in ended.err.splitlines()[-1]
    assert json.loads(paretune("experiments", "--json", "--db", "report/study.db").out) == []


def test_a_loss_that_is_nan_and_too_little_memory_are_recorded_as_infeasible(paretune, folder):
    text = (EXAMPLES / "digits.yaml").read_text()
    # tanh would hide what overflows.
    steep = text.replace("min: 0.0003, max: 0.1", "min: 1.0e+30, max: 1.0e+31").replace(", tanh]", "]")
    (folder / "digits.yaml").write_text(steep)
    (folder / "toy.py").write_text("def train(parameters, trial):\n    return bytes(1 << 62)\n")
    for name, words, why in (
        ("digits", ("--set", "epochs=1"), "the training loss is "),
        ("toy", (), "memory"),
    ):
        ended = paretune("run", f"{name}.yaml", "--budget", "1", *words)
        assert ended.code == 0
        (row,) = csv.DictReader(io.StringIO((folder / "results" / f"{name}.csv").read_text()))
        assert row["outcome"] == "INFEASIBLE"
        assert {
            value for key, value in row.items() if key in ("accuracy", "inference_ms", "score", "cost")
        } == {""}
        assert why in row["reason"].lower()


def test_code_that_is_not_there_is_one_line_and_nothing_is_stored(paretune, folder):
    change(folder, ("toy:train", "tow:train"))
    ended = paretune("run", "toy.yaml")
    assert ended.code == 2
    assert f"paretune: workload: there is no module 'tow' in {folder}, nor installed" in ended.err
    assert json.loads(paretune("experiments", "--json", "--db", "paretune.db").out) == []


def test_what_was_there_before_is_kept_when_its_code_is_not_found(folder, client, capsys):
    change(folder, ("toy:train", "tow:train"), ("name: toy", "name: wrong-folder"))
    wanted = load_experiment(folder / "toy.yaml")
    made = create_or_resume(client, wanted)
    made.queue({"x": 0.5}, {"why": "chosen by hand"})
    for handle in (made, create_or_resume(client, wanted)):
        with pytest.raises(InvalidArgument, match="there is no module 'tow'"):
            train(client, handle)
        assert [one.metadata for one in handle.suggestions()] == [{"why": "chosen by hand"}]
    afresh = create_or_resume(client, wanted, new=True)
    with pytest.raises(InvalidArgument, match="there is no module 'tow'"):
        train(client, create_or_resume(client, wanted))  # resumes the empty one
    assert afresh.refresh().progress.observations == 0
    with pytest.raises(InvalidArgument, match="there is no module 'tow'"):
        train(client, afresh)
    with pytest.raises(NotFound):
        afresh.refresh()
    assert capsys.readouterr().err.count("is not kept") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("code:trian", r"code\.py: there is no function 'trian'; did you mean 'train'\?"),
        ("code:helper", None),
        ("code:sqrt", None),
        ("code:chosen", None),
        ("code.deeper:train", "there is no module 'code.deeper' in "),
        ("package.inner:run", None),
        ("package.inner:walk", r"inner\.py: there is no function 'walk'; known are run"),
        ("package.outer:run", "there is no module 'package.outer' in "),
        ("empty:run", r"empty\.py: it defines no function"),
        ("broken:run", r"broken\.py:2: '\(' was never closed"),
        ("anything:run", None),
        ("lazy:run", None),
        ("json:loads", None),
        ("math:sqrt", None),
        ("digits", None),
    ],
)
def test_where_code_is_is_found_out_without_running_it(folder, tmp_path, name, message):
    stop = "raise SystemExit('it was run')\n"
    (tmp_path / "code.py").write_text(
        f"{stop}from math import sqrt\ndef helper(): ...\ndef train(): ...\nif helper: chosen = train\n"
    )
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(stop)
    (tmp_path / "package" / "inner.py").write_text(f"{stop}async def run(): ...\n")
    (tmp_path / "empty.py").write_text(stop)
    (tmp_path / "broken.py").write_text(f"{stop}print(\n")
    (tmp_path / "anything.py").write_text(f"{stop}from code import *\n")
    (tmp_path / "lazy.py").write_text(f"{stop}def __getattr__(name): ...\n")
    experiment = parse_experiment(change(folder, ("toy:train", name)))
    if message is None:
        check_code(experiment, [str(tmp_path)])
    else:
        with pytest.raises(InvalidArgument, match=message):
            check_code(experiment, [str(tmp_path)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "quik"), "--preset: there is no preset 'quik'; did you mean 'quick'?"),
        (("--set", "epochs"), "--set: 'epochs' is not KEY=VALUE."),
        (("--data", "nowhere"), "--data: there is no folder nowhere."),
        (("--policy", "sobel"), "policy: there is no policy 'sobel'; did you mean 'sobol'?"),
        (("--budget", "-1"), "observation_budget: must be 0 (open) to"),
        (("--budget", "many"), "--budget"),
    ],
)
def test_a_bad_option_is_one_line(paretune, words, message):
    ended = paretune("run", "toy.yaml", *words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err


def test_settings_of_the_command_line_reach_the_trials(at, folder, client):
    change(folder, ("name: toy", "name: settings"))
    (folder / "sets").mkdir()
    words = ("--set", "seconds=0.01", "--set", "colour=red", "--preset", "medium", "--data", "sets")
    assert at("run", "toy.yaml", "--budget", "1", *words).code == 0
    (found,) = client.list_experiments(name="settings")
    assert found.workload.settings == {
        "seconds": "0.01",
        "colour": "red",
        "preset": "medium",
        "data": str(folder / "sets"),
    }


def test_a_paused_experiment_is_resumed_and_a_finished_one_is_not(at, folder, client):
    change(folder, ("name: toy", "name: states"))
    assert at("run", "toy.yaml", "--budget", "1").code == 0
    (found,) = client.list_experiments(name="states")
    at("pause", "states")
    assert at("run", "toy.yaml", "--budget", "2").code == 0
    client.experiment(found.id).finish()
    ended = at("run", "toy.yaml", "--budget", "3")
    assert ended.code == 2
    assert f"{found.id} is finished: `paretune resume {found.id}` first, or use --new." in ended.err


def test_a_finite_space_ends_when_it_is_exhausted(at, folder, monkeypatch):
    change(
        folder,
        ("name: toy", "name: small"),
        ("type: double, min: 0, max: 1", "type: int, min: 0, max: 1"),
        ("sobol", "grid"),
    )
    ended = at("run", "toy.yaml")
    assert ended.code == 0
    assert "small: 2 of 4 observations" in ended.err


def test_interrupted_it_says_how_to_go_on_and_does(paretune, folder):
    change(folder, SLOW, ("budget: 4", "budget: 7"))
    with paretune.start("run", "toy.yaml", "--db", "mine.db") as process:
        next(line for line in process.stderr if "[2/7]" in line)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Go on with: paretune run toy.yaml --db mine.db" in rest
    assert "Traceback" not in rest
    assert services_of(folder) == []

    ended = paretune("run", "toy.yaml", "--db", "mine.db", "--json")
    assert ended.code == 0
    assert len({row["suggestion_id"] for row in results(folder)}) == len(results(folder)) == 7
    assert json.loads(ended.out)["experiment"]["progress"]["lost"] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_killed_it_leaves_no_service_behind_and_can_go_on(paretune, folder):
    change(folder, SLOW, ("policy: sobol", "lease: {ttl: 1}"))
    with paretune.start("run", "toy.yaml") as process:
        next(line for line in process.stderr if "[1/4]" in line)
        process.kill()
        process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while services_of(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    ended = paretune("run", "toy.yaml")
    assert ended.code == 0
    assert ended.err.startswith("Started services at 127.0.0.1:")
    assert "Resuming: experiment toy-" in ended.err
    assert "toy [4/4] score " in ended.err
    assert "of 4 observations are efficient" in ended.out
    assert (folder / "results" / "toy.png").read_bytes().startswith(b"\x89PNG")
    assert [row["outcome"] for row in results(folder)] == ["OK"] * 4
    assert len({row["suggestion_id"] for row in results(folder)}) == 4
    assert results(folder)[0]["score_stddev"] == "0.01"
    assert services_of(folder) == []


def test_sigterm_puts_everything_in_order_too(paretune, folder):
    with paretune.start("run", "toy.yaml") as process:
        next(line for line in process.stderr if "Started services" in line)
        process.terminate()
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in rest
    assert services_of(folder) == []


def test_code_that_cannot_be_imported_is_said(at, folder, client):
    change(folder, ("toy:train", "toi:train"), ("name: toy", "name: typo"))
    with at.start("run", "toy.yaml") as process:
        line = next(line for line in process.stderr if "leaves typo alone" in line)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert "toi" in line
    assert "Code is looked for where `paretune up` or `paretune trainer` was started." in line


def test_a_pipe_that_is_closed_early_is_no_error(at, client, folder):
    command = " ".join(at.command("show", "--help")) + " | head -1"
    ended = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=at.environment, check=False
    )
    assert ended.stderr == ""


def test_a_search_whose_trainings_all_crashed_is_no_success(client, tmp_path):
    made = client.create_experiment(
        name="crashy", parameters=[pt.Double("a", 0, 1)], metrics=[pt.Minimize("m")]
    )
    made.observe({"a": 0.5}, crashed="TypeError: no")
    with pytest.raises(FailedPrecondition, match="--new starts afresh"):
        report(made, tmp_path)
    assert "TypeError: no" in (tmp_path / "crashy.csv").read_text()
    made.observe({"a": 0.6}, {"m": 1.0})
    report(made, tmp_path)
