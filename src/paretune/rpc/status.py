"""One table between errors and gRPC statuses, used in both directions.

A status carries google.rpc.ErrorInfo (reason, domain, metadata), BadRequest for invalid fields and
RetryInfo for overload: https://google.aip.dev/193.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from paretune import errors

DOMAIN = "paretune"
# A status travels in trailing metadata, of which gRPC takes 8 KiB by default: the text, there
# percent-encoded, then once more with the details, which may count a third more than their size.
MAX_MESSAGE_BYTES = 2000
MAX_VIOLATIONS_BYTES = 2000
MAX_METADATA_BYTES = 256
_CUT = "[...]"
_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

RETRY_PUSHBACK = "grpc-retry-pushback-ms"
"""Trailing metadata by which gRPC's own retries honour RetryInfo (gRFC A6)."""

TABLE: dict[type[errors.ParetuneError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.InternalError: grpc.StatusCode.INTERNAL,
}
_CLASSES = {code: kind for kind, code in TABLE.items()}


def code_of(error: Exception) -> grpc.StatusCode:
    """The code that an error becomes; INTERNAL for whatever is not a `ParetuneError`."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), grpc.StatusCode.INTERNAL)


def status_of(error: errors.ParetuneError) -> Any:
    """The `grpc.Status` of an error, with its details."""
    code = code_of(error)
    message = _fitting(error.message, MAX_MESSAGE_BYTES)
    metadata = {key: _fitting(value, MAX_METADATA_BYTES) for key, value in error.metadata.items()}
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    ]
    if isinstance(error, errors.InvalidArgument) and error.violations:
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            one = bad.field_violations.add(
                field=_fitting(violation.field, 256), description=_fitting(violation.description, 512)
            )
            if bad.ByteSize() > MAX_VIOLATIONS_BYTES:
                bad.field_violations.remove(one)
                break
        details.append(bad)
    if isinstance(error, errors.ResourceExhausted):
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    status = rpc_status.to_status(
        status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message, details=packed)
    )
    if isinstance(error, errors.ResourceExhausted):
        # Here, because an abort replaces whatever trailing metadata the context had been given before it.
        pushback = (RETRY_PUSHBACK, str(round(error.retry_after * 1000)))
        status = status._replace(trailing_metadata=(*status.trailing_metadata, pushback))
    return status


def _fitting(text: str, size: int) -> str:
    """The text, cut so that it has at most `size` bytes when percent-encoded."""
    if len(quote(text, safe=_UNQUOTED, errors="replace")) <= size:
        return text.encode(errors="replace").decode()
    encoded = quote(text, safe=_UNQUOTED, errors="replace")[: size - len(_CUT)]
    return unquote(encoded.rsplit("%", 1)[0] if "%" in encoded[-2:] else encoded, errors="ignore") + _CUT


# What gRPC says when TLS fails on the way to a service; waiting does not help then.
_DISTRUST = (
    ("certificate has expired", "The certificate of the service has expired: its operator must renew it."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "The certificate of the service is not signed by a CA that you trust: give the CA of its operator "
        "with ca=FILE (PARETUNE_CA, --ca).",
    ),
    (
        "Hostname Verification Check failed",
        "The certificate of the service is for another name: use the name that it is for in the address.",
    ),
    (
        "WRONG_VERSION_NUMBER",
        "The service does not use TLS: leave ca and tls away (PARETUNE_CA, PARETUNE_TLS).",
    ),
)


def error_of(failure: grpc.RpcError) -> errors.ParetuneError:
    """The error that a failed call means; the inverse of `status_of`."""
    code, text = failure.code(), failure.details() or ""
    kind = _CLASSES.get(code, errors.InternalError)
    reason: str | None = None
    metadata: dict[str, str] = {}
    violations: list[errors.Violation] = []
    retry_after = 1.0
    for detail in _details(failure):
        if isinstance(detail, error_details_pb2.ErrorInfo):
            reason, metadata = detail.reason, dict(detail.metadata)
        elif isinstance(detail, error_details_pb2.BadRequest):
            violations += [errors.Violation(v.field, v.description) for v in detail.field_violations]
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_after = detail.retry_delay.ToNanoseconds() / 1e9
    if kind is errors.ResourceExhausted and "larger than max" in text:  # gRPC itself: it will never fit
        kind, text = errors.InvalidArgument, f"The message is too large, send less at once ({text})."
    if kind is errors.Unavailable and not reason:
        for marker, sentence in _DISTRUST:
            if marker in text:
                return errors.Unauthenticated(sentence)
    if kind is errors.InvalidArgument:
        return errors.InvalidArgument(text, violations, reason=reason, metadata=metadata)
    if kind is errors.ResourceExhausted:
        return errors.ResourceExhausted(text, retry_after=retry_after, reason=reason, metadata=metadata)
    if kind is errors.InternalError and code is not grpc.StatusCode.INTERNAL:
        text = f"{code.name}: {text}"
    error = kind(text, reason=reason, metadata=metadata)
    error.answered = reason is not None
    return error


def error_from(service: str, failure: grpc.RpcError) -> errors.ParetuneError:
    """As `error_of`, in a service that called another; it names that one when nobody answered there."""
    error = error_of(failure)
    if error.answered or not isinstance(error, errors.Unavailable | errors.DeadlineExceeded):
        return error
    text = f"The {service} does not answer ({error})."
    return type(error)(text, metadata={"service": service.lower()})


def _details(failure: grpc.RpcError) -> Iterator[Message]:
    try:
        status = rpc_status.from_call(failure)
    except (ValueError, AttributeError):
        return
    if status is None:
        return
    for packed in status.details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.BadRequest,
            error_details_pb2.RetryInfo,
        ):
            if packed.Is(kind.DESCRIPTOR):
                detail = kind()
                packed.Unpack(detail)
                yield detail


@contextmanager
def translated() -> Iterator[None]:
    """Within it, a failed call raises the `ParetuneError` that the service raised."""
    try:
        yield
    except grpc.RpcError as failure:
        raise error_of(failure) from failure
