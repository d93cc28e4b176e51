"""The client's side of the doors: a token, a CA to trust, a certificate to show."""

import ipaddress
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import grpc

from paretune.errors import InvalidArgument
from paretune.rpc.tls import BadCertificate, check_ca

log = logging.getLogger("paretune")

Metadata = tuple[tuple[str, str], ...]


class _TokenFile:
    """A file that holds a token. Once it was read, a moment in which it cannot be is no reason to fail.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = ""
        self._told = False

    def token(self) -> str:
        """The token that is in the file now; the last one that was, while there is none.

        Raises:
            InvalidArgument: there never was one.
        """
        try:
            text = _read(self._path, "token file").decode(errors="replace").strip()
            if not text:
                raise InvalidArgument(f"The token file {self._path} is empty: put the token there.")
            self._last, self._told = _checked(text), False
        except InvalidArgument as error:
            if not self._last:
                raise
            if not self._told:
                log.warning("%s Until then the token that it held before is used.", error)
            self._told = True
        return self._last


@dataclass(frozen=True)
class Credentials:
    """How a client proves who it is, and whom it trusts.

    Attributes:
        token: sent with every call; empty: none.
        token_file: file that holds the token instead, read again for every call, so that it can be replaced;
            while it cannot be read, its last token counts.
        tls: encrypt, and trust the CAs of the operating system.
        ca: encrypt, and trust the CAs of this PEM file instead.
        cert: PEM file of a client certificate, for servers that demand one; needs `key`.
        key: PEM file of its private key.
        insecure: send a token to another machine even when nothing is encrypted.
    """

    token: str = field(default="", repr=False)
    token_file: Path | None = None
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure: bool = False
    _held: _TokenFile | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_held", _TokenFile(self.token_file) if self.token_file else None)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """What PARETUNE_TOKEN, _TOKEN_FILE, _TLS, _CA, _CERT, _KEY and _INSECURE say."""

        def path(name: str) -> Path | None:
            return Path(environ[name]) if environ.get(name) else None

        def flag(name: str) -> bool:
            return environ.get(name, "").lower() in ("1", "true", "yes", "on")

        return cls(
            environ.get("PARETUNE_TOKEN", ""),
            path("PARETUNE_TOKEN_FILE"),
            flag("PARETUNE_TLS"),
            path("PARETUNE_CA"),
            path("PARETUNE_CERT"),
            path("PARETUNE_KEY"),
            flag("PARETUNE_INSECURE"),
        )

    def but(
        self,
        *,
        token: str | None = None,
        tls: bool | None = None,
        insecure: bool | None = None,
        **files: str | os.PathLike[str] | None,
    ) -> Self:
        """The same with what is given instead; a token takes the place of a token file, and the other way.

        Args:
            token: the token.
            tls: whether to encrypt.
            insecure: whether to send a token in clear.
            files: token_file, ca, cert, key.
        """
        changes: dict[str, Any] = {name: Path(file) for name, file in files.items() if file is not None}
        if token is not None:
            changes |= {"token": token, "token_file": None}
        elif "token_file" in changes:
            changes["token"] = ""
        changes |= {} if tls is None else {"tls": tls}
        changes |= {} if insecure is None else {"insecure": insecure}
        return replace(self, **changes)

    @property
    def encrypted(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls or self.ca is not None or self.cert is not None

    @property
    def names_token(self) -> bool:
        """Whether there is a token to send."""
        return bool(self.token or self.token_file)

    def metadata(self) -> Metadata:
        """The headers of a call.

        Raises:
            InvalidArgument: the file of the token never could be read, or what is given is no token.
        """
        token = self._held.token() if self._held else _checked(self.token)
        return (("authorization", f"Bearer {token}"),) if token else ()

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        """For `secure_channel`; None: not encrypted.

        Raises:
            InvalidArgument: a file cannot be read, or a certificate comes without its key.
        """
        if not self.encrypted:
            return None
        if (self.cert is None) != (self.key is None):
            raise InvalidArgument("cert and key go together: give both files, or neither.")
        if self.ca is not None:
            try:
                check_ca(self.ca, "ca")
            except BadCertificate as error:
                raise InvalidArgument(str(error)) from None
        return grpc.ssl_channel_credentials(
            _read(self.ca, "CA") if self.ca else None,
            _read(self.key, "key") if self.key else None,
            _read(self.cert, "certificate") if self.cert else None,
        )

    def check(self, address: str) -> None:
        """Refuse to send a token in clear to another machine.

        Raises:
            InvalidArgument: with what to change.
        """
        if self.names_token and not self.encrypted and not self.insecure and not is_local(address):
            raise InvalidArgument(
                f"The token would go to {address} unencrypted: give ca=FILE (PARETUNE_CA, --ca) or tls=True, "
                "or accept it with insecure=True (PARETUNE_INSECURE=1, --insecure) on a trusted network."
            )


NONE = Credentials()
"""No token, nothing encrypted: what services on loopback of this machine need."""


def is_local(address: str) -> bool:
    """Whether ``host:port`` or ``unix:path`` can only be on this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidArgument("The token has characters that no token has: copy it whole, on one line.")
    return token


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"Cannot read the {what} {path}: {error.strerror}.") from None
