"""What the operator of a dashboard decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from paretune.rpc.credentials import NONE, Credentials

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Config:
    """Settings of a dashboard.

    Attributes:
        server: address of the Optimizer, which also serves the Store.
        listen: ``host:port`` that browsers reach.
        trainers: addresses of trainer nodes to show.
        hosts: further names under which browsers reach it, as in the Host header.
        credentials: whom to trust among the services; its token is needed by nothing but share links.
        secure: whether browsers reach it over TLS; cookies are then never sent without.
    """

    server: str
    listen: str
    trainers: Sequence[str] = ()
    hosts: Sequence[str] = ()
    credentials: Credentials = NONE
    secure: bool = False

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Values of the Host header that are answered: any other may be a rebound name."""
        host, _, port = self.listen.rpartition(":")
        names = {*LOOPBACK_NAMES, host}
        return frozenset({f"{name}:{port}" for name in names} | set(self.hosts))

    @property
    def without_token(self) -> Credentials:
        """The credentials for calls with the tokens of others."""
        return replace(self.credentials, token="", token_file=None)

    def own_token(self) -> str:
        """The dashboard's own token, read again when it lies in a file; empty: none."""
        return next((value.removeprefix("Bearer ") for _, value in self.credentials.metadata()), "")
