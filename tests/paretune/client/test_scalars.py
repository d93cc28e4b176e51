import numpy as np
import pytest

from paretune.client.scalars import plain, plain_assignments
from paretune.errors import InvalidArgument


class Label(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.float32(0.5), 0.5), (np.int64(3), 3), (np.array(2.0), 2.0), (1, 1), ("a", "a"), (2.5, 2.5)],
)
def test_plain_scalars(value, expected):
    result = plain(value)
    assert result == expected
    assert type(result) is type(expected)


def test_subclasses_of_text_stay_text():
    assert plain_assignments({"kind": Label("deep")}) == {"kind": "deep"}


@pytest.mark.parametrize("value", [None, [1], True, {"a": 1}])
def test_refuses_what_is_no_scalar(value):
    with pytest.raises(InvalidArgument, match=r"assignments\['x'\]"):
        plain_assignments({"x": value})


@pytest.mark.parametrize("wrong", [None, [0.5], "x=0.5"])
def test_what_is_no_mapping_is_told(wrong):
    with pytest.raises(InvalidArgument, match="give a dict from parameter to value"):
        plain_assignments(wrong)
