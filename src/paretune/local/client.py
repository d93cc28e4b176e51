"""A client with services of its own, beside your own process.

with paretune.local("tune.db") as client:
    experiment = client.create_experiment(...)
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from paretune.client import Client
from paretune.local.ports import free_ports
from paretune.local.suite import Suite
from paretune.local.supervisor import Supervisor, log
from paretune.rpc.channel import DEFAULT_TIMEOUT
from paretune.rpc.credentials import NONE

GRACE_SECONDS = 20.0
"""More than a Trainer takes to hand back what it runs."""


class LocalClient(Client):
    """A client that runs its own services, and ends them when it is closed.

    Attributes:
        suite: addresses and files of the services.
        supervisor: what keeps them running.

    Raises:
        Unavailable: a service cannot start, with what it said: another process owns the database, say.
    """

    def __init__(
        self,
        suite: Suite,
        *,
        trainer_slots: int = 0,
        timeout: float = DEFAULT_TIMEOUT,
        notify: Callable[[str], None] = log.warning,
    ) -> None:
        self.suite = suite
        self.supervisor = Supervisor(suite.services(), suite.folder, notify=notify, grace=GRACE_SECONDS)
        self.supervisor.start()
        try:
            self.supervisor.wait_until_ready()
        except BaseException:
            self.supervisor.stop()
            raise
        self._announced = ExitStack()
        self._announced.enter_context(suite.announced())
        # Only now, so that it does not slow down those that the caller waits for.
        if trainer_slots:
            self.supervisor.add(suite.trainer(trainer_slots))
        super().__init__(suite.server, timeout=timeout, credentials=NONE)

    def close(self) -> None:
        """Close the connection and end the services."""
        super().close()
        self._announced.close()
        self.supervisor.stop()


def local(
    path: str | os.PathLike[str] = "paretune.db",
    *,
    trainer_slots: int = 1,
    timeout: float = DEFAULT_TIMEOUT,
) -> LocalClient:
    """Start Store, Optimizer and Trainer for a database file; gives a client that ends them when closed.

    The services listen on free ports of loopback, and are started again when they die. The Trainer runs the
    trials of experiments that name a workload, and does nothing otherwise.

    Args:
        path: the SQLite file, made when missing. One process at a time can own it.
        trainer_slots: trials that the Trainer runs at once; 0: no Trainer.
        timeout: seconds until a call gives up.

    Raises:
        Unavailable: a service cannot start, such as when another process owns the database.
    """
    suite = Suite(Path(path), free_ports())
    return LocalClient(suite, trainer_slots=trainer_slots, timeout=timeout)
