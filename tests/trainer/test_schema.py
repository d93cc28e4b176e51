import pytest

from paretune.experiment import Goal, Workload
from paretune.parameters import Categorical, Double, Int
from paretune_trainer import schema
from paretune_trainer.schema import CannotRun, check, resolve
from paretune_trainer.workload import builtin_workloads


@pytest.mark.parametrize("name", ["digits", "diatoms"])
def test_builtin_workloads_resolve_without_importing_their_module(name):
    target = resolve(name)
    assert target.builtin
    assert target.module == f"paretune_trainer.workloads.{name}"


@pytest.mark.parametrize("name", ["mine:train", "my.package.code:train_it", "größe:f"])
def test_functions_resolve(name):
    assert resolve(name) == schema.Target(name, builtin=False)


@pytest.mark.parametrize(
    "name", ["digit", "a:b:c", "a.b", ":f", "a:", "a:b.c", "os;x:y", "../a:b", "a b:c", "a:f()"]
)
def test_other_names_are_refused_with_the_known_ones(name):
    with pytest.raises(CannotRun, match=r"use diatoms, digits, .*module:function"):
        resolve(name)


@pytest.mark.parametrize(
    ("settings", "parameters", "metrics", "words"),
    [
        ({"epoch": "3"}, [], [], "no setting epoch; it has epochs, device, threads"),
        ({}, ["lr"], [], "no parameter lr; it has conv_1_filters"),
        ({}, [], ["f1"], "no metric f1; it has accuracy, inference_ms"),
    ],
)
def test_an_experiment_that_a_builtin_workload_does_not_understand_is_refused(
    settings, parameters, metrics, words
):
    with pytest.raises(CannotRun, match=words):
        check(Workload("digits", settings), parameters, metrics)


def test_user_code_may_have_any_parameters():
    assert not check(Workload("mine:train", {"a": "b"}), ["x"], ["y"]).builtin


@pytest.mark.parametrize("name", sorted(builtin_workloads()))
def test_every_builtin_parameter_and_metric_makes_a_valid_experiment(name):
    workload = builtin_workloads()[name]
    for spec in workload.parameters:
        parameter = schema.parameter_of(spec)
        kind = {"double": Double, "int": Int, "categorical": Categorical}[spec.type]
        assert isinstance(parameter, kind)
        assert parameter.name == spec.name
        assert parameter.default == spec.default
    for metric in workload.metrics:
        assert schema.metric_of(metric).goal in Goal
    assert all("Default" in line for line in schema.settings_of(workload).values())
