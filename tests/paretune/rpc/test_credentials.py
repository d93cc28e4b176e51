"""The file of a token, in moments in which it cannot be read."""

import logging

import pytest

from paretune.errors import InvalidArgument
from paretune.rpc.credentials import Credentials


def sent(credentials):
    ((name, value),) = credentials.metadata()
    assert name == "authorization"
    return value.removeprefix("Bearer ")


@pytest.fixture
def held(tmp_path):
    return tmp_path / "token"


@pytest.mark.parametrize("content", [None, "", " \n", "pt_one pt_two", "pt_ön"])
def test_a_file_that_cannot_be_used_is_refused_at_first_and_bridged_later(held, caplog, content):
    def spoil():
        held.unlink(missing_ok=True)
        if content is not None:
            held.write_text(content)

    credentials = Credentials(token_file=held)
    spoil()
    with pytest.raises(InvalidArgument, match="token"):
        credentials.metadata()
    held.write_text("pt_one\n")
    assert sent(credentials) == "pt_one"
    spoil()
    with caplog.at_level(logging.WARNING):
        assert [sent(credentials) for _ in range(3)] == ["pt_one"] * 3
    assert len(caplog.records) == 1
    held.write_text("pt_two\n")
    assert sent(credentials) == "pt_two"


def test_other_credentials_remember_nothing_of_it(held):
    held.write_text("pt_one")
    credentials = Credentials(token_file=held)
    assert sent(credentials) == "pt_one"
    assert credentials == Credentials(token_file=held)
    assert "pt_one" not in repr(credentials)
    held.unlink()
    with pytest.raises(InvalidArgument, match=str(held)):
        credentials.but(tls=True).metadata()
