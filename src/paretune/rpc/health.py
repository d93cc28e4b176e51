"""Is a service there, and ready?"""

import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paretune.errors import Unavailable
from paretune.rpc.channel import open_channel


def is_serving(address: str, timeout: float = 1.0) -> bool:
    """Whether the service at `address` says SERVING within `timeout` seconds."""
    with open_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def wait_until_serving(address: str, timeout: float) -> None:
    """Return once the service at `address` says SERVING.

    Raises:
        Unavailable: it did not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if is_serving(address, min(left, 1.0)):
            return
    raise Unavailable(
        f"Nothing answers at {address}. Start the services with `paretune up`, or name another address "
        "with --server (PARETUNE_SERVER).",
        metadata={"service": address},
    )
