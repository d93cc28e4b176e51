"""Keeping a lease alive from a background thread while the training computes."""

import logging
import threading
from typing import Protocol

from paretune.client.calls import Heartbeat
from paretune.errors import FailedPrecondition, NotFound, ParetuneError
from paretune.observation import Directive

log = logging.getLogger("paretune")

BEATS_PER_TTL = 3
"""Heartbeats in the life of a lease: two may get lost before it expires."""


class Beats(Protocol):
    """What can send a heartbeat; `paretune.client.Client` does."""

    def heartbeat(self, suggestion_id: str, fence: str, *, patience: float | None = None) -> Heartbeat:
        """Extend the lease."""
        ...


class KeptLease:
    """A lease with a daemon thread that extends it until `stop`, or until it is lost.

    Attributes:
        directive: what the Store last said the worker should do.
        lost: set once the lease is not ours any more.
    """

    def __init__(self, client: Beats, suggestion_id: str, fence: str, ttl: float) -> None:
        self._client, self._suggestion_id, self._fence, self._ttl = client, suggestion_id, fence, ttl
        self._stopped = threading.Event()
        self.lost = threading.Event()
        self.directive = Directive.CONTINUE
        self._thread = threading.Thread(
            target=self._keep, name=f"paretune-lease-{suggestion_id}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Let the lease be; a heartbeat under way may still arrive."""
        self._stopped.set()

    def _keep(self) -> None:
        while not self._stopped.wait(self._ttl / BEATS_PER_TTL) and not self.lost.is_set():
            self._beat()

    def _beat(self) -> None:
        try:
            beat = self._client.heartbeat(
                self._suggestion_id, self._fence, patience=self._ttl / BEATS_PER_TTL
            )
        except (FailedPrecondition, NotFound) as error:
            if not self._stopped.is_set():
                log.info("the lease of %s is lost: %s", self._suggestion_id, error)
                self.lost.set()
        except (ParetuneError, ValueError) as error:  # grpc says ValueError when the channel was closed
            log.debug("heartbeat of %s failed, the next may not: %s", self._suggestion_id, error)
        else:
            self.directive, self._ttl = beat.directive, beat.ttl or self._ttl
