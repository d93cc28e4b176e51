import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from paretune_trainer.workload import Infeasible, ParameterSpec, builtin_workloads

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = ["diatoms", "digits", "rotten_tomatoes"]
ARCHITECTURE = {"filter_size_1", "filter_size_2", "filter_size_3", "num_feature_maps"}
# The parameters that each example leaves at their defaults.
EXAMPLE_LEAVES_OUT = {
    "diatoms": set(),
    "digits": set(),
    "rotten_tomatoes": ARCHITECTURE,
    "rotten_tomatoes_architecture": set(),
}


def test_every_example_experiment_of_a_workload_is_checked_here():
    documents = {path.stem: yaml.safe_load(path.read_text()) for path in EXAMPLES.glob("*.yaml")}
    ours = {name for name, document in documents.items() if document.get("workload") in NAMES}
    assert ours == set(EXAMPLE_LEAVES_OUT)


def test_the_workloads_are_these():
    assert sorted(builtin_workloads()) == NAMES


def test_listing_the_workloads_imports_no_framework():
    code = (
        "import sys; from paretune_trainer.workload import builtin_workloads; builtin_workloads();"
        "print(sorted({'torch', 'tensorflow', 'keras', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_entry_point_is_the_function_of_that_name(name):
    assert builtin_workloads()[name].load().__name__ == name


@pytest.mark.parametrize("name", EXAMPLE_LEAVES_OUT)
def test_example_searches_the_catalogued_ranges(name):
    example = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    workload = builtin_workloads()[example["workload"]]
    assert set(example["settings"]) <= {setting.name for setting in workload.settings}
    assert all(isinstance(value, str) for value in example["settings"].values())
    specs = {spec.name: spec for spec in workload.parameters}
    for parameter in example["parameters"]:
        spec = specs.pop(parameter["name"])
        assert parameter["type"] == spec.type
        if spec.type == "categorical":
            assert parameter["choices"] == list(spec.choices)
        else:
            assert (parameter["min"], parameter["max"]) == pytest.approx((spec.min, spec.max), rel=1e-14)
            assert parameter.get("log", False) == spec.log
    assert set(specs) == EXAMPLE_LEAVES_OUT[name], "parameters missing from the example"
    metrics = {metric.name: metric for metric in workload.metrics}
    assert {metric["name"] for metric in example["metrics"]} == set(metrics)
    for metric in example["metrics"]:
        assert metric["goal"] == metrics[metric["name"]].goal
        assert metric.get("unit", "") == metrics[metric["name"]].unit


def test_diatoms_has_the_published_space():
    specs = {spec.name: spec for spec in builtin_workloads()["diatoms"].parameters}
    assert len(specs) == 12
    assert sum(spec.type == "int" for spec in specs.values()) == 7
    assert (specs["batch_size"].min, specs["batch_size"].max) == (8, 32)
    for block in (1, 2, 3):
        filters, size = specs[f"conv_{block}_num_filters"], specs[f"conv_{block}_filter_size"]
        assert (filters.min, filters.max, size.min, size.max) == (32, 256, 2, 10)
    published = {
        "log_lr": (1e-10, 1),
        "log_beta_1": (1e-2, 0.5),
        "log_beta_2": (1e-6, 0.5),
        "log_epsilon": (1e-10, 1e-6),
        "log_decay": (1e-10, 1e-1),
    }
    for name, (low, high) in published.items():
        assert (specs[name].min, specs[name].max) == pytest.approx((math.log(low), math.log(high)))


def test_rotten_tomatoes_has_the_published_space():
    specs = {spec.name: spec for spec in builtin_workloads()["rotten_tomatoes"].parameters}
    published = {
        "dropout_rate": ("double", 0.1, 0.9),
        "log_learning_rate": ("double", math.log(1e-8), math.log(1)),
        "max_grad_norm": ("double", 1, 10),
        "epochs": ("int", 5, 100),
        "batch_size": ("int", 10, 100),
        "embed_dim": ("int", 100, 500),
        "filter_size_1": ("int", 1, 7),
        "filter_size_2": ("int", 1, 7),
        "filter_size_3": ("int", 1, 7),
        "num_feature_maps": ("int", 10, 200),
    }
    assert {name: (spec.type, spec.min, spec.max) for name, spec in specs.items()} == published
    # What the space of 6 parameters trains.
    assert [specs[name].default for name in sorted(ARCHITECTURE)] == [3, 4, 5, 100]


@pytest.mark.parametrize("name", NAMES)
def test_defaults_lie_in_range(name):
    for spec in builtin_workloads()[name].parameters:
        if spec.type == "categorical":
            assert spec.default in spec.choices
        else:
            assert spec.min <= spec.default <= spec.max


def test_missing_parameters_take_defaults_and_types_are_settled():
    values = builtin_workloads()["digits"].complete_parameters({"batch_size": 32.0, "dropout": 0})
    assert (values["batch_size"], type(values["batch_size"])) == (32, int)
    assert (values["dropout"], type(values["dropout"])) == (0.0, float)
    assert values["activation"] == "relu"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"filters": 3}, "no parameter filters; it understands conv_1_filters"),
        ({"batch_size": 1.5}, "batch_size: expected an int"),
        ({"batch_size": True}, "batch_size: expected a finite int"),
        ({"learning_rate": math.nan}, "learning_rate: expected a finite double"),
        ({"learning_rate": "0.1"}, "learning_rate: expected a finite double"),
        ({"activation": "swish"}, "'swish' is not one of relu, gelu, tanh"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        builtin_workloads()["digits"].complete_parameters(parameters)


def test_unknown_setting_is_refused():
    with pytest.raises(ValueError, match="no setting presets"):
        builtin_workloads()["diatoms"].complete_settings({"presets": "quick"})


def test_infeasible_carries_its_reason():
    assert Infeasible("too slow").reason == "too slow"


def test_values_outside_the_range_are_let_through():
    assert ParameterSpec("k", "int", "", 3, 1, 5).typed(12) == 12
