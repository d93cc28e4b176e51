"""Pages: sizes, and tokens that fit only the call that gave them."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message

from paretune.errors import InvalidArgument
from paretune.limits import MAX_PAGE

M = TypeVar("M", bound=Message)

DEFAULT_SIZE = 100
MAX_BYTES = 2 * 1024 * 1024
"""A page ends early rather than outgrow what a client may receive (gRPC's default is 4 MiB)."""

_TOKEN = struct.Struct(">8sqq")


def page_size(asked: int) -> int:
    """The number of results to give.

    Raises:
        InvalidArgument: `asked` is negative.
    """
    if asked < 0:
        raise InvalidArgument.of("page_size", f"is {asked}; it must not be negative (0: {DEFAULT_SIZE})")
    return min(asked or DEFAULT_SIZE, MAX_PAGE)


def encode(context: str, position: tuple[int, int]) -> str:
    """A token for going on after `position` in the call that `context` describes."""
    return base64.urlsafe_b64encode(_TOKEN.pack(_digest(context), *position)).decode().rstrip("=")


def decode(context: str, token: str, field: str = "page_token") -> tuple[int, int]:
    """The position in a token.

    Raises:
        InvalidArgument: INVALID_TOKEN, when the token was not given for this call.
    """
    try:
        digest, *position = _TOKEN.unpack(
            base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        )
    except (binascii.Error, struct.error, ValueError):
        digest, position = b"", []
    if digest != _digest(context):
        raise InvalidArgument(
            f"{field} was not given for this call: send it unchanged, with the other fields as they were.",
            reason="INVALID_TOKEN",
        )
    return (position[0], position[1])


def context_of(request: Any) -> str:
    """What a page token is bound to: the call and all its arguments but the page."""
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("page_size")
    bare.ClearField("page_token")
    return f"{request.DESCRIPTOR.full_name}:{bare.SerializeToString(deterministic=True).hex()}"


def start_of(request: Any) -> tuple[int, int]:
    """Position after which the page of a request begins; (0, 0) for the first page."""
    return decode(context_of(request), request.page_token) if request.page_token else (0, 0)


def cut(request: Any, found: Iterable[tuple[tuple[int, int], M]]) -> tuple[list[M], str]:
    """The messages of one page and the token of the next.

    Args:
        request: the request, with page_size and page_token.
        found: positions and messages in order, from the page's beginning on; at least one more than
            the page holds when there are more.
    """
    size, total, last = page_size(request.page_size), 0, (0, 0)
    page: list[M] = []
    for position, message in found:
        total += message.ByteSize()
        if page and (len(page) == size or total > MAX_BYTES):
            return page, encode(context_of(request), last)
        page.append(message)
        last = position
    return page, ""


def _digest(context: str) -> bytes:
    return hashlib.sha256(context.encode()).digest()[:8]
