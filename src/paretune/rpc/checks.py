"""Checks of requests that need no state. Each service has one pure validator for every message it takes."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from paretune.errors import InvalidArgument, Violation
from paretune.limits import MAX_ID_BYTES, MAX_MANY, MAX_REQUEST_ID_BYTES
from paretune.parameters import check_name

MAX_REASON_BYTES = 1000


Validators = Mapping[type[Message], Callable[[Any], None]]
"""What refuses a request of a kind; `check_request` has looked at its ids before."""

_IDS = (
    "experiment_id",
    "suggestion_id",
    "observation_id",
    "run_id",
    "fence",
    "id",
    "etag",
    "page_token",
    "resume_token",
)


def check_request(request: Message, validators: Validators) -> None:
    """Refuse a request that is wrong whatever is recorded.

    Raises:
        InvalidArgument: with the path of every field that was found wrong.
    """
    check_ids(request, "")
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        check_request_id(request.request_id)  # type: ignore[attr-defined]
    validators[type(request)](request)


def required(*fields: str) -> Callable[[Any], None]:
    """What refuses a request in which one of these text fields is empty."""
    return lambda request: check_required(request, *fields)


def check_ids(message: Message, path: str) -> None:
    """Refuse long ids, wherever they stand; `path` ends with a dot unless it is empty."""
    wrong = []
    for field, value in message.ListFields():
        if field.name in _IDS and len(value.encode()) > MAX_ID_BYTES:
            wrong.append(Violation(f"{path}{field.name}", f"has more than {MAX_ID_BYTES} bytes"))
    if wrong:
        raise InvalidArgument(violations=wrong)


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
