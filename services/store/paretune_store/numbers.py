"""What Prometheus is told about the Store beside its calls."""

import asyncio
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLate

from paretune import metrics
from paretune_store.sqlite import TOTALS, SqliteStore

SECONDS = 5.0
"""Time that reading the totals may take: longer than a busy reader lets anybody wait."""


def show(store: SqliteStore) -> None:
    """Show queue depth and totals; must be called on the event loop of the Store."""
    loop = asyncio.get_running_loop()

    def reader(name: str) -> Callable[[], float]:
        def read() -> float:
            try:
                return asyncio.run_coroutine_threadsafe(store.totals(), loop).result(SECONDS)[name]
            except (TooLate, RuntimeError):
                return float("nan")

        return read

    metrics.gauge("paretune_store_waiting_writes", "Writes that wait for the disk.", lambda: store.waiting)
    for name in TOTALS:
        metrics.gauge(f"paretune_store_{name}", f"Sum over all experiments of: {name}.", reader(name))
