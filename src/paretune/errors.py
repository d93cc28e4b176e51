"""Everything that can go wrong, in one tree.

    ParetuneError
    ├── InvalidArgument         the request is wrong: .violations says which field and why
    ├── NotFound                no such experiment, suggestion, observation, run
    ├── AlreadyExists           the chosen id is taken
    ├── FailedPrecondition      right request, wrong moment: .reason says which
    ├── Aborted                 somebody was faster: read again and retry
    ├── ResourceExhausted       overload or full disk: retry after .retry_after seconds
    ├── Unavailable             a service or its storage does not answer
    ├── DeadlineExceeded        no answer in time
    ├── PermissionDenied        the token does not allow it
    ├── Unauthenticated         no token, or a wrong one
    └── InternalError           a bug in paretune

The same classes are raised by the services and, on the other side of the wire, by the client.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One offending field of a request.

    Attributes:
        field: path of the field, such as ``parameters[2].max`` or ``values[0].value``.
        description: one sentence that says what to change.
    """

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class ParetuneError(Exception):
    """Base of all errors.

    Attributes:
        message: one sentence for people.
        reason: name of an ``ErrorReason`` without its prefix, such as ``STALE_LEASE``.
        metadata: the variables of the message, by name.
        answered: False when no service said this: nobody answered a call, and `message` is gRPC's own.
    """

    default_reason = "BUG"
    answered = True

    def __init__(
        self, message: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata = dict(metadata or {})

    def __str__(self) -> str:
        return self.message


class InvalidArgument(ParetuneError):
    """The request is wrong and would be wrong at any time.

    Attributes:
        violations: every offending field that was found.
    """

    default_reason = "INVALID_FIELD"

    def __init__(
        self,
        message: str = "",
        violations: Sequence[Violation] = (),
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        message = message or "; ".join(str(violation) for violation in violations) or "invalid argument"
        super().__init__(message, reason=reason, metadata=metadata)
        self.violations = tuple(violations)

    @classmethod
    def of(cls, field: str, description: str) -> "InvalidArgument":
        """One violation of one field."""
        return cls(violations=(Violation(field, description),))

    def under(self, prefix: str) -> "InvalidArgument":
        """The same error with `prefix` put before every field path."""
        return InvalidArgument(
            violations=[Violation(_join(prefix, v.field), v.description) for v in self.violations]
            or [Violation(prefix, self.message)],
            reason=self.reason,
            metadata=self.metadata,
        )


def _join(prefix: str, field: str) -> str:
    if not field or field.startswith("["):
        return prefix + field
    return f"{prefix}.{field}"


class NotFound(ParetuneError):
    """The named object does not exist."""

    default_reason = "NOT_FOUND"

    @classmethod
    def of(cls, kind: str, name: str) -> "NotFound":
        """The sentence and metadata for a missing object of a `kind`, such as ``experiment``."""
        return cls(f"There is no {kind} {name!r}.", metadata={"kind": kind, "id": name})


class AlreadyExists(ParetuneError):
    """The chosen id is taken."""

    default_reason = "ALREADY_EXISTS"


class FailedPrecondition(ParetuneError):
    """The request is right but the state of things does not allow it; `reason` says which."""

    default_reason = "EXPERIMENT_NOT_ACTIVE"


class Aborted(ParetuneError):
    """Somebody else changed the object meanwhile: read again, apply the change again."""

    default_reason = "ETAG_MISMATCH"


class ResourceExhausted(ParetuneError):
    """Too much at once, or a full disk.

    Attributes:
        retry_after: seconds to wait before trying again.
    """

    default_reason = "OVERLOADED"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float = 1.0,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_after = retry_after


class Unavailable(ParetuneError):
    """A service, or its storage, does not answer; trying again later helps."""

    default_reason = "SERVICE_UNAVAILABLE"


class DeadlineExceeded(ParetuneError):
    """No answer in time. Whether the call had an effect is unknown: retry with the same request_id."""

    default_reason = "DEADLINE"


class PermissionDenied(ParetuneError):
    """The token does not allow this call."""

    default_reason = "PERMISSION_DENIED"


class Unauthenticated(ParetuneError):
    """No token, or one that is wrong, expired or revoked."""

    default_reason = "UNAUTHENTICATED"


class InternalError(ParetuneError):
    """A bug in paretune."""

    default_reason = "BUG"
