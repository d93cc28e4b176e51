"""Early stops go on whatever happens to the Store or to the Optimizer's token."""

import asyncio
import logging

import optimizer_cases as cases
from scripted_store import ScriptedStore, channel_to, message, until

import paretune as pt
from paretune.errors import InvalidArgument, Unavailable
from paretune.rpc.credentials import Credentials
from paretune_optimizer.service import watching
from paretune_optimizer.service.stop_feed import StopFeed

LOOK = 0.01


def test_a_restored_store_is_read_anew(monkeypatch):
    monkeypatch.setattr(watching, "PAUSE", 0.001)
    restored = InvalidArgument("ahead of this Store", reason="INVALID_TOKEN")
    store = ScriptedStore(
        [message("one"), Unavailable("restarts")], [restored], [message("two")],
        active=(cases.experiment(early_stopping=pt.EarlyStopping()),),
    )  # fmt: skip

    async def main():
        async with channel_to(store) as channel:
            feed = StopFeed(channel, channel, look_seconds=LOOK)
            await feed.start()
            await until(lambda: len(store.tokens) == 3)
            await feed.close()

    asyncio.run(main())
    assert store.tokens == ["", "one", ""]


def test_looking_goes_on_after_a_token_file_that_could_not_be_read(tmp_path, caplog):
    file = tmp_path / "token"
    store = ScriptedStore([message("one")], active=(cases.experiment(early_stopping=pt.EarlyStopping()),))

    async def main():
        async with channel_to(store) as channel:
            feed = StopFeed(channel, channel, Credentials(token_file=file), look_seconds=LOOK)
            await feed.start()
            await until(lambda: "not known" in caplog.text)
            file.write_text("secret")
            await until(lambda: len(store.tokens) == 1)
            await feed.close()

    with caplog.at_level(logging.INFO, "paretune"):
        asyncio.run(main())
    assert "Cannot read the token file" in caplog.text


def test_no_more_experiments_are_followed_than_there_is_room_for(caplog):
    wanted = [cases.experiment(id=f"e{k}", early_stopping=pt.EarlyStopping()) for k in range(3)]
    store = ScriptedStore([message("one")], active=tuple(wanted))

    async def main():
        async with channel_to(store) as channel:
            feed = StopFeed(channel, channel, look_seconds=LOOK, most=2)
            await feed.start()
            await until(lambda: caplog.text.count("1 more experiments want early stops") >= 2)
            await until(lambda: len(store.tokens) == 2)
            await feed.close()

    asyncio.run(main())
    assert store.tokens == ["", ""]
