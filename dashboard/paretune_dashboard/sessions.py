"""Who a browser is: sessions behind a cookie, and signed links that let others look.

A session lives in this process: after a restart people log in again. The cookie is a random name for it;
the token of the user stays here and is sent to the services alone.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from paretune.errors import InvalidArgument, PermissionDenied

COOKIE = "paretune_session"
CSRF_HEADER = "x-csrf-token"
SESSION_SECONDS = 12 * 3600.0
SHARE_SECONDS = 7 * 24 * 3600.0
MAX_SESSIONS = 10_000


@dataclass(frozen=True)
class Session:
    """One browser.

    Attributes:
        token: access token that goes to the services; empty: none.
        csrf: what a page must send along to change anything.
        expires: seconds, as the clock says.
        shared: the one experiment that a share link shows, read-only; empty: not a share link.
    """

    token: str
    expires: float
    shared: str = ""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))


class Sessions:
    """All sessions of this process, and the key of its share links.

    Args:
        key: signs share links; links outlive the process when it does.
        clock: seconds since the epoch.
    """

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def open(self, token: str, shared: str = "", seconds: float = SESSION_SECONDS) -> tuple[str, Session]:
        """A new session; gives the cookie's value too."""
        name, now = secrets.token_urlsafe(32), self._clock()
        if len(self._sessions) >= MAX_SESSIONS:
            self._sessions = {n: s for n, s in self._sessions.items() if s.expires > now}
            while len(self._sessions) >= MAX_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
        session = Session(token, now + seconds, shared)
        self._sessions[_digest(name)] = session
        return name, session

    def find(self, name: str) -> Session | None:
        """The live session with this cookie."""
        session = self._sessions.get(_digest(name)) if name else None
        return session if session and session.expires > self._clock() else None

    def close(self, name: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(name), None)

    def share(self, experiment_id: str, seconds: float = SHARE_SECONDS) -> str:
        """The signed word of a link that shows one experiment for a while."""
        claim = json.dumps([experiment_id, round(self._clock() + seconds)]).encode()
        return f"{_text(claim)}.{_text(self._sign(claim))}"

    def shared(self, word: str) -> tuple[str, float]:
        """The experiment that a link shows, and the seconds left.

        Raises:
            PermissionDenied: it was not made here, or is too old.
        """
        claim, _, signature = word.partition(".")
        try:
            said = base64.urlsafe_b64decode(claim + "=" * (-len(claim) % 4))
            given = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        except ValueError:
            said = given = b""
        if not hmac.compare_digest(given, self._sign(said)):
            raise PermissionDenied("This link was not made by this dashboard; ask for a new one.")
        experiment_id, expires = json.loads(said)
        if expires <= self._clock():
            raise PermissionDenied("This link has expired; ask for a new one.")
        return str(experiment_id), expires - self._clock()

    def _sign(self, claim: bytes) -> bytes:
        return hmac.digest(self._key, claim, "sha256")


def _digest(name: str) -> str:
    # What lies in memory names no session: a dump of it lets nobody in.
    return hashlib.sha256(name.encode()).hexdigest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def bearer_of(request: Request) -> str | None:
    """The token in the Authorization header of a program; None: there is none.

    Raises:
        InvalidArgument: it is not a bearer token.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token.isascii() or not token.isprintable():
        raise InvalidArgument("Authorization must be `Bearer TOKEN`.", reason="BAD_TOKEN")
    return token.strip()


def session_of(request: Request) -> Session | None:
    """The session of a browser."""
    sessions: Sessions = request.app.state.sessions
    return sessions.find(request.cookies.get(COOKIE, ""))


def token_of(request: Request) -> str:
    """The token to call the services with: of the header, else of the session."""
    bearer = bearer_of(request)
    if bearer is not None:
        return bearer
    session = session_of(request)
    return session.token if session else ""


def state_of(request: Request, session: Session, required: bool) -> dict[str, Any]:
    """What the page needs to know about its session."""
    return {
        "csrf": session.csrf,
        "shared": session.shared,
        "login_required": required,
        "logged_in": bool(session.token) and not session.shared,
    }
