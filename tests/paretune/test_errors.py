import pytest

from paretune import errors
from paretune.errors import InvalidArgument, NotFound, Violation


def test_violations_make_the_message():
    error = InvalidArgument(violations=[Violation("a", "is wrong"), Violation("", "too")])
    assert str(error) == "a: is wrong; too"


@pytest.mark.parametrize(
    ("field", "expected"), [("min", "parameters[2].min"), ("[1]", "parameters[2][1]"), ("", "parameters[2]")]
)
def test_under_prefixes_every_path(field, expected):
    error = InvalidArgument.of(field, "is wrong").under("parameters[2]")
    assert error.violations == (Violation(expected, "is wrong"),)


def test_under_keeps_an_error_without_violations():
    assert InvalidArgument("bad").under("x").violations == (Violation("x", "bad"),)


def test_not_found_names_what_is_missing():
    error = NotFound.of("experiment", "e-1")
    assert error.metadata == {"kind": "experiment", "id": "e-1"}
    assert str(error) == "There is no experiment 'e-1'."


def test_every_error_is_in_the_tree_that_the_module_draws():
    kinds = [k.__name__ for k in vars(errors).values() if isinstance(k, type) and issubclass(k, Exception)]
    assert all(kind in errors.__doc__ for kind in kinds)
