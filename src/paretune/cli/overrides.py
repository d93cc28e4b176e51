"""What the command line says instead of an experiment file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from paretune.client.new_experiment import policy_of
from paretune.errors import InvalidArgument
from paretune.experiment import Experiment
from paretune.parameters import unknown_name

PRESETS = ("quick", "medium", "full")

Preset = Annotated[str | None, typer.Option(metavar="PRESET", help="Fidelity: quick, medium or full.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the workload.")
]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with the data sets.")]


def overridden(
    experiment: Experiment, budget: int | None, parallelism: int | None, policy: str | None, seed: int | None
) -> Experiment:
    """The experiment with what the command line says instead of the file.

    Raises:
        InvalidArgument: a value that is not allowed.
    """
    given = {
        "observation_budget": budget,
        "parallelism": parallelism,
        "policy": None if policy is None else policy_of(policy),
        "seed": seed,
    }
    return replace(experiment, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def with_settings(
    experiment: Experiment,
    file: Path,
    *,
    preset: str | None,
    pairs: Sequence[str],
    data: Path | None,
    data_is_here: bool,
) -> Experiment:
    """The experiment with its workload's settings changed.

    Args:
        experiment: as the file has it.
        file: where it comes from, for messages.
        preset: the setting of that name, checked.
        pairs: `KEY=VALUE`.
        data: the setting of that name, as an absolute path.
        data_is_here: whether trials run on this machine, so that the folder must exist here.

    Raises:
        InvalidArgument: no workload, an unknown preset, no such folder, or a pair without "=".
    """
    if experiment.workload is None:
        raise InvalidArgument(f"{file}: names no workload, so there is nothing to run; add `workload: NAME`.")
    changes = {}
    if preset is not None:
        if preset not in PRESETS:
            raise InvalidArgument.of("--preset", unknown_name("preset", preset, PRESETS))
        changes["preset"] = preset
    if data is not None:
        if data_is_here and not data.is_dir():
            raise InvalidArgument(f"--data: there is no folder {data}.")
        changes["data"] = str(data.absolute())
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidArgument(f"--set: {pair!r} is not KEY=VALUE.")
        changes[key] = value
    workload = replace(experiment.workload, settings={**experiment.workload.settings, **changes})
    return replace(experiment, workload=workload)
