"""Files of TLS and tokens: are they there, do they belong together, how long do they last?"""

import os
import ssl
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paretune.doctor.finding import Finding, fail, ok, warn

SOON = timedelta(days=30)
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_RENEW = "Renew it; services read the new file by themselves."


def examine(environ: Mapping[str, str] = os.environ, now: datetime | None = None) -> Iterator[Finding]:
    """What the PARETUNE_ variables CA, CLIENT_CA, CERT, KEY, TLS_CERT, TLS_KEY, TOKEN_FILE, TOKENS name."""
    now = now or datetime.now(UTC)
    named = {key.removeprefix("PARETUNE_"): Path(value) for key, value in environ.items() if value}
    for name in ("CA", "CLIENT_CA"):
        if name in named:
            yield authority(named[name], now)
    for cert, key in (("CERT", "KEY"), ("TLS_CERT", "TLS_KEY")):
        if (cert in named) != (key in named):
            one = f"PARETUNE_{cert if cert in named else key}"
            yield fail("tls", f"{one} is set without its pair", f"Set PARETUNE_{cert} and PARETUNE_{key}.")
        elif cert in named:
            yield pair(named[cert], named[key], now)
    for name in ("TOKEN_FILE", "TOKENS"):
        if name in named:
            yield secret(named[name])


def authority(path: Path, now: datetime) -> Finding:
    """A file of CAs: when does the first of them end?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
        ends = [str(found["notAfter"]) for found in context.get_ca_certs()]
    except OSError as error:  # ssl.SSLError is one
        return fail(
            "tls", f"{path}: {error.strerror or error}", "Name a PEM file with the certificate of the CA."
        )
    if not ends:
        return warn("tls", f"{path} holds no CA", "It trusts exactly the certificates in it; is that meant?")
    return lasts(f"CA {path}", min(map(_time, ends)), now)


def pair(cert: Path, key: Path, now: datetime) -> Finding:
    """A certificate and its key: do they belong together, and until when?"""
    try:
        return lasts(f"certificate {cert}", _time(_shown(cert, key)), now)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            return fail("tls", f"certificate {cert} has expired", _RENEW)
        return fail("tls", f"certificate {cert}: {error.verify_message}", "Give a certificate that is valid.")
    except ssl.SSLError as error:
        return fail(
            "tls", f"{cert} and {key}: {error.reason or error}", "Give the pair, unencrypted, in PEM."
        )
    except OSError as error:
        return fail(
            "tls", f"{error.filename or cert}: {error.strerror or error}", "Name files that can be read."
        )


def _shown(cert: Path, key: Path) -> str:
    """Until when the certificate is valid, as a peer that trusts it sees it: a handshake in memory."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(cert, key, password="")
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trusts the certificate itself
    client_context.load_verify_locations(cert)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up)
    server = server_context.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return str((client.getpeercert() or {})["notAfter"])


def lasts(what: str, end: datetime, now: datetime) -> Finding:
    """What to think of something that ends."""
    days = (end - now) / timedelta(days=1)
    if days < 0:
        return fail("tls", f"{what} ended {-days:.0f} days ago", _RENEW)
    found = f"{what} lasts until {end:%Y-%m-%d}"
    if end - now < SOON:
        return warn("tls", f"{found}, {days:.0f} more days", _RENEW)
    return ok("tls", found)


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def secret(path: Path) -> Finding:
    """A file that only its owner should read."""
    try:
        mode = path.stat().st_mode
        empty = not path.read_bytes().strip()
    except OSError as error:
        return fail("token", f"{path}: {error.strerror}", "Name a file that can be read.")
    if empty:
        return fail("token", f"{path} is empty", "Put the token there, see `paretune token`.")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return warn("token", f"{path} can be read by others", f"chmod 600 {path}")
    return ok("token", f"{path} is there, and only its owner reads it")
