"""The application: the page, the REST interface, and what charts ask for."""

import gzip
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from paretune.errors import InvalidArgument, NotFound, ParetuneError, Unauthenticated
from paretune.v1 import store_pb2
from paretune_dashboard import charts, files, nodes, openapi, report, rest, slices
from paretune_dashboard.answers import answer, on_error
from paretune_dashboard.config import Config
from paretune_dashboard.guard import Guard
from paretune_dashboard.routes import API
from paretune_dashboard.services import Services
from paretune_dashboard.sessions import (
    COOKIE,
    SESSION_SECONDS,
    SHARE_SECONDS,
    Sessions,
    session_of,
    state_of,
    token_of,
)
from paretune_dashboard.views import Views

STATIC = Path(__file__).with_name("static")


def create_app(config: Config, services: Services | None = None) -> Starlette:
    """The application for a configuration; `services` are opened here unless they are given."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with services or Services(config.server, config.trainers, config.without_token) as opened:
            app.state.services = opened
            app.state.views = Views(opened)
            yield
            app.state.views.close()

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/healthz", health),
            Route("/share/{word}", shared),
            Route("/vendor/echarts.js", echarts),
            Route(f"{API}/session", session, methods=["GET"]),
            Route(f"{API}/session", log_in, methods=["POST"]),
            Route(f"{API}/session", log_out, methods=["DELETE"]),
            Route(f"{API}/experiments/{{experiment_id}}/share", share, methods=["POST"]),
            Route(f"{API}/experiments/{{experiment_id}}/report", report_file),
            *charts.ENDPOINTS,
            *files.ENDPOINTS,
            *nodes.ENDPOINTS,
            *openapi.ENDPOINTS,
            *slices.ENDPOINTS,
            *rest.endpoints(),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(Guard, config=config),
            Middleware(GZipMiddleware, minimum_size=2000, compresslevel=4),
        ],
        exception_handlers={ParetuneError: on_error, 404: _not_found},
        lifespan=lifespan,
    )
    app.state.config = config
    app.state.sessions = Sessions(secrets.token_bytes(32))
    return app


async def page(request: Request) -> Response:
    """The one page; what it shows follows the fragment of its address."""
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


async def health(request: Request) -> Response:
    """Whether this process answers; says nothing about the services."""
    return answer({"status": "serving"})


async def echarts(request: Request) -> Response:
    """The chart library, as it was compressed when it was vendored."""
    packed = report.ECHARTS.read_bytes()
    headers = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        packed = gzip.decompress(packed)
    return Response(packed, media_type="text/javascript", headers=headers)


async def session(request: Request) -> Response:
    """The session of this browser, begun when there is none; says whether a login is needed."""
    found, name = session_of(request), ""
    if found is None:
        name, found = sessions_of(request).open("")
    required = not found.shared and await _login_required(request, token_of(request))
    response = answer(state_of(request, found, required))
    if name:
        _set_cookie(request, response, name, SESSION_SECONDS)
    return response


async def log_in(request: Request) -> Response:
    """Exchange a token for a session that carries it.

    Raises:
        Unauthenticated: the services do not know the token.
    """
    document = await rest.json_body(request)
    token = document.get("token")
    if not isinstance(token, str) or not token.strip() or not token.isascii() or not token.isprintable():
        raise InvalidArgument.of("token", "is missing; paste an access token")
    if await _login_required(request, token.strip()):
        raise Unauthenticated("The services do not accept this token.", reason="BAD_TOKEN")
    sessions = sessions_of(request)
    sessions.close(request.cookies.get(COOKIE, ""))
    name, opened = sessions.open(token.strip())
    response = answer(state_of(request, opened, False))
    _set_cookie(request, response, name, SESSION_SECONDS)
    return response


async def log_out(request: Request) -> Response:
    """End the session."""
    sessions_of(request).close(request.cookies.get(COOKIE, ""))
    response = answer({})
    response.delete_cookie(COOKIE)
    return response


async def share(request: Request) -> Response:
    """Make a link that shows one experiment, read-only, for a week.

    Raises:
        ParetuneError: this session, or the dashboard's own token, may not read the experiment.
    """
    experiment_id = request.path_params["experiment_id"]
    asked = store_pb2.GetExperimentRequest(experiment_id=experiment_id)
    config: Config = request.app.state.config
    for token in (token_of(request), config.own_token()):
        await charts.services_of(request).call("StoreService.GetExperiment", asked, token)
    word = sessions_of(request).share(experiment_id)
    return answer({"path": f"/share/{word}", "seconds": SHARE_SECONDS})


async def shared(request: Request) -> Response:
    """Follow a share link: a session that reads one experiment with the dashboard's own token."""
    sessions = sessions_of(request)
    experiment_id, seconds = sessions.shared(request.path_params["word"])
    config: Config = request.app.state.config
    seconds = min(seconds, SESSION_SECONDS)
    name, _ = sessions.open(config.own_token(), experiment_id, seconds)
    response = RedirectResponse(f"/#/experiments/{experiment_id}", 303)
    _set_cookie(request, response, name, seconds)
    return response


async def report_file(request: Request) -> Response:
    """The report as a file."""
    experiment_id = request.path_params["experiment_id"]
    document = await report.gather(charts.services_of(request), experiment_id, token_of(request))
    headers = {"Content-Disposition": f'attachment; filename="{document["experiment"]["id"]}.html"'}
    return Response(report.page(document), media_type="text/html", headers=headers)


def sessions_of(request: Request) -> Sessions:
    """All sessions of this process."""
    sessions: Sessions = request.app.state.sessions
    return sessions


async def _login_required(request: Request, token: str) -> bool:
    """Whether the services refuse this token."""
    asked = store_pb2.ListExperimentsRequest(page_size=1)
    try:
        await charts.services_of(request).call("StoreService.ListExperiments", asked, token, timeout=5.0)
    except Unauthenticated:
        return True
    return False


def _set_cookie(request: Request, response: Response, name: str, seconds: float) -> None:
    config: Config = request.app.state.config
    # Lax, not Strict: a share link that was opened from a mail must find its session on the way.
    response.set_cookie(
        COOKIE, name, max_age=round(seconds), httponly=True, secure=config.secure, samesite="lax"
    )


async def _not_found(request: Request, error: Any) -> Response:
    return await on_error(request, NotFound(f"There is nothing at {request.url.path}."))
