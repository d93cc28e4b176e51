"""What stands before every request: the host it names, whether it may change things, what pages may load."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paretune.errors import InvalidArgument, ParetuneError, PermissionDenied, Unauthenticated
from paretune_dashboard.answers import refusal
from paretune_dashboard.config import Config
from paretune_dashboard.sessions import CSRF_HEADER, bearer_of, session_of

HEADERS = {
    # No inline script or style, nothing from elsewhere, no framing; charts are canvases, pictures are theirs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

READS_BY_POST = ("/front", "/hypervolume", "/predict", "/attainment", "/recommend", "/slices")
"""Ends of paths whose POST changes nothing, which share links may use too."""


class Guard:
    """ASGI middleware that refuses before anything else runs.

    Args:
        app: what answers.
        config: which hosts are allowed, and whether cookies need TLS.
    """

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._hosts = config.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then answer with the headers that every reply carries."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        try:
            self._check_host(request)
            if request.method not in ("GET", "HEAD"):
                _check_change(request)
            _check_share(request)
        except ParetuneError as error:
            await refusal(error)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _check_host(self, request: Request) -> None:
        # A name that an attacker points at this address (DNS rebinding) is none of ours.
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise PermissionDenied(
                "This host name is not allowed; start the dashboard with --host-name NAME[:PORT] for it.",
                reason="HOST_NOT_ALLOWED",
            )


def _check_change(request: Request) -> None:
    """A change needs what no foreign page can send: a bearer token, or the session's CSRF token."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers["host"].lower():
        raise PermissionDenied("The request comes from another site.", reason="FOREIGN_ORIGIN")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidArgument("Send Content-Type: application/json.", reason="CONTENT_TYPE")
    if bearer_of(request) is not None:
        return
    session = session_of(request)
    if session is None:
        raise Unauthenticated(
            "Send Authorization: Bearer TOKEN, or the cookie and X-CSRF-Token of /api/v1/session.",
            reason="NO_SESSION",
        )
    if request.headers.get(CSRF_HEADER) != session.csrf:
        raise PermissionDenied("X-CSRF-Token is not that of this session.", reason="CSRF")


def _check_share(request: Request) -> None:
    """A share link reads one experiment and nothing else."""
    path = request.url.path
    if not path.startswith("/api/") or path == "/api/v1/session" or bearer_of(request) is not None:
        return
    session = session_of(request)
    if session is None or not session.shared:
        return
    below = path.removeprefix(f"/api/v1/experiments/{session.shared}")
    inside = below != path and (not below or below.startswith("/"))
    reads = request.method == "GET" or below.endswith(READS_BY_POST)
    if not (inside and reads):
        raise PermissionDenied(
            "A share link shows one experiment, read-only; log in to do more.", reason="SHARED"
        )
