"""Is a service there, and ready?"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from queue import Empty, SimpleQueue

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paretune.errors import Unauthenticated, Unavailable
from paretune.rpc.channel import open_channel
from paretune.rpc.credentials import NONE, Credentials
from paretune.rpc.status import error_of

_PAUSE = 0.05
_LONGEST_TRY = 5.0  # seconds until a service that does not answer is asked again


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
    wait_until_any_serves((address,), timeout, credentials)


def wait_until_any_serves(addresses: Sequence[str], timeout: float, credentials: Credentials = NONE) -> None:
    """Return once a service at one of the addresses says SERVING; all are asked at the same time.

    Each has one channel for the whole wait, so that what is far away or busy has the time that connecting
    and answering take.

    Raises:
        Unauthenticated: the certificates of all of them cannot be trusted; waiting would not help.
        Unavailable: none did within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    with ExitStack() as channels:
        asked = {
            address: health_pb2_grpc.HealthStub(
                channels.enter_context(open_channel(address, retries=False, credentials=credentials))
            )
            for address in addresses
        }
        replies: SimpleQueue[tuple[str, grpc.Future[health_pb2.HealthCheckResponse]]] = SimpleQueue()

        def ask(address: str) -> None:
            left = max(deadline - time.monotonic(), 0.0)
            call = asked[address].Check.future(
                health_pb2.HealthCheckRequest(), timeout=min(left, _LONGEST_TRY)
            )
            call.add_done_callback(lambda done: replies.put((address, done)))

        for address in addresses:
            ask(address)
        said = dict.fromkeys(addresses, "")
        while (left := deadline - time.monotonic()) > 0:
            try:
                address, call = replies.get(timeout=left)
                if call.result().status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except Empty:
                break
            except grpc.RpcError as failure:
                error = error_of(failure)
                if isinstance(error, Unauthenticated):
                    del asked[address]
                    if not asked:
                        raise error from None
                    continue
                said[address] = str(error)
            time.sleep(_PAUSE)
            ask(address)
    raise Unavailable(_advice(said, credentials), metadata={"service": ",".join(addresses)})


def _advice(said: Mapping[str, str], credentials: Credentials) -> str:
    for address, text in said.items():
        if "Socket closed" in text or "reset by peer" in text:
            if credentials.encrypted:
                return (
                    f"{address} closes the connection: if it demands a client certificate, give cert=FILE "
                    "and key=FILE (PARETUNE_CERT, PARETUNE_KEY, --cert, --key), signed by the CA that it "
                    "trusts."
                )
            return (
                f"{address} closes the connection: if it speaks TLS give ca=FILE (PARETUNE_CA, --ca) or tls."
            )
    return (
        f"Nothing answers at {' or '.join(said)}. Start the services with `paretune up`, or name another "
        "address with --server (PARETUNE_SERVER)."
    )
