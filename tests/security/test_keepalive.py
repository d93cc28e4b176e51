"""Who pings more often than allowed is cut off, and nobody else notices. Frames: RFC 9113."""

import socket
import struct

import grpc
import pytest
from doors import OPTIMIZER, STORE, TRAINER

from paretune.v1 import store_pb2 as st

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1
ENHANCE_YOUR_CALM = 11


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + bytes(4) + payload


class Connection:
    """A bare HTTP/2 connection that can do nothing but ping."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20)
        self._socket.sendall(PREFACE + frame(SETTINGS))

    def close(self) -> None:
        self._socket.close()

    def ping(self) -> tuple[str, int]:
        """("answered", 0), or ("cut off", the error code of the GOAWAY)."""
        self._socket.sendall(frame(PING, bytes(8)))
        while True:
            kind, flags, payload = self._receive()
            if kind == PING and flags & ACK:
                return "answered", 0
            if kind == GOAWAY:
                return "cut off", struct.unpack(">I", payload[4:8])[0]

    def _receive(self) -> tuple[int, int, bytes]:
        head = self._exactly(9)
        return head[3], head[4], self._exactly(int.from_bytes(head[:3], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the connection was closed without a word"
            data += piece
        return data


@pytest.mark.parametrize("service", [STORE, OPTIMIZER, TRAINER])
def test_who_pings_all_the_time_is_cut_off(open_suite, report, service):
    neighbour = Connection(open_suite.addresses[service])
    rude = Connection(open_suite.addresses[service])
    try:
        assert neighbour.ping() == ("answered", 0)
        said = [rude.ping()]
        while said[-1][0] == "answered" and len(said) < 20:
            said.append(rude.ping())
        assert said[0] == ("answered", 0), "a single ping is nothing bad"
        assert said[-1] == ("cut off", ENHANCE_YOUR_CALM)
        assert len(said) <= 5
        assert neighbour.ping() == ("answered", 0), "another connection pays for it"
    finally:
        rude.close()
        neighbour.close()
    report("who pings too often is cut off, and nobody else", 1, 0)


def test_calls_go_on_after_another_client_was_cut_off(open_suite):
    rude = Connection(open_suite.addresses[STORE])
    while rude.ping()[0] == "answered":
        pass
    rude.close()
    with grpc.insecure_channel(open_suite.addresses[STORE]) as channel:
        call = channel.unary_unary(f"/{STORE}/ListExperiments")
        assert call(st.ListExperimentsRequest().SerializeToString(), timeout=10) is not None
