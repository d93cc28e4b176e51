"""Checks of requests that need no state."""

from typing import Any

from paretune.errors import InvalidArgument, Violation
from paretune.limits import MAX_MANY, MAX_REQUEST_ID_BYTES
from paretune.parameters import check_name

MAX_REASON_BYTES = 1000


def check_required(request: Any, *fields: str) -> None:
    """Refuse a request in which one of these text fields is empty."""
    missing = [Violation(field, "is required") for field in fields if not getattr(request, field)]
    if missing:
        raise InvalidArgument(violations=missing)


def check_request_id(request_id: str) -> None:
    """Refuse overlong request ids."""
    size = len(request_id.encode())
    if size > MAX_REQUEST_ID_BYTES:
        raise InvalidArgument.of(
            "request_id", f"has {size} bytes; at most {MAX_REQUEST_ID_BYTES} are allowed"
        )


def check_many(messages: Any, path: str) -> None:
    """Refuse lists that are empty or longer than 1000."""
    if not 1 <= len(messages) <= MAX_MANY:
        raise InvalidArgument.of(path, f"has {len(messages)}; from 1 to {MAX_MANY} are allowed")


def check_worker(name: str, path: str = "worker") -> None:
    """Refuse worker names that are empty or not fit to be shown."""
    check_name(name, path)


def check_reason(reason: str) -> None:
    """Refuse reasons that are too long to be read."""
    if (size := len(reason.encode(errors="replace"))) > MAX_REASON_BYTES:
        raise InvalidArgument.of("reason", f"has {size} bytes; at most {MAX_REASON_BYTES} are allowed")
