"""Addresses that cannot be listened at are told by their reason."""

import socket

import pytest

from paretune.local import free_ports
from paretune.rpc.listening import TAKEN, why_not


def test_a_free_port_a_taken_one_and_what_is_no_address():
    (port,) = free_ports(1)
    assert why_not(f"127.0.0.1:{port}") == ""
    assert why_not(f"localhost:{port}") == ""
    assert why_not("unix:/tmp/socket") == ""
    with socket.create_server(("127.0.0.1", port)):
        assert why_not(f"127.0.0.1:{port}") == TAKEN
    assert why_not(f"127.0.0.1:{port}") == ""


@pytest.mark.parametrize(
    ("host", "why"),
    [("192.0.2.1", "this machine does not have that address"), ("no.host.invalid", "no host of that name")],
)
def test_a_host_that_is_not_here(host, why):
    assert why in why_not(f"{host}:50051")
