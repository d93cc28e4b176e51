"""Page tokens and page limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.errors import InvalidArgument
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store import pages

ORDINALS = st.integers(-(2**63), 2**63 - 1)


@given(st.text(), st.tuples(ORDINALS, ORDINALS))
def test_tokens_give_the_position_back(context, position):
    assert pages.decode(context, pages.encode(context, position)) == position


@given(st.text(max_size=60))
def test_nothing_else_is_a_token(text):
    with pytest.raises(InvalidArgument) as caught:
        pages.decode("context", text)
    assert caught.value.reason == "INVALID_TOKEN"


@given(st.tuples(ORDINALS, ORDINALS), st.integers(0, 31), st.characters(codec="ascii"))
def test_a_changed_token_is_refused_or_the_same(position, index, character):
    token = pages.encode("context", position)
    changed = token[:index] + character + token[index + 1 :]
    try:
        assert pages.decode("context", changed) == position or index > 9  # only the digest is protected
    except InvalidArgument:
        assert changed != token


def test_tokens_are_bound_to_the_other_arguments():
    def token(**arguments) -> str:
        request = pb.ListSuggestionsRequest(**arguments)
        return pages.encode(pages.context_of(request), (1, 0))

    assert token(experiment_id="a", page_size=3) == token(experiment_id="a", page_size=9, page_token="x")
    assert token(experiment_id="a") != token(experiment_id="b")
    assert token(experiment_id="a") != token(experiment_id="a", states=[1])


@pytest.mark.parametrize(
    ("asked", "given_"), [(0, 100), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_page_sizes(asked, given_):
    assert pages.page_size(asked) == given_


def test_a_page_ends_before_it_outgrows_a_client():
    big = types.Observation(id="x" * 700_000)
    request = pb.ListObservationsRequest(experiment_id="a")
    page, token = pages.cut(request, (((n, 0), big) for n in range(1, 9)))
    assert len(page) == 2
    assert pages.start_of(pb.ListObservationsRequest(experiment_id="a", page_token=token)) == (2, 0)
    huge = types.Observation(id="x" * 3_000_000)
    assert len(pages.cut(request, [((1, 0), huge), ((2, 0), huge)])[0]) == 1
