"""Is a service there, and ready?"""

import time
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paretune.errors import Unauthenticated, Unavailable
from paretune.rpc.channel import open_channel
from paretune.rpc.credentials import NONE, Credentials
from paretune.rpc.status import error_of

_PAUSE = 0.05


def is_serving(address: str, timeout: float = 1.0, credentials: Credentials = NONE) -> bool:
    """Whether the service at `address` says SERVING within `timeout` seconds."""
    with open_channel(address, credentials=credentials) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def wait_until_serving(address: str, timeout: float, credentials: Credentials = NONE) -> None:
    """Return once the service at `address` says SERVING.

    Raises:
        Unauthenticated: its certificate cannot be trusted; waiting would not help.
        Unavailable: it did not within `timeout` seconds.
    """
    deadline, said = time.monotonic() + timeout, ""
    with open_channel(address, retries=False, credentials=credentials) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while (left := deadline - time.monotonic()) > 0:
            try:
                reply = stub.Check(health_pb2.HealthCheckRequest(), timeout=min(left, 1.0))
                if reply.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError as failure:
                error = error_of(failure)
                if isinstance(error, Unauthenticated):
                    raise error from None
                said = str(error)
            time.sleep(_PAUSE)
    raise Unavailable(_advice(address, said, credentials), metadata={"service": address})


def wait_until_any_serves(addresses: Sequence[str], timeout: float, credentials: Credentials = NONE) -> None:
    """Return once a service at one of the addresses says SERVING; they are asked in turn.

    Raises:
        Unauthenticated: as `wait_until_serving`.
        Unavailable: none did within `timeout` seconds; of the first.
    """
    if len(addresses) > 1:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if any(is_serving(address, 1.0, credentials) for address in addresses):
                return
    wait_until_serving(addresses[0], timeout if len(addresses) == 1 else _PAUSE, credentials)


def _advice(address: str, said: str, credentials: Credentials) -> str:
    if "Socket closed" in said or "reset by peer" in said:
        if credentials.encrypted:
            return (
                f"{address} closes the connection: if it demands a client certificate, give cert=FILE and "
                "key=FILE (PARETUNE_CERT, PARETUNE_KEY, --cert, --key), signed by the CA that it trusts."
            )
        return f"{address} closes the connection: if it speaks TLS give ca=FILE (PARETUNE_CA, --ca) or tls."
    return (
        f"Nothing answers at {address}. Start the services with `paretune up`, or name another address "
        "with --server (PARETUNE_SERVER)."
    )
