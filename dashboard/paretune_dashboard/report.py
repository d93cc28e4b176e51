"""The report of one experiment: one HTML file with the dashboard's own charts, which needs nothing else.

`python -m paretune_dashboard.report EXPERIMENT --server HOST:PORT --out FILE`; `paretune report` calls it.
"""

import asyncio
import gzip
import json
import re
import sys
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from paretune import wire
from paretune.errors import ParetuneError
from paretune.rpc.credentials import Credentials
from paretune.v1 import optimizer_pb2 as opt
from paretune.v1 import store_pb2
from paretune_dashboard.columns import Columns
from paretune_dashboard.plain import plain
from paretune_dashboard.services import Services
from paretune_dashboard.shapes import curve, front_columns
from paretune_dashboard.slices import predicted

STATIC = Path(__file__).with_name("static")
SHEETS = ("style.css", "pieces.css")
ECHARTS = STATIC / "vendor" / "echarts-6.1.0.min.js.gz"
MODULES = (
    "format.js", "dom.js", "model.js", "charts/palette.js", "chart.js", "charts/space.js", "charts/curve.js",
    "charts/matrix.js", "charts/parallel.js", "charts/bars.js", "report.js",
)  # fmt: skip
"""What the page is made of, each after those that it imports."""

SAMPLE = 5000
POINTS = 1000
PAGE = 1000
PATIENCE = 120.0
LEVELS = [0.05 + 0.1 * k for k in range(10)]
"""Probabilities of the attainment surfaces."""
SLICES = 12
"""Parameters along which the model is shown."""


async def gather(services: Services, experiment_id: str, token: str = "") -> dict[str, Any]:
    """Everything that the report shows, as JSON values.

    Raises:
        ParetuneError: the experiment cannot be read.
    """
    got = await services.call(
        "StoreService.GetExperiment", store_pb2.GetExperimentRequest(experiment_id=experiment_id), token
    )
    columns = Columns(got.experiment)
    listed = store_pb2.ListObservationsRequest(experiment_id=experiment_id, page_size=PAGE)
    while True:
        page = await services.call("StoreService.ListObservations", listed, token)
        for observation in page.observations:
            columns.put(observation)
        listed.page_token = page.next_page_token
        if not page.next_page_token:
            break
    asked: dict[str, Any] = {
        "GetParetoFront": opt.GetParetoFrontRequest(experiment_id=experiment_id),
        "GetHypervolumeHistory": opt.GetHypervolumeHistoryRequest(experiment_id=experiment_id),
        "GetImportance": opt.GetImportanceRequest(experiment_id=experiment_id),
        "GetAttainment": opt.GetAttainmentRequest(
            experiment_id=experiment_id, source=opt.ATTAINMENT_SOURCE_RESAMPLING, levels=LEVELS
        ),
    }
    told: dict[str, Any] = {}
    for name, request in asked.items():
        try:
            told[name] = await services.call(f"OptimizerService.{name}", request, token, timeout=PATIENCE)
        except ParetuneError as error:
            # Too few observations, say: the report does without, and tells why.
            told[name] = error.message
    front, volumes, importance, attainment = told.values()
    return {
        "experiment": plain(got.experiment),
        "trials": columns.document(columns.sample(SAMPLE)),
        "front": front if isinstance(front, str) else front_columns(front.front),
        "curve": volumes if isinstance(volumes, str) else curve(volumes, POINTS),
        "importance": importance if isinstance(importance, str) else plain(importance)["targets"],
        "attainment": attainment if isinstance(attainment, str) else plain(attainment),
        "slices": await _slices(services, got.experiment, front, token),
        "version": version("paretune"),
    }


async def _slices(services: Services, experiment: Any, front: Any, token: str) -> Any:
    """What the model expects around the middle of the front; or why there is nothing to show."""
    if isinstance(front, str) or not front.front.points:
        return "There is no front yet."
    points = front.front.points
    observation = points[len(points) // 2].observation
    names = [[parameter.name] for parameter in experiment.parameters[:SLICES]]
    base = wire.assignments_from_proto(observation.assignments)
    try:
        found = await predicted(services, token, experiment, base, names)
    except ParetuneError as error:
        return error.message
    return found | {"ordinal": observation.ordinal}


def page(document: dict[str, Any]) -> str:
    """The report as HTML."""
    data = json.dumps(document, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    return Template((STATIC / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(document["experiment"]["name"]),
        style="".join((STATIC / sheet).read_text(encoding="utf-8") for sheet in SHEETS),
        echarts=gzip.decompress(ECHARTS.read_bytes()).decode(),
        data=data,
        code=bundle(),
    )


def bundle() -> str:
    """The modules as one script: each a function that gives what it exports."""
    parts = ["const modules = {};"]
    for name in MODULES:
        code = (STATIC / name).read_text(encoding="utf-8")
        exported = re.findall(r"^export (?:async )?(?:function|class|const) (\w+)", code, re.MULTILINE)
        code = re.sub(
            r'^import (\{[^}]+\}) from "(?:\.\.?/)+([\w./]+)";$',
            lambda found: f'const {found[1]} = modules["{Path(found[2]).name}"];',
            code,
            flags=re.MULTILINE,
        )
        code = re.sub(r"^export ", "", code, flags=re.MULTILINE)
        parts.append(
            f'modules["{Path(name).name}"] = (() => {{\n{code}\nreturn {{ {", ".join(exported)} }};\n}})();'
        )
    return "\n".join(parts)


async def write(server: str, experiment_id: str, out: Path, credentials: Credentials) -> None:
    """Write the report of an experiment to a file.

    Raises:
        ParetuneError: the experiment cannot be read.
        OSError: the file cannot be written.
    """
    token = next((value.removeprefix("Bearer ") for _, value in credentials.metadata()), "")
    async with Services(server, credentials=credentials.but(token="")) as services:
        document = await gather(services, experiment_id, token)
    out.write_text(page(document), encoding="utf-8")


def main(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Id of the experiment.")],
    server: Annotated[str, typer.Option(envvar="PARETUNE_SERVER", metavar="HOST:PORT")] = "127.0.0.1:50051",
    out: Annotated[Path, typer.Option(metavar="FILE")] = Path("report.html"),
) -> None:
    """Write one HTML file with everything about an experiment."""
    try:
        asyncio.run(write(server, experiment, out, Credentials.from_environment()))
    except (ParetuneError, OSError) as error:
        sys.stderr.write(f"paretune report: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    typer.run(main)
