"""`paretune study`: a use case from end to end, model-based beside random search, with a report."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.console import file_stem, out, print_json, print_table, relative, remark, say
from paretune.cli.overrides import Data, Preset, Settings, overridden, with_settings
from paretune.cli.tables import front_tables
from paretune.cli.target import Database, Json, Server, opened
from paretune.cli.training import create_or_resume, train
from paretune.client import Client
from paretune.client.handle import ExperimentHandle
from paretune.errors import FailedPrecondition, InvalidArgument
from paretune.experiment import Experiment, Policy
from paretune.experiment_file import load_experiment
from paretune.insight import Attainment, AttainmentSource
from paretune.study.comparison import (
    LEVELS,
    MODEL_BASED,
    RANDOM,
    SAMPLES,
    Search,
    Study,
    shared_reference_point,
)
from paretune.study.figures import Making, document
from paretune.study.page import number, percent
from paretune.study.report import write

HOME = Path("studies")
MOST_OF_THREE = 128
"""Draws that the Optimizer makes at most with three metrics."""


def study(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The experiment.")],
    server: Server = None,
    database: Database = None,
    new: Annotated[bool, typer.Option("--new", help="Start afresh, even if this study exists.")] = False,
    budget: Annotated[
        int | None,
        typer.Option(metavar="N", help="Trainings of the model-based search, instead of the file's."),
    ] = None,
    ratio: Annotated[
        float, typer.Option(metavar="NUMBER", help="Trainings of random search for each of those.")
    ] = 10.0,
    preset: Preset = None,
    settings: Settings = None,
    data: Data = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of all suggestions.")] = None,
    parallelism: Annotated[
        int | None, typer.Option(metavar="N", help="Trials at once of each search, instead of the file's.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the report goes.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare model-based with random search, and write a report.

    Trains the budget with the file's policy, and ten times as many configurations at random, side by side in
    one database. Stop with Ctrl-C at any time: the same command goes on where it stopped.

    Writes report.html, pictures, results.csv and study.json to studies/NAME; unless `--server` or `--db` says
    otherwise, the database lies there too.

    Example: paretune study examples/digits.yaml --budget 20 --ratio 4
    """
    wanted = overridden(load_experiment(file), budget, parallelism, None, seed)
    wanted = with_settings(
        wanted, file, preset=preset, pairs=settings or (), data=data, data_is_here=server is None
    )
    searches = searches_of(wanted, ratio, file)
    folder = folder or HOME / file_stem(f"{wanted.name}-{preset}" if preset else wanted.name)
    making = Making.here(shlex.join(["paretune", *sys.argv[1:]]))
    if server is None and database is None:
        database = folder / "study.db"
        _made(folder)
    with opened(server, database, create=True) as client:
        handles = {label: create_or_resume(client, one, new) for label, one in searches.items()}
        try:
            train(client, *handles.values())
        except KeyboardInterrupt:
            remark(f"Stopped. Go on with: {making.command.replace(' --new', '')}")
            raise
        found = collected(client, handles)
    show(found, making, folder, as_json)


def searches_of(experiment: Experiment, ratio: float, file: Path) -> dict[str, Experiment]:
    """Both searches of a study, by label.

    Raises:
        InvalidArgument: no budget, a single metric, a policy that is random itself, or a wrong ratio.
    """
    if not experiment.observation_budget:
        raise InvalidArgument(f"{file}: has no observation_budget; give one with --budget.")
    if len(experiment.optimized_metrics) < 2:
        raise InvalidArgument(f"{file}: optimizes a single metric; a study compares fronts of two or more.")
    if experiment.policy is Policy.RANDOM:
        raise InvalidArgument(f"{file}: has policy random itself; a study needs a model, such as auto.")
    if not 0 < ratio <= 1000:
        raise InvalidArgument("--ratio: must be above 0, at most 1000.")
    many = max(1, round(ratio * experiment.observation_budget))
    names = {label: f"{experiment.name}-{label}" for label in (MODEL_BASED, RANDOM)}
    return {
        MODEL_BASED: replace(experiment, name=names[MODEL_BASED]),
        RANDOM: replace(experiment, name=names[RANDOM], policy=Policy.RANDOM, observation_budget=many),
    }


def collected(client: Client, handles: Mapping[str, ExperimentHandle]) -> Study:
    """What the searches found, with what the Optimizer says about it.

    Raises:
        ParetuneError: the services do not answer.
    """
    ours, theirs = handles[MODEL_BASED], handles[RANDOM]
    metrics = ours.experiment.optimized_metrics
    point = shared_reference_point(metrics, [ours.pareto_front(), theirs.pareto_front()])
    searches = {
        label: Search(
            label,
            handle.refresh(),
            handle.observations(),
            handle.pareto_front(reference_point=point or None),
            handle.hypervolume_history(reference_point=point or None),
        )
        for label, handle in handles.items()
    }
    size = min(len(search.observations) for search in searches.values())
    regions = regions_of(theirs, size, point)
    return Study(searches[MODEL_BASED], searches[RANDOM], point, regions)


def regions_of(handle: ExperimentHandle, size: int, point: Mapping[str, float]) -> Attainment | None:
    """Confidence regions of the front with `size` trainings; None when they cannot be had."""
    samples = SAMPLES if len(handle.experiment.optimized_metrics) < 3 else MOST_OF_THREE
    try:
        return handle.attainment(
            levels=LEVELS,
            source=AttainmentSource.RESAMPLING,
            samples=samples,
            sample_size=size,
            reference_point=point or None,
        )
    except FailedPrecondition as error:
        remark(f"No confidence regions: {error}")
        return None


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"--out: cannot write to {folder}: {error.strerror}.") from None


def show(found: Study, making: Making, folder: Path, as_json: bool) -> None:
    """Write the report, and print what came out.

    Raises:
        InvalidArgument: it cannot be written there.
    """
    try:
        files = write(found, making, folder)
    except OSError as error:
        raise InvalidArgument(f"--out: cannot write to {folder}: {error.strerror}.") from None
    figures = document(found, making)
    if as_json:
        print_json(figures | {"files": {name: str(path) for name, path in files.items()}})
        return
    for table in front_tables(found.model_based.experiment, found.model_based.front, out().width):
        print_table(table)
    say("\n".join([*_lines(found, figures["not_comparable_because"]), f"Wrote {relative(files['report'])}."]))


def _lines(found: Study, not_comparable_because: Sequence[str]) -> list[str]:
    merged = found.merged
    shares = (merged.model_based_share, merged.random_share)
    lines = [
        f"{search.label:12} {len(search.observations):>6,} trainings, "
        f"{percent(search.feasible_share)} feasible, {percent(share)} of the merged frontier, "
        f"hypervolume {number(search.front.hypervolume)}"
        for search, share in zip(found.searches, shares, strict=True)
    ]
    if merged.both:
        lines.append(f"{len(merged.both)} of {len(merged)} points of the merged frontier: found by both.")
    return lines + [f"Not comparable to the published figures: {why}." for why in not_comparable_because]
