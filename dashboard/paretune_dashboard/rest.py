"""Endpoints of the REST interface, made from the table of routes."""

import json
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Endpoint

from paretune.errors import InvalidArgument, ParetuneError
from paretune_dashboard.answers import answer, document_of
from paretune_dashboard.plain import plain
from paretune_dashboard.routes import ROUTES, Route
from paretune_dashboard.services import Services, message_class, method_named
from paretune_dashboard.sessions import token_of

BODY_BYTES = 4 * 1024 * 1024
EVENT_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def endpoints() -> list[Endpoint]:
    """One endpoint per route."""
    return [
        Endpoint(_starlette_path(route.path), _endpoint(route), methods=[route.method]) for route in ROUTES
    ]


def _starlette_path(path: str) -> str:
    """Names of path variables may hold no dot there."""
    return path.replace("experiment.id", "experiment__id").replace(
        "observation.experiment_id", "observation__experiment_id"
    )


def _endpoint(route: Route) -> Any:
    method = method_named(route.rpc)

    async def answered(request: Request) -> Response:
        message = await _message(route, request)
        services: Services = request.app.state.services
        token = token_of(request)
        if method.server_streaming:
            stream = services.stream(route.rpc, message, token)
            return StreamingResponse(_events(stream), media_type="text/event-stream", headers=EVENT_STREAM)
        return answer(plain(await services.call(route.rpc, message, token)))

    return answered


async def _message(route: Route, request: Request) -> Any:
    """The request message from path, query and body.

    Raises:
        InvalidArgument: they do not make one.
    """
    made = message_class(method_named(route.rpc).input_type)()
    if route.method in ("GET", "DELETE"):
        document: Any = _from_query(made.DESCRIPTOR, request)
    else:
        document = await json_body(request)
    for name, value in request.path_params.items():
        *parents, last = name.split("__")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise InvalidArgument.of(parent, "must be an object")
        if place.setdefault(last, value) != value:
            raise InvalidArgument.of(name.replace("__", "."), "in the body is not the one in the path")
    try:
        ParseDict(document, made)
    except (ParseError, ValueError, TypeError) as error:
        raise InvalidArgument(f"The request is not a {made.DESCRIPTOR.name}: {error}.") from None
    return made


def _from_query(descriptor: Any, request: Request) -> dict[str, Any]:
    """Query parameters as JSON: repeated fields from repeated parameters, wrappers from plain values."""
    document: dict[str, Any] = {}
    for name in request.query_params:
        field = descriptor.fields_by_name.get(name)
        if field is None:
            known = ", ".join(sorted(descriptor.fields_by_name))
            raise InvalidArgument.of(name, f"is not a parameter here; there are {known}")
        values = [_from_text(field, text) for text in request.query_params.getlist(name)]
        document[name] = values if field.is_repeated else values[-1]
    return document


def _from_text(field: Any, text: str) -> Any:
    if field.type == field.TYPE_BOOL:
        if text not in ("true", "false"):
            raise InvalidArgument.of(field.name, f"is {text!r}; write true or false")
        return text == "true"
    return text


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body of a request.

    Raises:
        InvalidArgument: it holds something else, or too much.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise InvalidArgument(f"The body is larger than {BODY_BYTES:,} bytes; send less at once.")
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise InvalidArgument("The body is not JSON.") from None
    if not isinstance(document, dict):
        raise InvalidArgument("The body is not a JSON object.")
    return document


async def _events(stream: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """Replies as Server-Sent Events; the id of each is the token to resume with."""
    try:
        async for reply in stream:
            yield event(plain(reply), identifier=reply.resume_token)
    except ParetuneError as error:
        yield event(document_of(error), name="error")


def event(value: Any, *, name: str = "", identifier: str = "") -> bytes:
    """One Server-Sent Event."""
    head = (f"event: {name}\n" if name else "") + (f"id: {identifier}\n" if identifier else "")
    return f"{head}data: {json.dumps(value, separators=(',', ':'), allow_nan=False)}\n\n".encode()
