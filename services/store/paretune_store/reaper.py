"""Ending leases whose holders went silent."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from paretune.errors import ParetuneError
from paretune_store.store import Store

log = logging.getLogger("paretune")

SHORTEST_SECONDS = 0.01
LONGEST_SECONDS = 0.5
"""A lease given out while the reaper sleeps is noticed this late at most; the shortest ttl is 1 s."""


async def reap(store: Store, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """End expired leases, beginning now, until cancelled."""
    while True:
        try:
            left = await store.expire()
        except ParetuneError as error:
            log.warning("cannot end expired leases: %s", error)
            left = LONGEST_SECONDS
        await sleep(min(max(left, SHORTEST_SECONDS), LONGEST_SECONDS))
