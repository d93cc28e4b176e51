"""Following an experiment's events without end: broken streams are resumed, a restored Store is read anew."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from paretune import wire
from paretune.errors import (
    NotFound,
    ParetuneError,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from paretune.observation import Event
from paretune.rpc.credentials import Credentials
from paretune.rpc.status import error_of
from paretune.v1 import store_pb2

log = logging.getLogger("paretune")

PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before a broken stream is resumed; twice as long each time that nothing came in between."""
SLICE = 64
"""Events that are taken in before others have their turn: some milliseconds."""


@dataclass(frozen=True)
class Told:
    """A message of the stream.

    Attributes:
        anew: it begins with the first event, and whatever was told before counts for nothing.
        reply: the message.
    """

    anew: bool
    reply: store_pb2.WatchResponse

    async def events(self) -> AsyncIterator[Event]:
        """The events, one after the other; between slices of them others have their turn."""
        for number, message in enumerate(self.reply.events, 1):
            yield wire.event_from_proto(message)
            if number % SLICE == 0:
                await asyncio.sleep(0)


async def watching(
    store: Any, credentials: Credentials, experiment_id: str, *, skip_checkpoints: bool = False
) -> AsyncGenerator[Told, None]:
    """All events of an experiment from the first on, then live.

    A stream that breaks, is turned away or cannot be begun is resumed where it was. A resume token that the
    Store refuses is of another life of its file, one before a restore: the events are then told anew.

    Args:
        store: stub of the Store.
        credentials: whose token is used.
        experiment_id: whose events.
        skip_checkpoints: leave checkpoints out.

    Raises:
        NotFound: there is no such experiment any more.
        Unauthenticated, PermissionDenied: the Store refuses the token.
    """
    token, pause = "", PAUSE
    while True:
        try:
            request = store_pb2.WatchRequest(
                experiment_id=experiment_id, resume_token=token, skip_checkpoints=skip_checkpoints
            )
            stream = store.Watch(request, wait_for_ready=True, metadata=credentials.metadata())
            try:
                async for reply in stream:
                    yield Told(not token, reply)
                    token, pause = reply.resume_token, PAUSE
            finally:
                stream.cancel()
        except (grpc.aio.AioRpcError, ParetuneError) as failure:
            error = failure if isinstance(failure, ParetuneError) else error_of(failure)
            if isinstance(error, NotFound | Unauthenticated | PermissionDenied):
                raise error from None
            if error.reason == "INVALID_TOKEN":
                log.warning("the Store was restored: the events of %s are read anew", experiment_id)
                token = ""
            elif not isinstance(error, Unavailable) and pause == PAUSE:
                log.warning("the events of %s are waited for: %s", experiment_id, error)
            if isinstance(error, ResourceExhausted):
                pause = max(pause, error.retry_after)
        await asyncio.sleep(pause)
        pause = min(2.0 * pause, LONGEST_PAUSE)
