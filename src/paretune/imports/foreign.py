"""What every reader gives, and how it is recorded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paretune.client import Client
from paretune.client.handle import ExperimentHandle
from paretune.errors import InvalidArgument
from paretune.experiment import Experiment
from paretune.limits import MAX_GRID
from paretune.observation import FailureReason, MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Categorical, Double, Int, Parameter, is_number
from paretune.transfer import ORIGIN, observe_new

NOT_FINITE = Outcome(OutcomeKind.INFEASIBLE, "a value is not finite", FailureReason.NOT_FINITE)


@dataclass(frozen=True)
class Foreign:
    """A search that was begun elsewhere.

    Attributes:
        experiment: what is searched.
        observations: its results; the metadata of each names its `ORIGIN`.
        remarks: what could not be taken along, in sentences for people.
    """

    experiment: Experiment
    observations: Sequence[Observation] = ()
    remarks: Sequence[str] = ()


def record(client: Client, foreign: Foreign, id: str = "") -> tuple[ExperimentHandle, int]:
    """Record a foreign search, or what is new in it; the experiment, and how many observations were new.

    Run again, it adds the trials that were not there before, as `ORIGIN` tells them.

    Args:
        client: where.
        foreign: what.
        id: id of the experiment; default: made of its name.

    Raises:
        AlreadyExists: there is an experiment of that id with other parameters or metrics.
        InvalidArgument: a result does not fit the experiment, with its origin.
    """
    wanted = replace(foreign.experiment, id=id or id_of(foreign.experiment.name))
    handle = client.create_experiment(wanted, exist_ok=True)
    results = [_checked(handle.experiment, observation) for observation in foreign.observations]
    new = observe_new(client, handle.experiment, {one.metadata[ORIGIN]: one for one in results})
    return handle, new


def _checked(experiment: Experiment, observation: Observation) -> Observation:
    try:
        return replace(observation, assignments=experiment.space.validate(observation.assignments))
    except InvalidArgument as error:
        raise error.under(observation.metadata[ORIGIN]) from None


def id_of(name: str) -> str:
    """An id made of a name: ``Small net`` becomes ``small-net``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "imported"


def numeric(
    name: str, low: float, high: float, step: float | None, *, whole: bool, log: bool = False
) -> Parameter | None:
    """A numeric parameter; None when only one value is possible. A step too fine for a grid is left out."""
    if low >= high:
        return None
    kind = Int if whole else Double
    if step and not (whole and step == 1) and (count := round((high - low) / step)) < MAX_GRID:
        # From the lower end, as Optuna computes them, so that its values are on the grid.
        grid = [low + index * step for index in range(count + 1)]
        return listed(name, grid, log=log, whole=whole) if len(grid) > 1 else None
    return kind(name, kind.kind(low), kind.kind(high), log=log)


def listed(name: str, values: Sequence[float], *, log: bool = False, whole: bool | None = None) -> Parameter:
    """A numeric parameter with these values only."""
    if whole if whole is not None else all(isinstance(value, int) for value in values):
        return Int(name, grid=sorted(int(value) for value in values), log=log)
    return Double(name, grid=sorted(float(value) for value in values), log=log)


def words(name: str, choices: Sequence[object]) -> tuple[Parameter | None, Mapping[object, str]]:
    """A categorical parameter for choices of any kind, and the word for each; None when there is only one."""
    by_choice = {_key(choice): str(choice) for choice in choices}
    if len(set(by_choice.values())) < len(by_choice):
        by_choice = {_key(choice): repr(choice) for choice in choices}
    return Categorical(name, list(by_choice.values())) if len(by_choice) > 1 else None, by_choice


def _key(choice: object) -> object:
    return type(choice), repr(choice)  # True and "True" are two


def word(by_choice: Mapping[object, str], choice: object) -> str:
    """The word for a choice of `words`."""
    return by_choice[_key(choice)]


def values_of(measured: Mapping[str, tuple[object, object]]) -> tuple[tuple[MetricValue, ...], bool]:
    """Metric values from value and standard error (None: unknown) by name; and whether all were finite."""
    finite = {name: pair for name, pair in measured.items() if is_number(pair[0])}
    values = tuple(
        MetricValue(name, float(value), float(stddev) if is_number(stddev) else None)  # type: ignore[arg-type]
        for name, (value, stddev) in finite.items()
    )
    return values, len(finite) == len(measured)
