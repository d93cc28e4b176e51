"""What the operator of a dashboard decides."""

from collections.abc import Sequence
from dataclasses import dataclass

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Config:
    """Settings of a dashboard.

    Attributes:
        server: address of the Optimizer, which also serves the Store.
        listen: ``host:port`` that browsers reach.
        trainers: addresses of trainer nodes to show.
        hosts: further names under which browsers reach it, as in the Host header.
        token: the dashboard's own access token, needed by nothing but share links; empty: none.
        secure: whether browsers reach it over TLS; cookies are then never sent without.
    """

    server: str
    listen: str
    trainers: Sequence[str] = ()
    hosts: Sequence[str] = ()
    token: str = ""
    secure: bool = False

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Values of the Host header that are answered: any other may be a rebound name."""
        host, _, port = self.listen.rpartition(":")
        names = {*LOOPBACK_NAMES, host}
        return frozenset({f"{name}:{port}" for name in names} | set(self.hosts))
