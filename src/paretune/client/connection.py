"""`connect`: a client with what it needs to get through the doors of services elsewhere."""

import os

from paretune.client import DEFAULT_ADDRESS, Client
from paretune.rpc.channel import DEFAULT_TIMEOUT
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import wait_until_any_serves
from paretune.rpc.replicas import addresses_of


def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    wait: float = 10.0,
    token: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    ca: str | os.PathLike[str] | None = None,
    tls: bool | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    insecure: bool | None = None,
) -> Client:
    """A client, once the Optimizer at `address` says that it serves.

    Args:
        address: ``host:port`` or ``unix:path``; several Optimizers with commas, of which one must answer.
        timeout: seconds until a later call gives up.
        wait: seconds to wait for the service to come up.
        token: proves who you are, to services that ask for it; see `paretune token`.
        token_file: file that holds the token instead, read again for every call.
        ca: encrypt, and trust the CAs of this PEM file.
        tls: encrypt, and trust the CAs of the operating system.
        cert: PEM file of a certificate to show, for services that demand one; with `key`.
        key: PEM file of its private key.
        insecure: send the token to another machine although nothing is encrypted.

    What is not given comes from the environment: PARETUNE_TOKEN, PARETUNE_TOKEN_FILE, PARETUNE_CA,
    PARETUNE_TLS, PARETUNE_CERT, PARETUNE_KEY, PARETUNE_INSECURE.

    Raises:
        InvalidArgument: a file cannot be used, or a token would be sent in clear to another machine.
        Unauthenticated: the certificate of the service cannot be trusted.
        Unavailable: nobody serves there within `wait` seconds.
    """
    credentials = Credentials.from_environment().but(
        token=token, token_file=token_file, ca=ca, tls=tls, cert=cert, key=key, insecure=insecure
    )
    wait_until_any_serves(addresses_of(address), wait, credentials)
    return Client(address, timeout=timeout, credentials=credentials)
