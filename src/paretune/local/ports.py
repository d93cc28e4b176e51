"""Ports of this machine: which are free, and which somebody listens at."""

import random
import socket

from paretune.errors import Unavailable
from paretune.rpc.listening import why_not

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes ports for outgoing connections (32768 and up), so that no connection
# of this machine takes a port between the moment it is found free and the moment a service listens there.
_FREE_PORTS = range(20000, 32000)


def listens(address: str) -> bool:
    """Whether anything accepts connections at `host:port`; a refusal is known at once."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=0.5).close()
    except OSError:
        return False
    return True


def is_free(port: int) -> bool:
    """Whether nothing on this machine holds a loopback port."""
    return not why_not(f"{LOOPBACK}:{port}")


def free_ports(count: int = 3) -> list[int]:
    """Loopback ports that nothing holds now.

    Raises:
        Unavailable: there are not enough.
    """
    candidates = list(_FREE_PORTS)
    # The process's own generator: a seeded user must not get the same ports in every process.
    random.SystemRandom().shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise Unavailable(f"This machine has no {count} free ports from {_FREE_PORTS[0]} to {_FREE_PORTS[-1]}.")
