"""The commands about what a model says, against real services; in this process, which is quicker."""

import json

import pytest

import paretune as pt
from paretune.cli import app


@pytest.fixture(scope="module", autouse=True)
def experiment(client):
    """Fourteen results of a network that is better when wider, and slower; one that does not fit."""
    made = client.create_experiment(
        name="net",
        parameters=[
            pt.Double("lr", 1e-3, 1.0, log=True),
            pt.Int("width", 1, 64),
            pt.Categorical("act", ["a", "b"]),
        ],
        metrics=[pt.Maximize("score"), pt.Minimize("time", unit="ms")],
        observation_budget=16,
        policy="sobol",
    )
    for suggestion in made.suggest(14):
        lr, width = suggestion.assignments["lr"], suggestion.assignments["width"]
        if width > 60:
            made.observe(suggestion, infeasible="out of memory")
        else:
            made.observe(suggestion, {"score": (width**0.5 - 4 * (lr - 0.1) ** 2, 0.01), "time": 2.0 + width})
    return made


@pytest.fixture
def told(client, capsys, tmp_path, monkeypatch):
    """Runs a command: its exit code, and what it wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARETUNE_SERVER", client.address)

    def run(*words):
        code = app._attempt(lambda: app.app(list(words), prog_name="paretune", standalone_mode=False))
        return code, *capsys.readouterr()

    return run


CONFIGURATION = ("lr=0.1", "width=9", "act=a")


@pytest.mark.parametrize(
    ("words", "keys", "shown"),
    [
        (("predict", "net", *CONFIGURATION), {"assignments", "feasibility"}, ("time (ms)", "Feasible")),
        (("predict", "net"), {"probability_efficient"}, ("score", "on the front with")),
        (("recommend", "net"), {"point", "expected", "reason"}, ("width", "knee")),
        (("recommend", "net", "--limit", "time=20"), {"candidates"}, ("time <= 20",)),
        (("recommend", "net", "--weight", "score=1"), {"source"}, ("score 100%",)),
        (("importance", "net"), {"targets"}, ("explained", "front", "lr")),
        (("robustness", "net", "--radius", "0.1"), {"points"}, ("holds", "worst")),
        (("attainment", "net", "--level", "0.5"), {"surfaces"}, ("attained with 50%", "uncertain")),
        (("forecast", "net", "--trials", "3"), {"stop", "forecast"}, ("more trials", "3 more trials")),
    ],
)  # fmt: skip
def test_words_and_json(told, words, keys, shown):
    code, out, err = told(*words)
    assert (code, err) == (0, "")
    for text in shown:
        assert text in out
    assert keys <= json.loads(told(*words, "--json")[1]).keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("predict", "net", "lr"), "PARAMETER=VALUE"),
        (("predict", "net", "lr=fast", *CONFIGURATION[1:]), "'fast' is not a number from 0.001 to 1"),
        (("predict", "net", "width=9.5", "lr=0.1", "act=a"), "whole number"),
        (("predict", "net", *CONFIGURATION, "with=9"), "did you mean 'width'"),
        (("recommend", "net", "--limit", "time"), "METRIC=NUMBER"),
        (("recommend", "net", "--limit", "tim=3"), "did you mean 'time'"),
        (("recommend", "net", "--limit", "time=0"), "No configuration of the front"),
        (("robustness", "net", "--radius", "2"), "radius"),
        (("attainment", "net", "--level", "2"), "level"),
        (("forecast", "net", "--trials", "1000"), "--trials"),
        (("plot", "net", "circles"), "pareto"),
        (("plot", "net", "-o", "nowhere/front.png"), "cannot write"),
        (("plot", "net", "-o", "front.docx"), "not supported"),
    ],
)
def test_mistakes_are_one_line(told, words, message):
    code, out, err = told(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("picture", ["pareto", "hypervolume", "attainment", "importance", "slices"])
def test_pictures(told, tmp_path, experiment, picture):
    name = f"{experiment.id}-{picture}.png"
    assert told("plot", "net", picture) == (0, "", f"Wrote {name}.\n")
    assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
