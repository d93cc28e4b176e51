"""Tells the Store, now and then, that this node is there and what it does: `paretune nodes` shows it."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any, Final, Protocol

from paretune.client.call import Call
from paretune.client.node_calls import report_node
from paretune.errors import ParetuneError
from paretune_trainer.describe import describe_node
from paretune_trainer.node import Node

log = logging.getLogger("paretune.trainer")

REPORT_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 1.0


class ReportClient(Protocol):
    """What is needed of `paretune.client.Client`."""

    def run(self, call: Call[Any], *, patience: float | None = None) -> Any:
        """Send a call."""


class Reporter:
    """A thread that reports until `stop`.

    Args:
        node: what is described.
        client: how the Store is reached.
        address: where the node serves.
        every: seconds between reports.
    """

    def __init__(self, node: Node, client: ReportClient, address: str, every: float = REPORT_SECONDS) -> None:
        self._node, self._client, self._address, self._every = node, client, address, every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="report", daemon=True)

    def start(self) -> None:
        """Begin, with a report at once."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye, as well as it goes."""
        self._stopping.set()
        with contextlib.suppress(ParetuneError, ValueError):
            self._report(leaving=True, patience=1.0)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._report(leaving=False, patience=self._every)
            except (ParetuneError, ValueError) as error:  # grpc says ValueError when the channel was closed
                log.info("this node is not listed now: %s", error)
            self._rest()

    def _rest(self) -> None:
        """Until the next report is due, or the node leaves other experiments alone, which users wait for."""
        told = dict(self._node.unable)
        for _ in range(max(1, round(self._every / LOOK_SECONDS))):
            if self._stopping.wait(min(self._every, LOOK_SECONDS)) or dict(self._node.unable) != told:
                return

    def _report(self, *, leaving: bool, patience: float) -> None:
        self._client.run(report_node(describe_node(self._node, self._address), leaving), patience=patience)
