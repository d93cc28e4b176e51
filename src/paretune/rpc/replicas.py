"""Several Optimizers behind one client: each experiment has its own, as long as that one answers.

An address may list several, ``a:50051,b:50051``. An Optimizer keeps a warm model for each experiment that
it is asked about, so calls about one experiment go to one of them, chosen by rendezvous hashing (Thaler
and Ravishankar, 1998): every client chooses the same without talking to others, and when one is away only
its own experiments move. What is not about an experiment goes to the first that answers.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from paretune.errors import DeadlineExceeded, InvalidArgument, ParetuneError, Unavailable

C = TypeVar("C")

AWAY_SECONDS = 5.0
"""How long one that did not answer is passed over."""


def addresses_of(text: str) -> tuple[str, ...]:
    """The addresses in a list with commas.

    Raises:
        InvalidArgument: one is none, or is given twice.
    """
    found = tuple(part.strip() for part in str(text).split(","))
    for one in found:
        if "/" in one and not one.startswith("unix:"):
            raise InvalidArgument(f"{one!r} is not an address; write HOST:PORT, without http:// and paths.")
        port = one.rpartition(":")[2]
        if not one.startswith("unix:") and not (":" in one and port.isdigit() and 0 < int(port) < 65536):
            raise InvalidArgument(f"{one!r} is not an address; write HOST:PORT, such as 127.0.0.1:50051.")
    if len(set(found)) < len(found):
        raise InvalidArgument(f"{text!r} names an address twice.")
    return found


class Replicas(Generic[C]):
    """Channels to one or more Optimizers, opened when they are needed.

    Args:
        address: one address, or several with commas.
        connect: opens a channel.
        clock: seconds, monotonic.

    Raises:
        InvalidArgument: see `addresses_of`.
    """

    def __init__(
        self, address: str, connect: Callable[[str], C], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._addresses = addresses_of(address)
        self._connect = connect
        self._clock = clock
        self._away: dict[str, float] = {}
        self.channels: dict[str, C] = {}
        self.pick(None)  # says now what would fail later

    def pick(self, request: Any) -> tuple[str, C]:
        """Where a call with this request goes now: address and channel."""
        order = preference(self._addresses, experiment_of(request))
        now = self._clock()
        address = next((one for one in order if self._away.get(one, 0.0) <= now), order[0])
        if address not in self.channels:
            self.channels[address] = self._connect(address)
        return address, self.channels[address]

    def failed(self, address: str, error: ParetuneError) -> None:
        """Pass an address over for a while, if the error says that nobody answers there."""
        if len(self._addresses) > 1 and isinstance(error, Unavailable | DeadlineExceeded):
            self._away[address] = self._clock() + AWAY_SECONDS


def preference(addresses: tuple[str, ...], key: str) -> list[str]:
    """The addresses in the order in which an experiment takes them; as listed without one."""
    if not key or len(addresses) == 1:
        return list(addresses)
    return sorted(addresses, key=lambda one: hashlib.blake2b(f"{one} {key}".encode()).digest(), reverse=True)


def experiment_of(request: Any) -> str:
    """The experiment that a request is about; empty: none, or only known to the Store."""
    named = getattr(request, "experiment_id", "")
    for field, name in (("observation", "experiment_id"), ("experiment", "id")):
        named = named or getattr(getattr(request, field, None), name, "")
    return str(named)
