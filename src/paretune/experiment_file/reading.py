"""From the text of an experiment file to an `Experiment`, or to the line that is wrong."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from paretune.command import COMMAND
from paretune.errors import InvalidArgument, Violation
from paretune.experiment import (
    Experiment,
    Goal,
    LeasePolicy,
    Metric,
    Policy,
    RelativeThreshold,
    Strategy,
    Workload,
)
from paretune.experiment_file.entries import (
    ConstraintEntry,
    EarlyStoppingEntry,
    Entry,
    ExperimentEntry,
    MetricEntry,
    ParameterEntry,
    PriorEntry,
    RelativeEntry,
    Text,
)
from paretune.experiment_file.yaml_source import YamlSource
from paretune.parameters import Beta, Categorical, Double, Int, Normal, Parameter, Prior, Weights
from paretune.space import LinearConstraint, SearchSpace
from paretune.stopping import EarlyStopping, EarlyStoppingRule, Fidelity

MAX_CHARACTERS = 1_000_000
"""Of a file; a thousand parameters need a tenth of that."""


def load_experiment(path: str | Path) -> Experiment:
    """The experiment that a YAML file describes.

    Raises:
        InvalidArgument: the file cannot be read or is not a valid experiment; the message is one line with
            the file, the line, the field and what to change.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path}: is not a text file in UTF-8.") from None
    except OSError as error:
        raise InvalidArgument(f"{path}: cannot be read: {error.strerror}.") from None
    if len(text) > MAX_CHARACTERS:
        raise InvalidArgument(f"{path}: is longer than {MAX_CHARACTERS:,} characters: is it an experiment?")
    return parse_experiment(text, str(path))


def parse_experiment(text: str, source: str = "experiment") -> Experiment:
    """The experiment that YAML text describes; `source` names the text in messages.

    Raises:
        InvalidArgument: as `load_experiment`.
    """
    yaml = YamlSource(text, source)
    try:
        entry = ExperimentEntry.model_validate(yaml.content)
    except ValidationError as error:
        raise yaml.refuse_model(error, ExperimentEntry) from None
    try:
        return _experiment(entry)
    except InvalidArgument as error:
        raise yaml.refuse([Violation(_file_path(v.field), v.description) for v in error.violations]) from None


_T = TypeVar("_T")
_Entry_ = TypeVar("_Entry_", bound=Entry)
_FILE_WORDS = {
    ".condition.parent": ".when",
    ".condition.values": ".when",
    ".condition": ".when",
    ".default_value": ".default",
    ".threshold.absolute": ".threshold",
    ".threshold.relative.baseline_observation_id": ".threshold.baseline",
    ".threshold.relative": ".threshold",
    ".prior.categorical": ".prior",
    ".terms": ".weights",
    "workload.command": "command",
    "fidelity.name": "fidelity",
}


def _file_path(field: str) -> str:
    """The path in the file for a path in the vocabulary."""
    for word, in_file in _FILE_WORDS.items():
        field = field.replace(word, in_file)
    return field


@contextmanager
def _under(path: str) -> Iterator[None]:
    """Within it, mistakes are those of the field at `path`."""
    try:
        yield
    except InvalidArgument as error:
        raise error.under(path) from None


def _each(build: Callable[[_Entry_], _T], entries: Sequence[_Entry_], path: str) -> tuple[_T, ...]:
    made = []
    for index, entry in enumerate(entries):
        with _under(f"{path}[{index}]"):
            made.append(build(entry))
    return tuple(made)


def _experiment(entry: ExperimentEntry) -> Experiment:
    workload = _workload(entry)
    with _under("early_stopping"):
        early_stopping = _early_stopping(entry.early_stopping)
    fidelity = None
    if entry.fidelity is not None:
        with _under("fidelity"):
            fidelity = Fidelity.parse(entry.fidelity)
    with _under("lease"):
        lease = LeasePolicy(float(entry.lease.ttl), entry.lease.max_attempts)
    return Experiment(
        name=entry.name,
        space=SearchSpace(
            _each(_parameter, entry.parameters, "parameters"),
            _each(_constraint, entry.linear_constraints, "linear_constraints"),
        ),
        metrics=_each(_metric, entry.metrics, "metrics"),
        observation_budget=entry.observation_budget,
        parallelism=entry.parallelism,
        remeasure=entry.remeasure,
        seed=entry.seed,
        policy=Policy[entry.policy.upper()],
        lease_policy=lease,
        workload=workload,
        fidelity=fidelity,
        early_stopping=early_stopping,
        metadata=_texts(entry.metadata),
        labels=_texts(entry.labels),
        project=entry.project,
    )


def _workload(entry: ExperimentEntry) -> Workload | None:
    if entry.workload is None and entry.command is None:
        if entry.settings:
            raise InvalidArgument.of("settings", "are those of a workload; name the workload too")
        return None
    if entry.command is None:
        if entry.workload == COMMAND:
            raise InvalidArgument.of("workload", "is a command: write `command: PROGRAM ARGUMENTS` instead")
        with _under("workload"):
            return Workload(str(entry.workload), _texts(entry.settings))
    if entry.workload not in (None, COMMAND):
        raise InvalidArgument.of("command", "and workload are both given: which of the two runs?")
    try:
        words = shlex.split(entry.command) if isinstance(entry.command, str) else entry.command
    except ValueError as error:
        raise InvalidArgument.of("command", f"cannot be split into arguments: {error}") from None
    if not words:
        raise InvalidArgument.of("command", "must begin with a program")
    return Workload(COMMAND, _texts(entry.settings), tuple(words))


def _early_stopping(entry: bool | Sequence[str] | EarlyStoppingEntry | None) -> EarlyStopping | None:
    if entry is None or entry is False:
        return None
    if entry is True:
        return EarlyStopping()
    if not isinstance(entry, EarlyStoppingEntry):
        return EarlyStopping(tuple(EarlyStoppingRule[rule.upper()] for rule in entry))
    rules = tuple(EarlyStoppingRule[rule.upper()] for rule in entry.rules)
    return EarlyStopping(rules, float(entry.confidence), entry.reduction, entry.min_step)


def _constraint(entry: ConstraintEntry) -> LinearConstraint:
    return LinearConstraint(dict(entry.weights), entry.upper_bound)


def _texts(entry: Mapping[str, Text]) -> dict[str, str]:
    """Settings and notes are text; YAML's true is written as YAML writes it."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in entry.items()
    }


def _metric(entry: MetricEntry) -> Metric:
    given = entry.threshold
    threshold = (
        RelativeThreshold(given.baseline, float(given.factor)) if isinstance(given, RelativeEntry) else given
    )
    return Metric(
        entry.name, Goal[entry.goal.upper()], Strategy[entry.strategy.upper()], threshold, entry.unit
    )


_RANGE = ("min", "max", "log", "grid")


def _parameter(entry: ParameterEntry) -> Parameter:
    unfit = ("choices",) if entry.type != "categorical" else _RANGE
    for key in unfit:
        if key in entry.model_fields_set:
            raise InvalidArgument.of(key, f"is not for type {entry.type}; remove it or change the type")
    when: Any = None if entry.when is None else {k: _list(v) for k, v in entry.when.items()}
    prior, default = _prior(entry.prior), entry.default
    if entry.type == "categorical":
        if entry.choices is None:
            raise InvalidArgument.of("choices", "is missing; list what a categorical parameter can be")
        return Categorical(entry.name, entry.choices, default=default, prior=prior, when=when)  # type: ignore[arg-type]
    bounds = {key: value for key in ("min", "max") if (value := getattr(entry, key)) is not None}
    for key in ("min", "max"):
        if key not in bounds and not entry.grid:
            raise InvalidArgument.of(key, f"is missing; type {entry.type} needs min and max, or a grid")
    kind: Any = Int if entry.type == "int" else Double
    made: Parameter = kind(
        entry.name, **bounds, log=entry.log, grid=entry.grid, default=default, prior=prior, when=when
    )
    return made


def _list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _prior(entry: PriorEntry | None) -> Prior | None:
    if entry is None:
        return None
    if len(entry.model_fields_set) != 1:
        raise InvalidArgument.of("prior", "names exactly one of normal, beta and weights")
    try:
        if entry.normal is not None:
            return Normal(**entry.normal)
        if entry.beta is not None:
            return Beta(**entry.beta)
    except TypeError:
        raise InvalidArgument.of(
            "prior", "is {normal: {mean: M, stddev: S}} or {beta: {alpha: A, beta: B}}"
        ) from None
    return Weights(tuple(float(weight) for weight in entry.weights or ()))
