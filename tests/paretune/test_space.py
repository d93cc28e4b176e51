import pytest

import paretune as pt
from paretune.errors import InvalidArgument

KIND = pt.Categorical("kind", ["plain", "deep"])
SPACE = pt.SearchSpace(
    (
        pt.Double("x", 0, 1),
        pt.Int("n", 1, 8),
        KIND,
        pt.Int("layers", 1, 3, when={"kind": ["deep"]}),
        pt.Double("drop", 0, 1, when={"layers": [2, 3]}),
    ),
    (pt.LinearConstraint({"x": 8.0, "n": 1.0}, 9.0),),
)


def fields_of(caught) -> list[str]:
    return [violation.field for violation in caught.value.violations]


def test_active_follows_the_chain_of_conditions():
    def names(assignments):
        return [parameter.name for parameter in SPACE.active(assignments)]

    assert names({"kind": "plain", "layers": 3}) == ["x", "n", "kind"]
    assert names({"kind": "deep", "layers": 1}) == ["x", "n", "kind", "layers"]
    assert names({"kind": "deep", "layers": 3}) == ["x", "n", "kind", "layers", "drop"]


def test_a_valid_configuration_gets_exact_types_in_order():
    valid = SPACE.validate({"kind": "deep", "layers": 1.0, "n": 2.0, "x": 0})
    assert valid == {"x": 0.0, "n": 2, "kind": "deep", "layers": 1}
    assert list(valid) == ["x", "n", "kind", "layers"]
    assert [type(value) for value in valid.values()] == [float, int, str, int]


def test_all_violations_come_at_once():
    with pytest.raises(InvalidArgument) as caught:
        SPACE.validate({"x": 2.0, "n": 1.5, "kind": "plain", "layers": 2, "typo": 1})
    assert sorted(fields_of(caught)) == [
        "assignments['layers']",
        "assignments['n']",
        "assignments['typo']",
        "assignments['x']",
    ]


def test_missing_values_are_named():
    with pytest.raises(InvalidArgument, match=r"n.*is missing.*whole number from 1 to 8"):
        SPACE.validate({"x": 0.5, "kind": "plain"})


def test_linear_constraints():
    assert SPACE.validate({"x": 1.0, "n": 1, "kind": "plain"})
    constraint = pt.LinearConstraint({"a": 1.0, "b": -2.5, "c": -1.0}, 0.5)
    assert constraint.describe() == "a - 2.5 b - c <= 0.5"
    with pytest.raises(InvalidArgument, match=r"linear_constraints\[0\]: .* <= "):
        SPACE.validate({"x": 1.0, "n": 2, "kind": "plain"})


@pytest.mark.parametrize(
    ("parameters", "constraints", "field"),
    [
        ((), (), "parameters"),
        ((KIND, KIND), (), "parameters[1].name"),
        ((pt.Int("a", 1, 2, when={"kind": ["deep"]}), KIND), (), "parameters[0].condition.parent"),
        ((KIND, pt.Int("a", 1, 2, when={"kind": ["odd"]})), (), "parameters[1].condition.values[0]"),
        (
            (pt.Double("x", 0, 1), pt.Int("a", 1, 2, when={"x": [0.5]})),
            (),
            "parameters[1].condition.parent",
        ),
        ((KIND,), (pt.LinearConstraint({"kind": 1.0}, 1.0),), "linear_constraints[0].terms"),
        ((KIND,), (pt.LinearConstraint({"typo": 1.0}, 1.0),), "linear_constraints[0].terms"),
    ],
)
def test_refuses_a_space_that_makes_no_sense(parameters, constraints, field):
    with pytest.raises(InvalidArgument) as caught:
        pt.SearchSpace(parameters, constraints)
    assert fields_of(caught) == [field]


def test_a_constraint_needs_terms_with_weights():
    with pytest.raises(InvalidArgument, match="terms"):
        pt.LinearConstraint({}, 1.0)
    with pytest.raises(InvalidArgument, match=r"terms\[0\].weight"):
        pt.LinearConstraint({"x": 0.0}, 1.0)
    with pytest.raises(InvalidArgument, match="upper_bound"):
        pt.LinearConstraint({"x": 1.0}, float("inf"))
