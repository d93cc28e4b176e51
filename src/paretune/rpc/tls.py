"""The server's side of TLS: certificates that are read again when their files change."""

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

log = logging.getLogger("paretune")


class BadCertificate(Exception):
    """Certificate, key and CA cannot be used together; the message says which file and why."""


@dataclass(frozen=True)
class ServerTls:
    """How a server proves who it is, and whom it lets connect.

    Attributes:
        cert: PEM file with its certificate, and after it those that lead to the CA.
        key: PEM file with the private key, without a passphrase.
        client_ca: PEM file of the CA that must have signed the certificates of clients (mTLS); None: clients
            need none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for `add_secure_port` that follow the files.

        Raises:
            BadCertificate: they cannot be used now. Later that is logged, and the last good ones stay in use.
        """
        source = _Source(self)
        return grpc.dynamic_ssl_server_credentials(
            source.first,
            source.fetch,  # type: ignore[arg-type] # None: no change
            require_client_authentication=self.client_ca is not None,
        )

    def read(self) -> "grpc.ServerCertificateConfiguration":
        """The files as they are now.

        Raises:
            BadCertificate: one cannot be read, or key and certificate do not belong together.
        """
        key, cert = _pem(self.key, "--tls-key"), _pem(self.cert, "--tls-cert")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.cert, self.key, password="")
        except ssl.SSLError as error:
            if "MISMATCH" in str(error):
                raise BadCertificate(
                    f"The key {self.key} does not belong to the certificate {self.cert}: give the pair."
                ) from None
            raise BadCertificate(
                f"{self.cert} and {self.key} are no certificate and unencrypted key in PEM: {error.reason}."
            ) from None
        client_ca = _pem(self.client_ca, "--client-ca") if self.client_ca else None
        if self.client_ca:
            check_ca(self.client_ca, "--client-ca")
        return grpc.ssl_server_certificate_configuration([(key, cert)], client_ca)

    def stamp(self) -> tuple[object, ...]:
        """Changes when a file does."""
        files = (self.cert, self.key, self.client_ca)
        return tuple(stamp_of(file) for file in files if file)


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Changes when the file does; None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _pem(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadCertificate(f"{option}: cannot read {path}: {error.strerror}.") from None


def check_ca(path: Path, option: str) -> None:
    """Refuse what is not a file of CA certificates.

    Raises:
        BadCertificate: it cannot be read, or holds none.
    """
    _pem(path, option)
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise BadCertificate(
            f"{option}: {path} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)."
        ) from None


class _Source:
    """What gRPC asks at every handshake, from threads of its own."""

    def __init__(self, tls: ServerTls) -> None:
        self._tls = tls
        self._lock = threading.Lock()
        self._stamp = tls.stamp()
        self.first = tls.read()

    def fetch(self) -> "grpc.ServerCertificateConfiguration | None":
        """The new configuration; None when nothing changed, or what changed cannot be used."""
        with self._lock:
            stamp = self._tls.stamp()
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            try:
                read = self._tls.read()
            except BadCertificate as error:
                log.error("%s The certificate read before stays in use until then.", error)
                return None
            log.info("read the certificate %s again", self._tls.cert)
            return read
