import math

import pytest

import paretune as pt
from paretune.errors import InvalidArgument
from paretune.parameters import check_name, is_number, unknown_name


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: pt.Double("x", 1, 1), "min"),
        (lambda: pt.Double("x", 2, 1), "min"),
        (lambda: pt.Double("x", math.nan, 1), "min"),
        (lambda: pt.Double("x", 0, math.inf), "max"),
        (lambda: pt.Double("x", -1e308, 1e308), "max"),
        (lambda: pt.Double("x", 0, 1, log=True), "min"),
        (lambda: pt.Double("x", 0, 1, default=2.0), "default_value"),
        (lambda: pt.Double("x", 0, 1, prior=pt.Weights((1.0,))), "prior"),
        (lambda: pt.Double("x", grid=[1.0]), "grid"),
        (lambda: pt.Double("x", grid=[2.0, 1.0]), "grid"),
        (lambda: pt.Double("x", 0, 5, grid=[1.0, 2.0]), "grid"),
        (lambda: pt.Double("x"), "min"),
        (lambda: pt.Double("", 0, 1), "name"),
        (lambda: pt.Double("a\nb", 0, 1), "name"),
        (lambda: pt.Int("n", 0.5, 3), "min"),
        (lambda: pt.Int("n", 0, 2**60), "max"),
        (lambda: pt.Int("n", 0, 3, default=1.5), "default_value"),
        (lambda: pt.Categorical("c", ["one"]), "choices"),
        (lambda: pt.Categorical("c", "abc"), "choices"),
        (lambda: pt.Categorical("c", ["a", "a"]), "choices"),
        (lambda: pt.Categorical("c", ["a", ""]), "choices[1]"),
        (lambda: pt.Categorical("c", ["a", "b"], default="z"), "default_value"),
        (lambda: pt.Categorical("c", ["a", "b"], prior=pt.Weights((1.0,))), "prior"),
        (lambda: pt.Double("x", 0, 1, when={}), "condition"),
        (lambda: pt.Double("x", 0, 1, when={"c": []}), "condition.values"),
        (lambda: pt.Normal(0, 0), "prior.normal.stddev"),
        (lambda: pt.Beta(0, 1), "prior.beta.alpha"),
        (lambda: pt.Weights((0.0, 0.0)), "prior.categorical.weights"),
    ],
)
def test_refuses_with_the_path_of_the_field(make, field):
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (pt.Double("x", 0, 1), [0, 1, 0.5], [-0.1, 1.1, math.nan, math.inf, "0.5", None, True]),
        (pt.Int("n", 1, 3), [1, 2, 3], [0, 4, 1.5, "1", True]),
        (pt.Categorical("c", ["a", "b"]), ["a", "b"], ["z", "", 1, None]),
        (pt.Double("g", grid=[1.0, 2.5]), [1.0, 2.5], [2.0, 0.0]),
        (pt.Int("g", grid=[1, 4]), [1, 4], [2]),
    ],
)
def test_contains(parameter, inside, outside):
    assert all(parameter.contains(value) for value in inside)
    assert not any(parameter.contains(value) for value in outside)


def test_a_grid_gives_its_bounds():
    parameter = pt.Int("n", grid=[2, 4, 8])
    assert (parameter.min, parameter.max) == (2, 8)


def test_short_form_of_a_condition():
    one, several = pt.Double("x", 0, 1, when={"c": "a"}), pt.Double("x", 0, 1, when={"c": ["a", "b"]})
    assert one.condition == pt.Condition("c", ("a",))
    assert several.condition == pt.Condition("c", ("a", "b"))
    assert pt.Double("x", 0, 1).condition is None


def test_names():
    check_name("learning rate é")
    for bad in ("", " x", "x\x00", "\ud800", "x" * 257, None, 3):
        with pytest.raises(InvalidArgument):
            check_name(bad)


def test_numbers():
    assert is_number(1)
    assert is_number(-2.5)
    assert not any(is_number(value) for value in (True, math.nan, -math.inf, "1", None))


def test_an_unknown_name_is_met_with_the_closest_known():
    assert "did you mean 'accuracy'?" in unknown_name("metric", "acuracy", ["accuracy", "cost"])
    assert "known are accuracy, cost" in unknown_name("metric", "zzz", ["accuracy", "cost"])
