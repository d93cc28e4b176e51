"""Surrogates of recorded trainings, and the comparison with random search on them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.comparison.runs import draw
from benchmarks.recording import real, retrain, searches, section, versus_random
from benchmarks.recording.outcomes import merged_share, outcome
from benchmarks.recording.searches import Log, random_search
from benchmarks.recording.surrogate import (
    CASES,
    cross_validated,
    efficient_rows,
    nadir,
    problem,
    scatter,
    surrogate,
    targets,
)
from benchmarks.recording.table import DATA, load

from paretune_trainer.workload import builtin_workloads

BOTH = pytest.mark.parametrize("name", list(CASES))


@BOTH
def test_the_tables_of_the_repository_are_of_the_published_space_and_say_how_they_were_made(name):
    for table in (load(f"{name}_quick"), load(f"{name}_quick_repeats")):
        case, making = CASES[name], table.making
        specs = builtin_workloads()[case.workload].parameters[: case.parameters]
        assert table.parameters == tuple(spec.name for spec in specs)
        for spec, column in zip(specs, table.X.T, strict=True):
            assert spec.min <= column.min() <= column.max() <= spec.max
        assert making["settings"]["preset"] == "quick"
        assert making["trainings"] == len(table)
        assert {"command", "commit", "cores", "device", "python", "torch", "begun"} <= set(making["made"][0])
    assert (DATA / f"{name}_quick.csv.gz").stat().st_size < 1e6


@BOTH
def test_the_surrogate_predicts_what_it_has_not_seen_better_than_the_nearest_training_does(name):
    errors = cross_validated(CASES[name], load(f"{name}_quick"), folds=3)
    assert errors["trees"]["accuracy_r2"] > 0.6
    assert errors["trees"]["log_time"] < 0.25
    for key in ("accuracy", "log_time"):
        assert errors["trees"][key] < 0.8 * errors["nearest"][key]
    assert errors["trees"].get("feasibility", 1.0) > 0.85


@BOTH
def test_it_fails_as_often_as_the_recorded_trainings_and_is_the_same_each_time(name):
    space, oracle = problem(name), surrogate(name)
    rows = space.sample(2000, np.random.default_rng(0))
    values = oracle.expected(rows)
    assert np.isfinite(values[:, 0]).mean() == pytest.approx(oracle.table.ok.mean(), abs=0.08)
    again = oracle.expected(rows[:7])
    assert np.array_equal(again, values[:7], equal_nan=True)
    assert space.values(space.assignments(rows[0])) == pytest.approx(values[0], nan_ok=True)


@BOTH
def test_measurements_scatter_as_repeated_trainings_do(name):
    oracle = surrogate(name)
    assert oracle.noise == scatter(CASES[name], load(f"{name}_quick_repeats"))
    # Far from the limits, so that nothing fails by chance.
    best = np.nanargmax(np.where(oracle.table.ok, oracle.table.values["accuracy"], np.nan))
    rows = np.repeat(oracle.table.X[[best]], 4000, axis=0)
    measured = oracle.measured(rows, np.random.default_rng(1).standard_normal((4000, 2)))
    true = oracle.expected(rows[:1])[0]
    assert measured[:, 0].std() == pytest.approx(oracle.noise[0], rel=0.1)
    assert np.log(measured[:, 1] / true[1]).std() == pytest.approx(oracle.noise[1], rel=0.1)


def test_what_is_learned_from_trainings_that_failed():
    case, table = CASES["rotten_tomatoes"], load("rotten_tomatoes_quick")
    learned = targets(case, table)
    too_weak = [row for row, why in enumerate(table.reasons) if why.startswith("the accuracy is")]
    for row in too_weak:
        assert table.reasons[row].startswith(f"the accuracy is {learned.accuracy[row]:.1f} %")
    cut = [row for row, why in enumerate(table.reasons) if why.startswith("training passed 5 s")]
    assert too_weak
    assert cut
    assert np.isnan(learned.accuracy[cut]).all()
    whole = np.exp(learned.log_time) * case.epochs(table.X)
    assert np.nanmedian(whole[cut]) > 5.0
    assert whole[table.ok] == pytest.approx(table.values["training_time"][table.ok], rel=1e-3)


def test_a_problem_of_the_comparison_beside_the_others():
    run = draw(problem("rotten_tomatoes"), 0, 30, {})
    assert run.problem == "rotten_tomatoes_surrogate"
    assert run.hypervolume == sorted(run.hypervolume)


def test_the_reference_point_is_the_worst_of_the_recorded_front():
    table = load("diatoms_quick")
    values = {
        "accuracy": np.array([0.5, 0.7, 0.6, 0.1, 0.2, np.nan]),
        "inference_time": np.array([2.0, 3.0, 9.0, 1.0, 1.5, np.nan]),
    }
    assert nadir(CASES["diatoms"], replace(table, values=values)) == (0.1, 3.0)


def test_efficient_rows_by_hand():
    values = np.array([[1.0, 2.0], [np.nan, 0.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])
    assert efficient_rows(values).tolist() == [0, 2, 4]
    assert efficient_rows(values[1:2]).tolist() == []


def test_share_of_the_merged_frontier_by_hand():
    space = problem("diatoms")
    ours = np.array([[0.9, 5.0], [0.7, 2.0], [0.6, 6.0], [np.nan, np.nan]])
    theirs = np.array([[0.95, 7.0], [0.8, 6.0], [0.7, 2.0], [0.55, 1.0]])
    # Efficient: (0.95, 7) and (0.55, 1) random, (0.9, 5) ours, (0.7, 2) of both, which counts for neither.
    assert merged_share(space, ours, theirs) == (0.25, 4)
    assert merged_share(space, ours[3:], ours[3:]) == (0.0, 0)


@pytest.fixture
def at_random(monkeypatch):
    """Searches that draw at random; gives those that were made."""
    made = []

    def search(name, seed, budget):
        made.append((name, seed, budget))
        rows, measured = random_search(name, 100 + seed, budget)
        told = [None if np.isnan(row[0]) else row.tolist() for row in measured]
        return searches.Run(name, seed, budget, searches.digest(name), rows.tolist(), told, 1.0, {})

    monkeypatch.setattr(versus_random, "search", search)
    return made


def test_a_search_compared_with_its_like_is_even(at_random):
    several = [outcome(versus_random.search("rotten_tomatoes", seed, 300), 3000) for seed in range(6)]
    assert np.mean([one.share for one in several]) < 0.5
    assert np.mean([one.volume for one in several]) < 1.0
    assert np.mean([one.feasible - one.random_feasible for one in several]) == pytest.approx(0.0, abs=0.06)


def test_the_comparison_does_each_search_once_and_leaves_out_other_tables(
    at_random, tmp_path, monkeypatch, capsys
):
    log = tmp_path / "runs.jsonl"
    page = tmp_path / "page.md"
    page.write_text(f"before\n{section.BEGIN}\nstale words\n{section.END}\nafter\n")
    words = ["versus_random", "--seeds", "2", "--budgets", "12", "--log", str(log), "--images", str(tmp_path)]
    monkeypatch.setattr("sys.argv", [*words, "--page", str(page)])
    monkeypatch.setattr(section, "FOLDS", 3)
    versus_random.main()
    assert len(at_random) == len(set(at_random)) == 4
    table = capsys.readouterr().out
    assert "| diatoms | 12 : 120 | 2 |" in table
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "versus_random_diatoms.png",
        "versus_random_rotten_tomatoes.png",
    }
    written = page.read_text()
    assert written.startswith(f"before\n{section.BEGIN}\n\n| recorded at `quick` |")
    assert written.endswith(f"\n{section.END}\nafter\n")
    assert "stale words" not in written
    assert table.splitlines()[-1] in written
    lines = log.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "table": "another"})
    log.write_text("\n".join(lines)[:-5])
    versus_random.main()
    assert len(at_random) == 6
    assert at_random[4:] == [at_random[0], at_random[3]]
    assert len(Log(log).runs) == 4


def test_a_page_without_marks_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{section.BEGIN}\nno end\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        section.put("text", page)
    assert page.read_text() == f"{section.BEGIN}\nno end\n"


def test_a_front_is_trained_once_and_compared_with_the_recorded_trainings(tmp_path, monkeypatch):
    path, trained = tmp_path / "retrained.jsonl", []
    space, table = problem("diatoms"), load("diatoms_quick")
    # The second configuration is dominated, the third failed.
    rows = space.sample(4, np.random.default_rng(0)).tolist()
    run = searches.Run("diatoms", 0, 4, "t", rows, [[0.5, 1.0], [0.4, 2.0], None, [0.6, 3.0]], 1.0, {})

    def train(workload, parameters, trial):
        trained.append((workload.name, parameters, trial.settings["preset"]))
        metrics = {"accuracy": [0.99, 0.01], "inference_time": [1e-6 * len(trained), 0.0]}
        return {"parameters": parameters, "outcome": "OK", "reason": "", "metrics": metrics, "seconds": 1.0}

    monkeypatch.setattr(retrain, "train", train)
    assert retrain.lines([run], path) == []
    for _ in range(2):
        retrain.retrain(run, "", path)
    assert trained == [("diatoms", space.assignments(np.array(rows[n])), "quick") for n in (0, 3)]
    (line,) = retrain.lines([run], path)
    assert f"all {len(table):,} recorded random trainings they make up 100 % of the 1 points" in line
    assert retrain.lines([replace(run, table="another")], path) == []


@BOTH
def test_our_engine_searches_on_a_surrogate(name):
    run = searches.search(name, 0, 15)
    assert len(run.X) == len(run.measured) == 15
    assert run.cpu > 0
    assert len(Log(DATA / "none.jsonl").runs) == 0


def test_a_search_of_real_trainings_goes_on_and_is_compared_with_recorded_ones(tmp_path, monkeypatch):
    path, trained = tmp_path / "real.jsonl", []

    def alone(workload, parameters, settings, seed):
        trained.append((workload, settings["preset"], seed))
        metrics = {"accuracy": [0.99, 0.01], "inference_time": [1e-6, 0.0]}
        return {"parameters": parameters, "outcome": "OK", "reason": "", "metrics": metrics, "seconds": 1.0}

    monkeypatch.setattr(real, "alone", alone)
    monkeypatch.setattr(real, "BUDGETS", (5, 9))
    real.search("diatoms", 0, 3, path)
    real.search("diatoms", 0, 5, path)
    assert trained == [("diatoms", "quick", 10_000 + number) for number in range(5)]
    assert real.table(tmp_path / "none.jsonl") == []
    groups = len(load("diatoms_quick")) // 50
    assert f"| diatoms | 0 | 5 : 50 | {groups} | 100 % | 1 |" in real.table(path)[-1]
    path.write_text(path.read_text().replace('"batch_size": ', '"batch_size": 1'))
    with pytest.raises(ValueError, match="another engine"):
        real.search("diatoms", 0, 6, path)
