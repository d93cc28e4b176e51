"""Who trains: the nodes that reported, the leases that are held, and what was handed out again."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Endpoint

from paretune.v1 import store_pb2, types_pb2
from paretune_dashboard.answers import answer
from paretune_dashboard.charts import services_of
from paretune_dashboard.plain import plain
from paretune_dashboard.routes import API
from paretune_dashboard.sessions import token_of

EXPERIMENTS = 100
"""Newest experiments whose leases are looked at."""
SUGGESTIONS = 200
_STATES = (
    types_pb2.SUGGESTION_STATE_QUEUED,
    types_pb2.SUGGESTION_STATE_LEASED,
    types_pb2.SUGGESTION_STATE_LOST,
)


async def nodes_and_leases(request: Request) -> Response:
    """Nodes as they reported themselves; leases of the newest experiments, with seconds left."""
    services, token = services_of(request), token_of(request)
    nodes, listed = await asyncio.gather(
        services.call("StoreService.ListNodes", store_pb2.ListNodesRequest(), token),
        services.call(
            "StoreService.ListExperiments", store_pb2.ListExperimentsRequest(page_size=EXPERIMENTS), token
        ),
    )
    busy = [
        experiment.id
        for experiment in listed.experiments
        if experiment.progress.leased or experiment.progress.queued or experiment.progress.lost
    ]
    pages = await asyncio.gather(
        *(
            services.call(
                "StoreService.ListSuggestions",
                store_pb2.ListSuggestionsRequest(experiment_id=name, page_size=SUGGESTIONS, states=_STATES),
                token,
            )
            for name in busy
        )
    )
    suggestions = [suggestion for page in pages for suggestion in page.suggestions]
    return answer(
        plain(nodes)
        | {
            "leases": [_described(one) for one in suggestions if one.HasField("lease")],
            "expired": [
                _described(one)
                for one in suggestions
                if one.attempt > 1 or one.state == types_pb2.SUGGESTION_STATE_LOST
            ],
        }
    )


def _described(suggestion: Any) -> dict[str, Any]:
    state = types_pb2.SuggestionState.Name(suggestion.state).removeprefix("SUGGESTION_STATE_").lower()
    found = {
        "experiment_id": suggestion.experiment_id,
        "ordinal": suggestion.ordinal,
        "state": state,
        "attempt": suggestion.attempt,
        "worker": suggestion.lease.worker,
    }
    if suggestion.HasField("lease"):
        now = types_pb2.Suggestion()
        now.update_time.GetCurrentTime()
        left = suggestion.lease.expire_time.ToNanoseconds() - now.update_time.ToNanoseconds()
        found["seconds_left"] = round(left / 1e9, 1)
    return found


ENDPOINTS = [Endpoint(f"{API}/nodes-and-leases", nodes_and_leases)]
