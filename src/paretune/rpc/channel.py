"""Channels: how every client reaches a service. Deadlines, retries and keepalive are decided here."""

import json
import uuid

import grpc

from paretune.rpc import tracing
from paretune.rpc.credentials import NONE, Credentials

DEFAULT_TIMEOUT = 30.0
"""Seconds until a unary call gives up, when the caller says nothing else."""

MAX_RECEIVE_BYTES = 16 * 1024 * 1024

_RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}

OPTIONS: list[tuple[str, str | int]] = [
    # Retries are safe: every mutating call carries a request_id or is idempotent by nature.
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Named for the pause, but it is the time an attempt may take: TCP, TLS and HTTP/2 are three round
    # trips, and a busy service answers late. An attempt given up sooner is given up every time.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


def open_channel(address: str, *, retries: bool = True, credentials: Credentials = NONE) -> grpc.Channel:
    """A channel to `host:port` or `unix:path`, for blocking calls; without `retries` the caller retries.

    Tokens are not part of a channel: they go with every call, as `credentials.metadata()`.

    Raises:
        InvalidArgument: a file of `credentials` cannot be used, or they do not suit the address.
    """
    credentials.check(address)
    secure = credentials.channel_credentials()
    if secure is None:
        return tracing.traced(grpc.insecure_channel(address, options=_options(retries)))
    return tracing.traced(grpc.secure_channel(address, secure, options=_options(retries)))


def open_async_channel(
    address: str, *, retries: bool = True, credentials: Credentials = NONE, own_connection: bool = False
) -> grpc.aio.Channel:
    """As `open_channel`, for asyncio.

    Args:
        address: ``host:port`` or ``unix:path``.
        retries: whether calls are retried.
        credentials: how to connect.
        own_connection: do not share the connection that other channels of this process have to the address:
            more than `MAX_STREAMS` calls at once wait in the client, silently.
    """
    credentials.check(address)
    secure = credentials.channel_credentials()
    interceptors = tracing.client_interceptors()
    options = _options(retries)
    if own_connection:
        options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    if secure is None:
        return grpc.aio.insecure_channel(address, options, interceptors=interceptors)
    return grpc.aio.secure_channel(address, secure, options, interceptors=interceptors)


def _options(retries: bool) -> list[tuple[str, str | int]]:
    return OPTIONS if retries else [*OPTIONS, ("grpc.enable_retries", 0)]


def new_request_id() -> str:
    """A fresh id that makes one logical call idempotent, however often it is sent."""
    return str(uuid.uuid4())
