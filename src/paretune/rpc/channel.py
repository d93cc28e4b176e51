"""Channels: how every client reaches a service. Deadlines, retries and keepalive are decided here."""

import json
import uuid

import grpc

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
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]


def open_channel(address: str, *, retries: bool = True) -> grpc.Channel:
    """A channel to `host:port` or `unix:path`, for blocking calls; without `retries` the caller retries."""
    return grpc.insecure_channel(address, options=_options(retries))


def open_async_channel(address: str, *, retries: bool = True) -> grpc.aio.Channel:
    """A channel to `host:port` or `unix:path`, for asyncio; without `retries` the caller retries."""
    return grpc.aio.insecure_channel(address, options=_options(retries))


def _options(retries: bool) -> list[tuple[str, str | int]]:
    return OPTIONS if retries else [*OPTIONS, ("grpc.enable_retries", 0)]


def new_request_id() -> str:
    """A fresh id that makes one logical call idempotent, however often it is sent."""
    return str(uuid.uuid4())
