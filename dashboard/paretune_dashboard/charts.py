"""What charts and tables ask for: columns, thinned out here, not in the browser; and what changes, live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Endpoint

from paretune.errors import InvalidArgument, ParetuneError
from paretune.v1 import optimizer_pb2 as opt
from paretune.v1 import store_pb2, types_pb2
from paretune_dashboard.answers import answer, document_of
from paretune_dashboard.plain import plain
from paretune_dashboard.rest import EVENT_STREAM, event
from paretune_dashboard.routes import API
from paretune_dashboard.services import Services
from paretune_dashboard.sessions import token_of
from paretune_dashboard.shapes import curve, front_columns
from paretune_dashboard.views import View, Views, not_found

SAMPLE = 4000
"""Rows in charts, unless a browser asks for fewer or (up to `MAX_SAMPLE`) more."""
MAX_SAMPLE = 20_000
TABLE_ROWS = 500
HISTORY = 600
"""Points of a hypervolume curve."""
COALESCE_SECONDS = 0.1
PATIENCE = 120.0
"""Seconds for an Optimizer that reads a long history for the first time."""
SIGN_OF_LIFE_SECONDS = 15.0


async def trials(request: Request) -> Response:
    """Rows for charts: all of them, or as many as show the same."""
    limit = number(request, "limit", SAMPLE, 100, MAX_SAMPLE)
    async with view_of(request) as view:
        await view.begun()
        rows = view.columns.sample(limit)
        return answer({"complete": view.complete} | live_state(view) | view.columns.document(rows))


async def table(request: Request) -> Response:
    """A page of the table: sorted and filtered here."""
    query = request.query_params
    offset = number(request, "offset", 0, 0, 10**9)
    limit = number(request, "limit", 100, 1, TABLE_ROWS)
    async with view_of(request) as view:
        await view.ready()
        columns = view.columns
        rows = columns.matching(query.get("filter", ""), query.getlist("outcome"))
        rows = columns.ordered(rows, query.get("sort", "ordinal"), query.get("order", "desc") == "desc")
        return answer({"matching": len(rows)} | columns.table(rows[offset : offset + limit]))


async def trial(request: Request) -> Response:
    """One row with its observation and suggestion."""
    ordinal = request.path_params["ordinal"]
    services, token = services_of(request), token_of(request)
    async with view_of(request) as view:
        await view.ready()
        if not 1 <= ordinal <= view.columns.count:
            raise not_found(ordinal)
        observation_id = view.columns.ids[ordinal - 1]
    got = await services.call(
        "StoreService.GetObservation", store_pb2.GetObservationRequest(observation_id=observation_id), token
    )
    found: dict[str, Any] = {"observation": plain(got.observation), "suggestion": None, "checkpoints": []}
    if got.observation.suggestion_id:
        name = got.observation.suggestion_id
        suggestion, checkpoints = await asyncio.gather(
            services.call(
                "StoreService.GetSuggestion",
                store_pb2.GetSuggestionRequest(suggestion_id=name, with_history=True),
                token,
            ),
            services.call(
                "StoreService.ListCheckpoints",
                store_pb2.ListCheckpointsRequest(suggestion_id=name, page_size=1000),
                token,
            ),
        )
        found |= plain(suggestion) | plain(checkpoints)
    return answer(found)


async def front(request: Request) -> Response:
    """The front as columns: ordinals, values, probabilities and contributions."""
    query = request.query_params
    asked = opt.GetParetoFrontRequest(
        experiment_id=request.path_params["experiment_id"],
        as_of_observation=number(request, "as_of", 0, 0, 2**62),
        slack=real(query.get("slack", "0"), "slack"),
        probability_source=types_pb2.PROBABILITY_SOURCE_NONE
        if query.get("quick") == "true"
        else types_pb2.PROBABILITY_SOURCE_UNSPECIFIED,
    )
    for name, value in zip(query.getlist("metric"), query.getlist("reference"), strict=False):
        asked.reference_point.add(metric=name, value=real(value, "reference"))
    reply = await services_of(request).call(
        "OptimizerService.GetParetoFront", asked, token_of(request), timeout=PATIENCE
    )
    return answer(front_columns(reply.front))


async def hypervolume(request: Request) -> Response:
    """The hypervolume curve, at most so many points: the end of each stretch, and the last."""
    asked = opt.GetHypervolumeHistoryRequest(experiment_id=request.path_params["experiment_id"])
    query = request.query_params
    for name, value in zip(query.getlist("metric"), query.getlist("reference"), strict=False):
        asked.reference_point.add(metric=name, value=real(value, "reference"))
    points = number(request, "points", HISTORY, 2, 5000)
    reply = await services_of(request).call(
        "OptimizerService.GetHypervolumeHistory", asked, token_of(request), timeout=PATIENCE
    )
    return answer(curve(reply, points))


async def live(request: Request) -> Response:
    """What changes in an experiment, as Server-Sent Events: new rows, the experiment, running trials."""
    begin = number(request, "rows", 0, 0, 10**9)
    # Entered by hand and left when the stream ends: the reply outlives this function.
    opened = view_of(request)
    view = await opened.__aenter__()

    async def stream() -> AsyncIterator[bytes]:
        try:
            async for message in _changes(view, begin):
                yield message
        except ParetuneError as error:
            yield event(document_of(error), name="error")
        finally:
            await opened.__aexit__(None, None, None)

    return StreamingResponse(stream(), media_type="text/event-stream", headers=EVENT_STREAM)


async def _changes(view: View, known: int) -> AsyncIterator[bytes]:
    await view.begun()
    replaced = view.replaced
    while True:
        columns, seen = view.columns, view.version
        # Far behind, as right after opening: the page asks for a sample again rather than for every row.
        rows = range(known, columns.count) if columns.count - known <= 200 else ()
        changed = {"reload": replaced != view.replaced or (columns.count > known and not rows)}
        yield event(
            live_state(view) | changed | {"rows": columns.document(list(rows)), "complete": view.complete}
        )
        known, replaced = columns.count, view.replaced
        while not await view.moved(seen, SIGN_OF_LIFE_SECONDS):
            yield b": still here\n\n"
        # What comes in a burst is told at once.
        await asyncio.sleep(COALESCE_SECONDS)


def live_state(view: View) -> dict[str, Any]:
    """The experiment, and its trials that wait or run."""
    return {
        "experiment": plain(view.experiment) | {"progress": view.progress()},
        "active": [
            plain(suggestion) | _last_step(view, suggestion.id)
            for suggestion in sorted(view.active.values(), key=lambda s: s.ordinal)[:200]
        ],
    }


def _last_step(view: View, suggestion_id: str) -> dict[str, Any]:
    checkpoint = view.checkpoints.get(suggestion_id)
    return {"checkpoint": plain(checkpoint)} if checkpoint else {}


def view_of(request: Request) -> Any:
    """The view that a request means, as an async context manager."""
    views: Views = request.app.state.views
    return views.of(request.path_params["experiment_id"], token_of(request))


def services_of(request: Request) -> Services:
    """The services behind this dashboard."""
    services: Services = request.app.state.services
    return services


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number in the query.

    Raises:
        InvalidArgument: it is none, or out of range.
    """
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
        raise InvalidArgument.of(name, f"must be a whole number from {least} to {most}")
    return int(text)


def real(text: str, name: str) -> float:
    """A real number in the query.

    Raises:
        InvalidArgument: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise InvalidArgument.of(name, "must be a number") from None


_BELOW = f"{API}/experiments/{{experiment_id}}"
ENDPOINTS = [
    Endpoint(f"{_BELOW}/charts/trials", trials),
    Endpoint(f"{_BELOW}/charts/front", front),
    Endpoint(f"{_BELOW}/charts/hypervolume", hypervolume),
    Endpoint(f"{_BELOW}/trials", table),
    Endpoint(f"{_BELOW}/trials/{{ordinal:int}}", trial),
    Endpoint(f"{_BELOW}/live", live),
]
