"""The commands about what a model says, and `plot`. Each but that has `--json`."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli import insight_tables as tables
from paretune.cli.console import print_json, print_lines, print_table, relative, remark, say
from paretune.cli.documents import document
from paretune.cli.target import Database, Json, Name, Server, find, opened
from paretune.client.handle import ExperimentHandle
from paretune.errors import InvalidArgument
from paretune.observation import ProbabilitySource
from paretune.parameters import Categorical, Int, Scalar
from paretune.space import SearchSpace

Pairs = Annotated[
    list[str] | None,
    typer.Argument(metavar="PARAMETER=VALUE ...", help="The configuration.", show_default=False),
]


def predict(
    name: Name,
    configuration: Pairs = None,
    server: Server = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say what the model expects of a configuration.

    The expected value of each metric without noise, how sure that is, and how probable it is that the
    configuration is feasible and on the front. Without a configuration: of the recommended one.

    Example: paretune predict digits conv_1_filters=16 conv_2_filters=32 kernel_size=3 learning_rate=0.01
    dropout=0.2 activation=relu batch_size=64
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        if configuration:
            asked = parsed(experiment.space, configuration)
        else:
            asked = client.recommend(experiment.id).assignments
        (told,) = client.predict(experiment.id, [asked])
    if as_json:
        print_json({"assignments": document(asked), **document(told)})
        return
    if not configuration:
        print_lines(tables.configuration_lines(experiment, asked))
    print_table(tables.prediction_table(experiment, told.metrics))
    chance = told.probability_efficient
    say(f"Feasible with probability {told.feasibility:.2f}" + (
        f", on the front with {chance:.2f}." if chance is not None else "."
    ))  # fmt: skip


def parsed(space: SearchSpace, pairs: list[str]) -> dict[str, Scalar]:
    """The configuration that words such as ``lr=0.01`` describe, checked.

    Raises:
        InvalidArgument: a word without ``=``, a number that is none, or a configuration outside the space.
    """
    kinds = {parameter.name: parameter for parameter in space}
    found: dict[str, Scalar] = {}
    for word in pairs:
        key, equals, text = word.partition("=")
        if not equals:
            raise InvalidArgument(f"{word!r} is not of the form PARAMETER=VALUE.")
        parameter = kinds.get(key)
        if parameter is None or isinstance(parameter, Categorical):
            found[key] = text
            continue
        try:
            found[key] = int(text) if isinstance(parameter, Int) else float(text)
        except ValueError:
            raise InvalidArgument(f"{key}: {text!r} is not {parameter.describe()}.") from None
    return space.validate(found, "configuration")


def importance(name: Name, server: Server = None, database: Database = None, as_json: Json = False) -> None:
    """Show which parameters matter for which metric.

    Shares of Sobol's total effects over the whole search space, according to the model. "explained" says how
    far to trust that: the share of what was measured that the model explains.

    Example: paretune importance digits
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        found = client.importance(experiment.id)
    if as_json:
        print_json(document(found))
    else:
        print_table(tables.importance_table(found))


def recommend(
    name: Name,
    server: Server = None,
    database: Database = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=NUMBER", help="How much a metric counts; repeat.", show_default=False),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=VALUE", help="The worst acceptable value; repeat.", show_default=False),
    ] = None,
    best: Annotated[
        str,
        typer.Option(metavar="METRIC", help="What to be best in, within the limits.", show_default=False),
    ] = "",
    as_json: Json = False,
) -> None:
    """Pick one configuration of the front, and say why.

    By weights, by limits, or, when nothing is given, at the knee: where giving up a little of one metric
    stops gaining much of another.

    Example: paretune recommend digits --limit inference_ms=2
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        found = client.recommend(
            experiment.id,
            weights=_numbers(weight, "--weight") or None,
            metric=best,
            limits=_numbers(limit, "--limit") or None,
        )
    if as_json:
        print_json(document(found))
        return
    print_lines(tables.configuration_lines(experiment, found.assignments))
    measured = found.source is not ProbabilitySource.MODEL
    print_table(tables.prediction_table(experiment, found.expected, "measured" if measured else "expected"))
    say(f"Observation {found.point.observation.ordinal}. {found.reason}")


def _numbers(words: list[str] | None, option: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words or ():
        key, _, text = word.rpartition("=")
        try:
            found[key] = float(text)
        except ValueError:
            key = ""
        if not key:
            raise InvalidArgument(f"{option}: {word!r} is not of the form METRIC=NUMBER.")
    return found


def robustness(
    name: Name,
    server: Server = None,
    database: Database = None,
    radius: Annotated[
        float, typer.Option(metavar="SHARE", help="Largest change, as a share of each range.")
    ] = 0.05,
    slack: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="What may be lost, as a share of the range of each metric on the front."
        ),
    ] = 0.05,
    categories: Annotated[bool, typer.Option(help="Change categorical parameters too.")] = False,
    as_json: Json = False,
) -> None:
    """Show how the front bears small changes of its configurations.

    "worst" is what a changed configuration is worse than in 5 of 100 cases only; "holds" is the probability
    that nothing tried is better than it by more than the slack.

    Example: paretune robustness digits --radius 0.1
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        found = client.robustness(experiment.id, radius=radius, slack=slack, categories=categories)
        front = client.pareto_front(experiment.id)
        ordinals = {point.observation.id: point.observation.ordinal for point in front}
    if as_json:
        print_json(document(found))
    else:
        print_table(tables.robustness_table(experiment, found, ordinals))


def attainment(
    name: Name,
    server: Server = None,
    database: Database = None,
    level: Annotated[
        list[float] | None,
        typer.Option(metavar="PROBABILITY", help="A probability; repeat.", show_default="0.05, 0.5, 0.95"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how certain the front is.

    Ten points of each surface; `paretune plot EXPERIMENT attainment` and --json show all.

    Example: paretune attainment digits --level 0.9
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        found = client.attainment(experiment.id, levels=level or ())
    if as_json:
        print_json(document(found))
        return
    for surface in found.surfaces:
        print_table(tables.surface_table(experiment, surface))
    say(tables.attainment_caption(found))


def forecast(
    name: Name,
    server: Server = None,
    database: Database = None,
    trials: Annotated[
        int,
        typer.Option(min=0, max=100, metavar="N", help="How many more; 0: what the budget leaves, or 10."),
    ] = 0,
    threshold: Annotated[
        float, typer.Option(min=0.0, metavar="NUMBER", help="Stop when the expected gain is below.")
    ] = 0.01,
    as_json: Json = False,
) -> None:
    """Say what the next trials would bring, and whether to stop.

    Example: paretune forecast digits --trials 20 --json | jq .stop
    """
    with opened(server, database) as client:
        experiment = find(client, name)
        found = client.should_stop(experiment.id, trials=trials, threshold=threshold)
    if as_json:
        print_json(document(found))
        return
    if found.forecast:
        print_table(tables.forecast_table(found))
    say(found.reason)


class Picture(Enum):
    """What `plot` draws."""

    pareto = "pareto"
    hypervolume = "hypervolume"
    attainment = "attainment"
    importance = "importance"
    slices = "slices"


def plot(
    name: Name,
    picture: Annotated[Picture, typer.Argument(help="What to draw.")] = Picture.pareto,
    server: Server = None,
    database: Database = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="PNG, PDF or SVG.", show_default="EXPERIMENT-PICTURE.png"
        ),
    ] = None,
) -> None:
    """Draw a picture of an experiment into a file.

    pareto: all observations and the front. hypervolume: how it grew. attainment: how certain the front is.
    importance: which parameters matter. slices: what the model expects around the recommended configuration.

    Example: paretune plot digits slices -o slices.svg
    """
    with opened(server, database) as client:
        handle = ExperimentHandle(client, find(client, name))
        file = output or Path(f"{handle.id}-{picture.value}.png")
        draw: Callable[..., object] = getattr(handle.plot, picture.value)
        try:
            draw(save=file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", "") or error
            raise InvalidArgument(f"--output: cannot write {file}: {reason}.") from None
    remark(f"Wrote {relative(file)}.")
