"""Following events without end: what breaks a stream, and where it goes on."""

import asyncio
from contextlib import aclosing

import optimizer_cases as cases
import pytest
from scripted_store import ScriptedStore, channel_to, message

from paretune.errors import (
    InternalError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from paretune.observation import Event
from paretune.rpc.credentials import NONE, Credentials
from paretune.v1 import store_pb2_grpc
from paretune_optimizer.service import watching as module
from paretune_optimizer.service.watching import SLICE, Told, watching

RESTORED = InvalidArgument("ahead of this Store", reason="INVALID_TOKEN")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0.001)


def told_by(store: ScriptedStore, count: int, credentials: Credentials = NONE) -> list[Told]:
    """The first messages."""

    async def main():
        async with channel_to(store) as channel, asyncio.timeout(10):
            stream = watching(store_pb2_grpc.StoreServiceStub(channel), credentials, "case")
            async with aclosing(stream):
                return [await anext(stream) for _ in range(count)]

    return asyncio.run(main())


@pytest.mark.parametrize(
    "error", [Unavailable("x"), ResourceExhausted("x", retry_after=0.01), InternalError("x")], ids=repr
)
def test_a_broken_stream_is_resumed_where_it_was(error):
    store = ScriptedStore([message("one"), error], [error], [message("two")])
    assert [told.anew for told in told_by(store, 2)] == [True, False]
    assert store.tokens == ["", "one", "one"]


def test_a_restored_store_is_read_anew():
    store = ScriptedStore([message("one"), Unavailable("x")], [RESTORED], [message("two"), message("three")])
    assert [told.anew for told in told_by(store, 3)] == [True, True, False]
    assert store.tokens == ["", "one", ""]


@pytest.mark.parametrize("error", [NotFound("gone"), PermissionDenied("no")], ids=repr)
def test_what_no_patience_mends_is_said(error):
    with pytest.raises(type(error)):
        told_by(ScriptedStore([error]), 1)


def test_a_token_file_that_is_away_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    file, pauses = tmp_path / "token", []

    async def put_there(seconds):
        pauses.append(seconds)
        file.write_text("secret")

    monkeypatch.setattr(module.asyncio, "sleep", put_there)
    assert len(told_by(ScriptedStore([message("one")]), 1, Credentials(token_file=file))) == 1
    assert len(pauses) == 1


def test_others_have_their_turn_between_slices_of_many_events():
    experiment = cases.experiment()
    many = message("one", *(Event(1 + k, experiment) for k in range(3 * SLICE)))
    seen = []

    async def other():
        while True:
            seen.append("other")
            await asyncio.sleep(0)

    async def main():
        beside = asyncio.create_task(other())
        async for event in Told(True, many).events():
            seen.append(event.sequence)  # noqa: PERF401 - `other` appends too
        beside.cancel()

    asyncio.run(main())
    assert [one for one in seen if one != "other"] == list(range(1, 3 * SLICE + 1))
    assert seen.index("other") == SLICE
