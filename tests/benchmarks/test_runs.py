import json

import numpy as np
import pytest
from benchmarks.comparison import __main__ as runner
from benchmarks.comparison import latency, methods, report
from benchmarks.comparison.problems import PROBLEMS
from benchmarks.comparison.runs import Log, draw, search

HERE = {"date": "2026-01-01", "revision": "r", "python": "3", "versions": "v", "threads": "1", "cores": "2"}


class Scripted:
    """Draws at random and keeps what it is told."""

    def __init__(self, problem, seed, budget):
        self.problem, self.told = problem, []
        self._rng = np.random.default_rng(seed)

    def ask(self):
        return self.problem.assignments(self.problem.sample(1, self._rng)[0])

    def tell(self, assignments, values):
        self.told.append(values)


@pytest.fixture
def scripted(monkeypatch):
    made = []

    def make(problem, seed, budget):
        made.append(Scripted(problem, seed, budget))
        return made[-1]

    monkeypatch.setitem(methods.METHODS, "scripted", make)
    return made


def test_a_failed_training_is_told_as_none_and_noise_repeats_by_seed(scripted):
    run = search(PROBLEMS["tomatoes"], "scripted", 0, 40, HERE)
    assert run.feasible == sum(values is not None for values in scripted[0].told)
    assert 0 < run.feasible < 40
    assert run.hypervolume == sorted(run.hypervolume)
    search(PROBLEMS["tomatoes"], "scripted", 0, 40, HERE)
    for a, b in zip(scripted[0].told, scripted[1].told, strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a == b).all()


def test_hypervolume_is_of_true_values_not_of_those_told(scripted):
    run = search(PROBLEMS["diatom3"], "scripted", 0, 20, HERE)
    told = np.array(scripted[0].told)
    assert run.hypervolume[-1] != pytest.approx(PROBLEMS["diatom3"].hypervolume(told), rel=1e-6)


def test_a_log_knows_what_was_done_and_survives_a_torn_line(tmp_path):
    path = tmp_path / "runs.jsonl"
    log = Log(path)
    log.append(draw(PROBLEMS["re21"], 0, 30, HERE))
    with path.open("a") as file:
        file.write('{"problem": "re21", "met')
    again = Log(path)
    assert again.has("re21", "random", 0, 30)
    assert again.has("re21", "random", 0, 20)
    assert not again.has("re21", "random", 0, 31)
    assert not again.has("re21", "random", 1, 30)
    again.append(draw(PROBLEMS["re21"], 1, 30, HERE))
    assert [run.seed for run in Log(path).runs] == [0, 1]


def test_the_runner_does_each_run_once(tmp_path, monkeypatch, scripted, capsys):
    arguments = ["bench", "--problems", "re21,tomatoes", "--methods", "random,scripted", "--seeds", "2"]
    arguments += ["--budget", "10", "--log", str(tmp_path / "runs.jsonl"), "--into", str(tmp_path)]
    monkeypatch.setattr("sys.argv", arguments)
    runner.main()
    assert len(scripted) == 4
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    keys = [tuple(json.loads(line)[key] for key in ("problem", "method", "seed")) for line in lines]
    assert len(set(keys)) == len(keys) == 8
    runner.main()
    assert len(scripted) == 4
    assert (tmp_path / "runs.jsonl").read_text().splitlines() == lines


def test_results_keep_what_a_person_wrote_and_hold_the_tables(tmp_path):
    runs = [draw(PROBLEMS["re21"], seed, 1000, HERE) for seed in range(4)]
    (tmp_path / "RESULTS.md").write_text(
        "# Mine\n\n<!-- Below this line: written by `make bench`. -->\nold\n"
    )
    figures = tmp_path / "claims.jsonl"
    asked = {"p50": 4.0, "p99": 20.0, "ready": 0.9}
    figures.write_text(json.dumps({"claim": "questions", "seed": 0, "later, 1 at work": asked}) + "\n")
    report.write(runs, tmp_path / "none.jsonl", figures, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.startswith("# Mine\n")
    assert "old" not in text
    assert "| re21 | random | 4 |" in text
    assert "asked later, 1 at work: p50 4.0 ms, p99 20.0 ms by the clock; 90% were ready" in text
    assert (tmp_path / "plots" / "hypervolume.png").stat().st_size > 0


def test_what_a_paired_difference_shows():
    assert report.paired({0: 0.5, 1: 0.7, 2: 0.9}, {1: 0.6, 2: 0.8, 3: 0.0})[0] == pytest.approx(0.1)
    assert report.verdict(0.01, 0.2, 5) == "ahead"
    assert report.verdict(-0.2, -0.01, 5) == "behind"
    assert report.verdict(-0.1, 0.1, 5) == "even"
    assert report.verdict(0.1, 0.2, 2) == "too few seeds"


def test_the_history_of_the_latency_benchmark_is_valid():
    problem = PROBLEMS["diatom1"]
    rows = latency.history(problem, 50)
    assert rows.shape == (50, 12)
    for row in rows:
        for parameter in problem.parameters:
            value = problem.assignments(row)[parameter.name]
            assert parameter.min <= value <= parameter.max


def test_eight_workers_are_answered_before_they_report():
    problem = PROBLEMS["dtlz2"]
    busy = methods.METHODS["paretune_8"](problem, 0, 20)
    alone = methods.METHODS["paretune"](problem, 0, 20)
    for _ in range(12):
        assignments = busy.ask()
        assert busy._history.pending.shape[0] == 8
        busy.tell(assignments, problem.values(assignments))
        alone.tell(assignments, problem.values(assignments))
    assert busy.ask() != alone.ask()


@pytest.mark.parametrize("name", ["diatom1", "tomatoes"])
def test_our_engine_runs_under_the_same_roof(name):
    run = search(PROBLEMS[name], "paretune", 0, 16, HERE)
    assert len(run.cpu) == 16
    assert min(run.cpu) > 0
