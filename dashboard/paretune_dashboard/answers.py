"""JSON replies: messages as the protos' JSON mapping, errors as one shape with an HTTP status."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from paretune import errors
from paretune.errors import ParetuneError

HTTP_STATUS: dict[type[ParetuneError], int] = {
    errors.InvalidArgument: 400,
    errors.FailedPrecondition: 400,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Aborted: 409,
    errors.ResourceExhausted: 429,
    errors.InternalError: 500,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
}
"""As google/rpc/code.proto says."""


def answer(value: Any, status: int = 200) -> Response:
    """A JSON reply that is never cached."""
    # NaN and infinity are not JSON; they would be a bug here, not a surprise in a browser.
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    return Response(body, status, media_type="application/json", headers={"Cache-Control": "no-store"})


def document_of(error: ParetuneError) -> dict[str, Any]:
    """An error as JSON: {"error": {code, message, reason, metadata, violations}}."""
    kind = next(kind for kind in type(error).__mro__ if kind in HTTP_STATUS)
    violations = getattr(error, "violations", ())
    return {
        "error": {
            "code": kind.__name__,
            "message": error.message,
            "reason": error.reason,
            "metadata": dict(error.metadata),
            "violations": [{"field": v.field, "description": v.description} for v in violations],
        }
    }


def refusal(error: ParetuneError) -> Response:
    """The reply that an error means."""
    status = next(HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in HTTP_STATUS)
    response = answer(document_of(error), status)
    if isinstance(error, errors.ResourceExhausted):
        response.headers["Retry-After"] = str(max(round(error.retry_after), 1))
    return response


async def on_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for `ParetuneError`."""
    if not isinstance(error, ParetuneError):
        raise error
    return refusal(error)
