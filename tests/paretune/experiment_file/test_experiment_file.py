"""Experiment files: what is read is what was meant, and a mistake is told where it is."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import paretune.experiment as model
from paretune.errors import InvalidArgument
from paretune.experiment_file import dump_experiment, load_experiment, parse_experiment
from paretune.parameters import Beta, Categorical, Condition, Double, Int, Normal, Weights
from paretune.space import LinearConstraint, SearchSpace
from paretune.stopping import DEFAULT_RULES, EarlyStopping, EarlyStoppingRule, Fidelity

ROOT = Path(__file__).parents[3]

TEXT = """\
name: digits
workload: digits
settings: {epochs: 10, quick: true}
parameters:
  - {name: lr, type: double, min: 1e-4, max: 1e-1, log: true}
  - name: act
    type: categorical
    choices: [relu, on, "1e5"]
  - {name: depth, type: int, min: 1, max: 8, when: {act: [relu]}}
metrics:
  - {name: accuracy, goal: maximize}
  - {name: ms, goal: minimize, unit: ms, threshold: 5}
observation_budget: 40
lease: {ttl: 30}
"""

FULL = model.Experiment(
    name="every field",
    space=SearchSpace(
        (
            Double("lr", 1e-4, 0.1, log=True, default=1e-2, prior=Normal(-5, 1)),
            Double("momentum", grid=[0.0, 0.5, 0.9], prior=Beta(2, 3)),
            Int("width", 1, 64),
            Int("depth", grid=[1, 2, 4]),
            Categorical("act", ["relu", "on", "1e5", "null", "~", "2020-01-01", "0x1f"], default="on"),
            Categorical("norm", ["batch", "layer"], prior=Weights((1, 3)), when=Condition("act", ("relu",))),
            Double("rate", 0, 1, when=Condition("depth", (2, 4))),
        ),
        (LinearConstraint({"lr": 1.0, "width": -0.5}, 10.0),),
    ),
    metrics=(
        model.Maximize("accuracy", threshold=0.5),
        model.Minimize("ms", threshold=model.RelativeThreshold("o-1", 1.5), unit="ms"),
        model.Minimize("memory", strategy=model.Strategy.CONSTRAIN, threshold=1e9, unit="B"),
        model.Maximize("loss", strategy=model.Strategy.STORE),
    ),
    observation_budget=40,
    parallelism=2,
    remeasure=True,
    seed=-7,
    policy=model.Policy.SOBOL,
    lease_policy=model.LeasePolicy(12.5, 5),
    workload=model.Workload("digits", {"epochs": "10", "flag": "true", "note": "a: b # c"}),
    metadata={"who": "somebody\nelse"},
    labels={"team": "ü"},
    fidelity=Fidelity("epochs", 5, 500),
    early_stopping=EarlyStopping((EarlyStoppingRule.HALVING,), 0.9, 4, 7),
)


def test_read_as_meant():
    experiment = parse_experiment(TEXT)
    assert experiment.space["lr"] == Double("lr", 1e-4, 0.1, log=True)
    assert experiment.space["act"] == Categorical("act", ["relu", "on", "1e5"])
    assert experiment.space["depth"] == Int("depth", 1, 8, when={"act": ["relu"]})
    assert experiment.metrics == (model.Maximize("accuracy"), model.Minimize("ms", threshold=5.0, unit="ms"))
    assert experiment.workload == model.Workload("digits", {"epochs": "10", "quick": "true"})
    assert experiment.lease_policy == model.LeasePolicy(30.0)
    assert (experiment.observation_budget, experiment.parallelism, experiment.seed) == (40, 1, 0)


def test_every_field_survives_a_round_trip():
    assert parse_experiment(dump_experiment(FULL)) == FULL
    command = replace(FULL, workload=model.Workload("command", {"a": "1"}, ("./t", "--x={epochs}", "{{}}")))
    assert parse_experiment(dump_experiment(command)) == command


def with_lines(*lines):
    return TEXT.replace("workload: digits", "\n".join(lines))


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        ("early_stopping: true", DEFAULT_RULES),
        ("early_stopping: [halving]", (EarlyStoppingRule.HALVING,)),
        ("early_stopping: {rules: [dominated], confidence: 0.8}", (EarlyStoppingRule.DOMINATED,)),
    ],
)
def test_early_stopping_is_one_line(line, rules):
    stopping = parse_experiment(f"{TEXT}\n{line}\n").early_stopping
    assert stopping is not None
    assert stopping.rules == rules
    assert parse_experiment(TEXT).early_stopping is None
    assert parse_experiment(f"{TEXT}\nearly_stopping: false\n").early_stopping is None


def test_a_command_is_split_as_a_shell_would():
    experiment = parse_experiment(
        with_lines("command: node 'my train.js' --lr {lr} --e={epochs}", "fidelity: epochs 5..50")
    )
    assert experiment.workload.command == ("node", "my train.js", "--lr", "{lr}", "--e={epochs}")
    assert experiment.settings["epochs"] == "10"  # a setting of the file comes before the fidelity's max


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["command: train {lrr}"], "command: there is no parameter or setting 'lrr'; did you mean 'lr'?"),
        (
            ["command: train", "workload: digits"],
            "command: and workload are both given: which of the two runs?",
        ),
        (["command: []"], "command: must begin with a program"),
        (["workload: command"], "workload: is a command: write `command: PROGRAM ARGUMENTS` instead"),
        (["workload: digits", "fidelity: lr 5..50"], "fidelity: 'lr' is a parameter too: do not search it"),
        (
            ["workload: digits", "fidelity: epochs 50..5"],
            "fidelity.min: and max are 50 and 5: 1 <= min < max is needed",
        ),
        (["workload: digits", "fidelity: 5..50"], "is not written as NAME MIN..MAX, such as epochs 5..500"),
        (["workload: digits", "early_stopping: [halve]"], "'halve' is not known; did you mean 'halving'?"),
        (["workload: digits", "early_stopping: {confidence: 0.4}"], "must be above 0.5 and below 1"),
    ],
)
def test_mistakes_in_how_trials_run_and_end(lines, said):
    with pytest.raises(InvalidArgument) as caught:
        parse_experiment(with_lines(*lines), "e.yaml")
    assert said in str(caught.value)


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
        lambda text: text.isprintable() and text == text.strip()
    ),
    low=st.floats(-1e300, 1e300),
    width=st.floats(1e-3, 1e300),
)
def test_any_name_and_bound_survives_a_round_trip(name, low, width):
    high = low + width
    if not (math.isfinite(high) and low < high and math.isfinite(high - low)):
        return
    space = SearchSpace((Double(name, low, high), Categorical(f"{name}.", [name, f"{name}'"])))
    experiment = model.Experiment(name, space, (model.Maximize(name),), labels={name: name})
    assert parse_experiment(dump_experiment(experiment)) == experiment


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path):
    assert load_experiment(path).workload is not None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: digits", "nam: digits", "f.yaml:1: nam: is not a key here; did you mean 'name'?"),
        ("type: int", "typ: int", "f.yaml:9: parameters[2].typ: is not a key here; did you mean 'type'"),
        ("settings", "setings", "f.yaml:3: setings: is not a key here; did you mean 'settings'?"),
        ("ttl", "tll", "f.yaml:14: lease.tll: is not a key here; did you mean 'ttl'?"),
        (
            "maximize",
            "maximise",
            "f.yaml:11: metrics[0].goal: 'maximise' is not known; did you mean 'maximize'?",
        ),
        ("type: int", "type: float", "'float' is not known; known are double, int, categorical."),
        ("type: int, ", "", "f.yaml:9: parameters[2].type: is missing."),
        (", max: 8", "", "f.yaml:9: parameters[2].max: is missing; type int needs min and max, or a grid."),
        ("max: 8", "max: 0", "f.yaml:9: parameters[2].min: 1 must be below max 0."),
        ("min: 1,", "min: one,", "f.yaml:9: parameters[2].min: 'one' is not a number."),
        ("min: 1,", "min: 1.5,", "f.yaml:9: parameters[2].min: must be a whole number"),
        ("min: 1,", "min: true,", "f.yaml:9: parameters[2].min: true is not a number."),
        ("min: 1e-4", "min: .nan", "f.yaml:5: parameters[0].min: must be a finite number."),
        ("min: 1e-4", "min: -.inf", "f.yaml:5: parameters[0].min: must be a finite number."),
        ("min: 1e-4", "min: 0", "f.yaml:5: parameters[0].min: must be above 0 when log is set."),
        ("log: true", "log: 3", "f.yaml:5: parameters[0].log: 3 is not true or false."),
        (
            "[relu, on,",
            "[relu, 3,",
            'f.yaml:8: parameters[1].choices[1]: 3 is not text; write it in quotes: "3".',
        ),
        ("type: categorical", "type: int", "f.yaml:8: parameters[1].choices: is not for type int"),
        ("{act: [relu]}", "{act: [rellu]}", "f.yaml:9: parameters[2].when[0]: 'rellu' is not one of"),
        ("{act: [relu]}", "{art: [relu]}", "f.yaml:9: parameters[2].when: 'art' is not a parameter declared"),
        ("name: ms", "name: accuracy", "f.yaml:12: metrics[1].name: 'accuracy' is used twice."),
        ("name: depth", "name: lr", "f.yaml:9: parameters[2].name: 'lr' is used twice."),
        (
            "threshold: 5",
            "threshold: high",
            "f.yaml:12: metrics[1].threshold: 'high' is not a number or a mapping",
        ),
        ("threshold: 5", "threshold: {baseline: a}", "f.yaml:12: metrics[1].threshold.factor: is missing."),
        ("unit: ms", "strategy: constrian", "'constrian' is not known; did you mean 'constrain'?"),
        ("40", "forty", "f.yaml:13: observation_budget: 'forty' is not a whole number."),
        ("40", "-1", "f.yaml:13: observation_budget: must be 0 (open) to"),
        ("ttl: 30", "ttl: 0", "f.yaml:14: lease.ttl: must be from 1 s"),
        ("workload: digits\n", "", "f.yaml:2: settings: are those of a workload; name the workload too."),
        ("{epochs: 10, quick: true}", "12", "f.yaml:3: settings: 12 is not a mapping"),
        ("observation_budget: 40", "metrics: []", "f.yaml:13: metrics: is given twice; first in line 10."),
        ("metrics:", "metrics: [", "f.yaml:11: is not valid YAML"),
        (
            "observation_budget",
            "\tobservation_budget",
            "f.yaml:13: is not valid YAML: a tab cannot stand here",
        ),
        ("settings: {", "settings: !!python/object:os.system {", "is not valid YAML"),
    ],
)
def test_a_mistake_is_told_in_one_line(old, new, message):
    with pytest.raises(InvalidArgument) as caught:
        parse_experiment(TEXT.replace(old, new, 1), "f.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


BILLIONS = "\n".join(
    f"{name}: &{name} [{', '.join(9 * [f'*{before}'])}]" for before, name in pairwise("abcdefghijk")
).replace("*a", "1")
"""Ten lines of YAML that stand for 9 ** 10 fields."""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "digits",
        "- 1",
        "a: b: c",
        "\x00",
        "a: &x [*x]",
        "{",
        "? [a]\n: b",
        "\t",
        "a: " + 3000 * "[",
        BILLIONS,
    ],
)
def test_what_is_not_an_experiment_is_refused_in_one_line(text):
    with pytest.raises(InvalidArgument) as caught:
        parse_experiment(text, "f.yaml")
    assert str(caught.value).startswith("f.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    missing = tmp_path / "missing.yaml"
    with pytest.raises(InvalidArgument, match=r"missing.yaml: cannot be read: No such file"):
        load_experiment(missing)
    with pytest.raises(InvalidArgument, match="cannot be read: Is a directory"):
        load_experiment(tmp_path)
    missing.write_text("# long\n" * 200_000)
    with pytest.raises(InvalidArgument, match="is longer than 1,000,000 characters"):
        load_experiment(missing)
    missing.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InvalidArgument, match="is not a text file in UTF-8"):
        load_experiment(missing)
