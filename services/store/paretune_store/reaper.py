"""Chores: ending leases whose holders went silent, and forgetting what is old."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from paretune.errors import ParetuneError
from paretune_store.store import Store

log = logging.getLogger("paretune")

SHORTEST_SECONDS = 0.01
LONGEST_SECONDS = 0.5
PRUNE_SECONDS = 3600.0
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


async def prune(store: Store, days: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Forget replies and events of checkpoints that are older than `days`, now and then, until cancelled."""
    while True:
        await sleep(PRUNE_SECONDS)
        try:
            if removed := await store.prune(days):
                log.info("forgot %d replies and events of checkpoints older than %g days", removed, days)
        except ParetuneError as error:
            log.warning("cannot forget what is old: %s", error)
