"""The gate: who calls, and may they? What the table of `paretune.rpc.policy` does not name is refused."""

from collections.abc import Iterable
from contextvars import ContextVar

from paretune.access import EVERYBODY, Caller, Role
from paretune.errors import PermissionDenied
from paretune.rpc.policy import ALL, POLICY, Cost, Rule
from paretune.rpc.tokens import TokenFile

OPEN_TO_ALL = ("/grpc.health.v1.Health/",)
"""Answered without a token: whether a service serves, and nothing else."""

# Reflection, when the operator turned it on: whoever has a token at all may see the contract.
_NOT_OURS = Rule(Role.READ, "", Cost.LIGHT)


_AUTHORIZATION: ContextVar[str | None] = ContextVar("authorization", default=None)


class Gate:
    """Admits calls.

    Args:
        tokens: the tokens that count; None: everybody may do everything.
    """

    def __init__(self, tokens: TokenFile | None = None) -> None:
        self._tokens = tokens

    @property
    def closed(self) -> bool:
        """Whether a token is needed."""
        return self._tokens is not None

    def admit(self, method: str, metadata: Iterable[tuple[str, str | bytes]]) -> Caller:
        """The caller of the RPC `method`, when the role and the kind of token allow it.

        Which project an object belongs to is known to the Store only, and checked there.

        Raises:
            Unauthenticated: no token, or one that is malformed, unknown, expired or revoked.
            PermissionDenied: the role is too small, or the call is not about one project and the token is.
        """
        if self._tokens is None:
            return EVERYBODY
        who = self._tokens.caller_of(authorization_of(metadata))
        rule = POLICY.get(method) if method.startswith("/paretune.") else _NOT_OURS
        name = method.rpartition("/")[2]
        if rule is None:
            raise _denied(who, "admin", f"{name} is not in the policy table: nobody may call it.")
        if who.role < rule.role:
            raise _denied(
                who,
                rule.role.word,
                f"{name} needs the role {rule.role.word}, and the token {who.token} has {who.role.word}: "
                f"use one made with `paretune token create --role {rule.role.word}`.",
            )
        if rule.scope == ALL and who.bound:
            raise _denied(
                who,
                rule.role.word,
                f"{name} concerns all projects, and the token {who.token} is for {who.project!r} only: "
                "use one made with `--project '*'`.",
            )
        return who


def passed_on() -> tuple[tuple[str, str], ...]:
    """The token of the call that is being answered, as headers for a call made on its behalf."""
    header = _AUTHORIZATION.get()
    return () if header is None else (("authorization", header),)


def remember(metadata: Iterable[tuple[str, str | bytes]]) -> None:
    """From now on, in the task that answers this call, `passed_on()` is its token."""
    _AUTHORIZATION.set(authorization_of(metadata))


def authorization_of(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The one `authorization` header; None when there is none, or more than one."""
    found = [value for key, value in metadata if key == "authorization"]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None


def _denied(who: Caller, needed: str, message: str) -> PermissionDenied:
    return PermissionDenied(
        message,
        reason="PERMISSION_DENIED",
        metadata={"token": who.token, "role": who.role.word, "needed": needed},
    )
