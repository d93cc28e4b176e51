"""Experiments as YAML and trials as CSV; which workloads trainers offer."""

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route as Endpoint

from paretune import wire
from paretune.errors import InvalidArgument, ParetuneError
from paretune.experiment_file import dump_experiment, parse_experiment
from paretune.v1 import store_pb2, trainer_pb2
from paretune_dashboard.answers import answer
from paretune_dashboard.charts import services_of, view_of
from paretune_dashboard.columns import OUTCOMES, Columns
from paretune_dashboard.plain import plain
from paretune_dashboard.rest import json_body
from paretune_dashboard.routes import API
from paretune_dashboard.sessions import token_of

ROWS = 500
MAX_YAML = 1_000_000


async def parse(request: Request) -> Response:
    """The experiment that {"yaml": text} describes, not created; mistakes are told with their line."""
    text = (await json_body(request)).get("yaml")
    if not isinstance(text, str) or len(text) > MAX_YAML:
        raise InvalidArgument.of("yaml", f"must be text of at most {MAX_YAML:,} characters")
    made = await asyncio.to_thread(parse_experiment, text, "experiment")
    return answer({"experiment": plain(wire.experiment_to_proto(made))})


async def dump(request: Request) -> Response:
    """An experiment as the YAML that makes another one like it."""
    asked = store_pb2.GetExperimentRequest(experiment_id=request.path_params["experiment_id"])
    got = await services_of(request).call("StoreService.GetExperiment", asked, token_of(request))
    return PlainTextResponse(dump_experiment(wire.experiment_from_proto(got.experiment)))


async def workloads(request: Request) -> Response:
    """The workloads of the first configured trainer that answers; none when none does."""
    services = services_of(request)
    for address in services.trainers:
        try:
            reply = await services.call(
                "TrainerService.ListWorkloads",
                trainer_pb2.ListWorkloadsRequest(),
                token_of(request),
                address=address,
                timeout=3.0,
            )
        except ParetuneError:
            continue
        return answer(plain(reply))
    return answer({"workloads": []})


async def trials_csv(request: Request) -> Response:
    """All trials as CSV."""
    async with view_of(request) as view:
        await view.ready()
        columns = view.columns
    name = request.path_params["experiment_id"]
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(
        _csv(columns, columns.count), media_type="text/csv; charset=utf-8", headers=headers
    )


def _csv(columns: Columns, count: int) -> Iterator[str]:
    yield _line(
        ["trial", "outcome", *columns.parameters]
        + [name for metric in columns.metrics for name in (metric, f"{metric}_stddev")]
        + ["reason", "worker", "observation_id", "recorded"]
    )
    for begin in range(0, count, ROWS):
        table = columns.table(range(begin, min(begin + ROWS, count)))
        yield "".join(_line(_row(columns, table, k)) for k in range(len(table["ordinals"])))


def _row(columns: Columns, table: dict[str, Any], k: int) -> list[Any]:
    def cell(column: list[Any] | None, choices: list[str] | None = None) -> Any:
        value = column[k] if column else None
        return choices[int(value)] if choices and value is not None else value

    return [
        table["ordinals"][k],
        OUTCOMES[table["outcomes"][k]],
        *(cell(c, choices) for c, choices in zip(table["parameters"], columns.choices, strict=True)),
        *(cell(c) for pair in zip(table["values"], table["stddevs"], strict=True) for c in pair),
        table["reasons"][k],
        table["workers"][k],
        table["ids"][k],
        datetime.fromtimestamp(table["times"][k], UTC).isoformat(),
    ]


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    # Text that a spreadsheet would take for a formula is quoted as text.
    safe = [f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@" and cell else cell for cell in cells]
    csv.writer(out, lineterminator="\n").writerow(safe)
    return out.getvalue()


_BELOW = f"{API}/experiments/{{experiment_id}}"
ENDPOINTS = [
    Endpoint(f"{API}/parse", parse, methods=["POST"]),
    Endpoint(f"{API}/workloads", workloads),
    Endpoint(f"{_BELOW}/yaml", dump),
    Endpoint(f"{_BELOW}/trials.csv", trials_csv),
]
