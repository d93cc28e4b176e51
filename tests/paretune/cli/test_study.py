"""`paretune study` from a file to a report: killed, resumed, refused."""

import csv
import io
import json
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]


def rows(folder):
    return list(csv.DictReader(io.StringIO((folder / "results.csv").read_text())))


def services_of(folder):
    commands = (" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
    return [command for command in commands if "paretune_" in command and str(folder) in command]


def test_killed_and_started_again_it_repeats_no_finished_training(paretune, folder):
    text = (ROOT / "examples" / "digits.yaml").read_text()
    (folder / "digits.yaml").write_text(
        text.replace("threshold: 0.8", "threshold: 0.01") + "lease: {ttl: 2}\n"
    )
    words = ("study", "digits.yaml", "--budget", "4", "--ratio", "2", "--set", "epochs=1", "--out", "report")
    with paretune.start(*words) as process:
        seen = 0
        for line in process.stderr:
            seen += " inference_ms " in line
            if seen == 4:
                break
        process.kill()
        process.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while services_of(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)

    ended = paretune(*words, "--json")
    assert ended.code == 0
    assert ended.err.count("Resuming: experiment digits-") == 2
    # What had been reported before the kill is not reported as new again.
    assert sum(" inference_ms " in line for line in ended.err.splitlines()) <= 12 - 4
    found = rows(folder / "report")
    assert [row["search"] for row in found].count("model-based") == 4
    assert [row["search"] for row in found].count("random") == 8
    assert len({row["suggestion_id"] for row in found}) == len({row["observation_id"] for row in found}) == 12
    figures = json.loads(ended.out)
    assert figures["searches"]["random"]["trainings"] == 8
    assert figures["attainment_samples"] == 800
    assert sum(figures["merged_frontier"][f"{who}_share"] for who in ("model_based", "random", "tied")) == (
        pytest.approx(1)
    )
    page = (folder / "report" / "report.html").read_text()
    assert "Beside what was published" not in page
    assert all((folder / file).is_file() for file in figures["files"].values())

    again = paretune(*words)
    assert again.err.count("Finished already: experiment digits-") == 2
    assert {row["observation_id"] for row in rows(folder / "report")} == {
        row["observation_id"] for row in found
    }
    assert "Wrote report/report.html." in again.out


@pytest.mark.parametrize(
    ("name", "smaller", "words", "remark"),
    [
        ("diatoms", ("", ""), ("--set", "epochs=1"), "one NVIDIA K80"),
        ("rotten_tomatoes", ("min: 5, max: 100", "min: 5, max: 9"), ("--set", "min_accuracy=0"), "48&nbsp;%"),
    ],
)
def test_the_published_use_cases_on_their_data(paretune, folder, data_sets, name, smaller, words, remark):
    text = (ROOT / "examples" / f"{name}.yaml").read_text()
    (folder / "small.yaml").write_text(text.replace(*smaller) if smaller[0] else text)
    few = ("--preset", "quick", "--budget", "2", "--ratio", "1", "--data", data_sets)
    ended = paretune("study", "small.yaml", *few, *words)
    assert ended.code == 0
    assert "Not comparable to the published figures: trainings are those of preset quick" in ended.out
    report = folder / "studies" / f"{name}-quick"
    page = (report / "report.html").read_text()
    assert "Beside what was published" in page
    assert remark in page
    assert f"settings differ from the preset&#x27;s ({words[1].partition('=')[0]})" in page
    found = rows(report)
    assert [row["outcome"] for row in found] == ["OK"] * 4
    assert {row["preset"] for row in found} == {"quick"}
    assert all(row[key] for row in found for key in ("seed", "commit", "made.device", "made.torch"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "quik"), "--preset: there is no preset 'quik'; did you mean 'quick'?"),
        (("--set", "epochs"), "--set: 'epochs' is not KEY=VALUE."),
        (("--data", "nowhere"), "--data: there is no folder nowhere."),
        (("--ratio", "0"), "--ratio: must be above 0, at most 1000."),
        (("--budget", "0"), "toy.yaml: has no observation_budget; give one with --budget."),
        (("--out", "toy.yaml/x"), "--out: cannot write to toy.yaml/x: Not a directory."),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_stored(paretune, folder, words, message):
    ended = paretune("study", "toy.yaml", *words)
    assert (ended.code, ended.err) == (2, f"paretune: {message}\n")
    assert not list(folder.glob("**/*.db"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("policy: sobol", "policy: random", "has policy random itself"),
        ("  - {name: cost, goal: minimize, unit: s}\n", "", "optimizes a single metric"),
        ("workload: toy:train\nsettings: {seconds: 0}\n", "", "names no workload"),
    ],
)
def test_a_file_that_makes_no_study(paretune, folder, old, new, message):
    text = (folder / "toy.yaml").read_text()
    assert old in text
    (folder / "toy.yaml").write_text(text.replace(old, new))
    ended = paretune("study", "toy.yaml")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err


def test_a_workload_that_is_refused_leaves_no_experiment(paretune, folder):
    text = (folder / "toy.yaml").read_text()
    (folder / "toy.yaml").write_text(text.replace("toy:train", "digts"))
    ended = paretune("study", "toy.yaml", "--out", "report")
    assert ended.code == 2
    assert "did you mean 'digits'?" in ended.err
    assert json.loads(paretune("experiments", "--json", "--db", "report/study.db").out) == []
