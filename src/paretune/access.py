"""Who may do what: roles, the caller of a call, and the errors of closed doors. Plain values, no wire."""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

PROJECT = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
DEFAULT_PROJECT = "default"
ALL_PROJECTS = "*"


class Role(IntEnum):
    """What a token allows; each role may also do what the smaller ones may."""

    READ = 1
    TRAINER = 2
    WRITE = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        """As people and files write it."""
        return self.name.lower()


@dataclass(frozen=True)
class Caller:
    """Who makes a call.

    Attributes:
        token: id of the token; empty when the service asks for none.
        role: what it allows.
        project: the one project that it is for, or ``*``.
        name: what people called the token.
    """

    token: str = ""
    role: Role = Role.ADMIN
    project: str = ALL_PROJECTS
    name: str = ""

    @property
    def bound(self) -> bool:
        """Whether the caller sees one project only."""
        return self.project != ALL_PROJECTS

    def sees(self, project: str) -> bool:
        """Whether what belongs to `project` exists for the caller."""
        return self.project in (ALL_PROJECTS, project)


EVERYBODY = Caller()
"""The caller of a service that asks for no token."""

_CURRENT: ContextVar[Caller] = ContextVar("caller", default=EVERYBODY)


def caller() -> Caller:
    """The caller of the call that is being answered."""
    return _CURRENT.get()


def enter(who: Caller) -> None:
    """From now on, in the task that answers this call, `caller()` is `who`."""
    _CURRENT.set(who)
