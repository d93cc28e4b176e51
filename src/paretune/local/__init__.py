"""All of paretune on this machine: the three services beside your own process, over loopback.

`client` gives a client that runs its own services, `suite` says which and where, and `supervisor` keeps each
`service` running, tied to this process by `tether`.
"""

from paretune.local.client import GRACE_SECONDS, LocalClient, local
from paretune.local.ports import LOOPBACK, free_ports, is_free, listens
from paretune.local.suite import DEFAULT_PORTS, Doors, Suite, answers, has_dashboard
from paretune.local.supervisor import Supervisor

__all__ = [
    "DEFAULT_PORTS",
    "GRACE_SECONDS",
    "LOOPBACK",
    "Doors",
    "LocalClient",
    "Suite",
    "Supervisor",
    "answers",
    "free_ports",
    "has_dashboard",
    "is_free",
    "listens",
    "local",
]
