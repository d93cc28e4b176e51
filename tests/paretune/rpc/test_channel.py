import pytest

from paretune.errors import Unavailable
from paretune.local import free_ports
from paretune.rpc.channel import new_request_id
from paretune.rpc.health import is_serving, wait_until_serving


def test_request_ids_are_fresh():
    assert len({new_request_id() for _ in range(100)}) == 100


def test_nobody_serves_on_a_free_port():
    (port,) = free_ports(1)
    assert not is_serving(f"127.0.0.1:{port}", 0.2)
    with pytest.raises(Unavailable, match="paretune up"):
        wait_until_serving(f"127.0.0.1:{port}", 0.3)
