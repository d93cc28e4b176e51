"""Encryption and certificates: who connects, who does not, and what either is told."""

import asyncio
import re
import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import paretune as pt
from paretune.errors import InvalidArgument, Unauthenticated, Unavailable
from paretune.rpc.server import CannotListen, Serving, open_server
from paretune.rpc.tls import ServerTls

HOST = "127.0.0.1"


class Files:
    """A CA, and what it signed, as an operator has them on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, name: str, *identities: str, authority: trustme.CA | None = None, **options):
        signed = (authority or self.authority).issue_cert(*identities or (HOST,), **options)
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        signed.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(part.bytes() for part in signed.cert_chain_pems))
        return cert, key


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.fixture
def serve():
    """Starts health services with given doors; gives their addresses."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = []

    async def start(tls: ServerTls | None) -> str:
        server, port = open_server(Serving(f"{HOST}:0", tls=tls), lambda server: None, [])
        state = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(state, server)
        await state.set("", health_pb2.HealthCheckResponse.SERVING)
        await server.start()
        servers.append(server)
        return f"{HOST}:{port}"

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    yield lambda tls=None: run(start(tls))
    for server in servers:
        run(server.stop(0))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def enter(address: str, **credentials) -> str:
    """What a client is told: nothing when it gets in."""
    try:
        pt.connect(address, wait=2.0, **credentials).close()
    except (Unavailable, Unauthenticated, InvalidArgument) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_whoever_trusts_the_ca_gets_in(files, serve):
    address = serve(ServerTls(*files.issue("server")))
    assert enter(address, ca=files.ca) == ""


def test_the_asyncio_client_gets_in_too(files, serve):
    address = serve(ServerTls(*files.issue("server")))

    async def connect():
        async with await pt.aio.connect(address, ca=files.ca, wait=2.0):
            pass

    asyncio.run(connect())


def test_credentials_come_from_the_environment(files, serve, monkeypatch):
    address = serve(ServerTls(*files.issue("server")))
    monkeypatch.setenv("PARETUNE_CA", str(files.ca))
    assert enter(address) == ""


REFUSALS = {
    "another CA": ("ca of others", "not signed by a CA that you trust.*PARETUNE_CA"),
    "the CAs of the system": ("tls", "not signed by a CA that you trust"),
    "nothing encrypted": ("plain", r"closes the connection.*ca=FILE"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_clients_that_do_not_fit_are_told_what_to_change(files, serve, tmp_path, case):
    address = serve(ServerTls(*files.issue("server")))
    (tmp_path / "others").mkdir()
    given, sentence = REFUSALS[case]
    options = {"ca of others": {"ca": Files(tmp_path / "others").ca}, "tls": {"tls": True}, "plain": {}}[
        given
    ]
    assert re.search(sentence, enter(address, **options))


def test_an_expired_certificate_is_refused(files, serve):
    address = serve(ServerTls(*files.issue("old", not_after=datetime(2021, 1, 1, tzinfo=UTC))))
    assert "has expired" in enter(address, ca=files.ca)


def test_a_certificate_for_another_name_is_refused(files, serve):
    address = serve(ServerTls(*files.issue("elsewhere", "elsewhere.example")))
    assert "is for another name" in enter(address, ca=files.ca)


def test_a_service_without_tls_is_not_taken_for_one_with(files, serve):
    assert "does not use TLS" in enter(serve(), ca=files.ca)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_refused(files, serve):
    host, _, port = serve(ServerTls(*files.issue("server"))).partition(":")

    def shake(newest: ssl.TLSVersion) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(files.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port))) as raw:
            context.wrap_socket(raw, server_hostname=host).close()

    shake(ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError, match=r"UNEXPECTED_EOF|ALERT"):
        shake(ssl.TLSVersion.TLSv1_1)


def test_mutual_tls(files, serve, tmp_path):
    address = serve(ServerTls(*files.issue("server"), client_ca=files.ca))
    cert, key = files.issue("client", "client@example.org")
    assert enter(address, ca=files.ca, cert=cert, key=key) == ""
    assert "give cert=FILE and key=FILE" in enter(address, ca=files.ca)
    stranger, its_key = files.issue("stranger", "x@example.org", authority=trustme.CA())
    assert "signed by the CA that it trusts" in enter(address, ca=files.ca, cert=stranger, key=its_key)
    assert "go together" in enter(address, ca=files.ca, cert=cert)


def test_certificates_are_read_again_when_they_change(files, serve, tmp_path):
    cert, key = files.issue("server")
    address = serve(ServerTls(cert, key))
    assert enter(address, ca=files.ca) == ""
    (tmp_path / "new").mkdir()
    new = Files(tmp_path / "new")
    new_cert, new_key = new.issue("server")
    # Half way the pair does not fit: the old one stays in use.
    cert.write_bytes(new_cert.read_bytes())
    assert enter(address, ca=files.ca) == ""
    key.write_bytes(new_key.read_bytes())
    assert enter(address, ca=new.ca) == ""
    assert "not signed by a CA that you trust" in enter(address, ca=files.ca)


def test_bad_certificates_stop_the_start_with_the_reason(files, tmp_path):
    cert, key = files.issue("one")
    _, other_key = files.issue("two")
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("hello")
    for tls, sentence in [
        (ServerTls(cert, other_key), "does not belong to the certificate"),
        (ServerTls(cert, tmp_path / "none"), "--tls-key: cannot read"),
        (ServerTls(rubbish, key), "are no certificate and unencrypted key in PEM"),
        (ServerTls(cert, key, rubbish), "--client-ca.* holds no certificate"),
    ]:
        with pytest.raises(CannotListen, match=sentence):
            asyncio.run(opened(Serving(f"{HOST}:0", tls=tls)))


async def opened(serving: Serving):
    return open_server(serving, lambda server: None, [])


def test_a_token_is_not_sent_in_clear_to_another_machine():
    for address in ("10.0.0.5:50051", "optimizer:50051", "[2001:db8::1]:50051"):
        with pytest.raises(InvalidArgument, match=r"would go to .* unencrypted"):
            pt.connect(address, token="pt_x", wait=0.2)
    for address in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/tmp/none.sock"):
        with pytest.raises(Unavailable):
            pt.connect(address, token="pt_x", wait=0.2)


UNPROTECTED = {
    "nothing": ({}, "nothing is encrypted .* and nobody is asked who they are"),
    "no tokens": ({"tls": True}, "nobody is asked who they are"),
    "no TLS": ({"tokens": True}, "nothing is encrypted"),
}


@pytest.mark.parametrize("listen", ["0.0.0.0:50051", "10.0.0.5:50051", "[::]:50051", "store:50051"])
@pytest.mark.parametrize("case", UNPROTECTED)
def test_no_address_off_loopback_without_protection(files, listen, case, caplog):
    given, sentence = UNPROTECTED[case]
    tls = ServerTls(*files.issue("server")) if given.get("tls") else None
    tokens = files.folder / "tokens.json" if given.get("tokens") else None
    with pytest.raises(CannotListen, match=sentence):
        Serving(listen, tls=tls, tokens=tokens).check()
    Serving(listen, plaintext=True, tls=tls, tokens=tokens).check()
    assert "can be reached from other machines" in caplog.text, "the operator is warned"
    Serving("127.0.0.1:50051").check()
    Serving("unix:/run/paretune.sock").check()


def test_protected_addresses_are_fine(files, caplog):
    tls = ServerTls(*files.issue("server"))
    Serving("0.0.0.0:50051", tls=tls, tokens=files.folder / "tokens.json").check()
    Serving("0.0.0.0:50051", tls=ServerTls(tls.cert, tls.key, files.ca)).check()
    assert not caplog.text
