"""Optuna studies, from their storage: parameters, conditions, constraints, every finished trial.

Optuna finds its search space while it runs, so that it is put together from the trials. A parameter that only
some trials have becomes conditional on the categorical or whole-numbered one whose values tell when; see
`_condition`. Written for Optuna 3 and later: https://optuna.readthedocs.io/en/stable/reference/trial.html.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from paretune.errors import FailedPrecondition, InvalidArgument
from paretune.experiment import Experiment, Goal, Metric, Strategy
from paretune.imports.foreign import NOT_FINITE, Foreign, numeric, values_of, word, words
from paretune.observation import FailureReason, Observation, Outcome, OutcomeKind
from paretune.parameters import Condition, Double, Parameter, Scalar
from paretune.space import SearchSpace
from paretune.transfer import ORIGIN

_CONSTRAINTS = "constraints"  # the system attribute in which Optuna keeps them; feasible when none is above 0


def read(storage: str, study: str = "", metrics: Sequence[str] = ()) -> Foreign:
    """A study, with all its finished trials.

    Args:
        storage: URL as Optuna takes it, such as ``sqlite:///study.db``; or the file of a journal storage.
        study: name; empty: the only one.
        metrics: names for its values; default: those that the study was given, or value, value_1, ...

    Raises:
        FailedPrecondition: Optuna is not installed.
        InvalidArgument: there is no such storage or study, or its space cannot be expressed.
    """
    loaded = _load(storage, study)
    named = list(metrics) or list(loaded.metric_names or ()) or _numbered(len(loaded.directions))
    if len(named) != len(loaded.directions):
        raise InvalidArgument(
            f"The study has {len(loaded.directions)} values, and {len(named)} names are given."
        )
    finished = [trial for trial in loaded.get_trials(deepcopy=False) if trial.state.is_finished()]
    told = [trial for trial in finished if trial.state.name != "FAIL"]
    if not told:
        raise InvalidArgument(
            f"The study {loaded.study_name!r} has no finished trial, so its space is unknown."
        )
    space, texts, fixed = _space(told)
    constraints = max((len(_constraints(trial)) for trial in told), default=0)
    experiment = Experiment(
        name=loaded.study_name,
        space=space,
        metrics=(*_metrics(named, loaded.directions), *_constrained(constraints)),
        metadata={
            "imported_from": "optuna",
            **{f"fixed.{name}": str(value) for name, value in fixed.items()},
        },
    )
    observations = [_observation(trial, named, space, texts) for trial in finished]
    kept = [o for o in observations if _fits(space, o)]
    running = len(loaded.get_trials(deepcopy=False)) - len(finished)
    remarks = [f"{running} trials that still run or wait were left out."] if running else []
    if len(kept) < len(observations):
        remarks.append(f"{len(observations) - len(kept)} failed trials without all parameters were left out.")
    if fixed:
        remarks.append(f"Parameters with a single value are in the metadata: {', '.join(fixed)}.")
    return Foreign(experiment, kept, remarks)


def _load(storage: str, study: str) -> Any:
    try:
        import optuna
    except ImportError:
        raise FailedPrecondition(
            "This needs Optuna: run `pip install 'paretune[optuna]'`.", reason="OPTUNA_MISSING"
        ) from None
    file = Path(storage.removeprefix("sqlite:///"))
    if storage.startswith("sqlite:///") and not file.is_file():
        raise InvalidArgument(f"There is no file {file}.")
    opened: Any = storage
    if "://" not in storage:
        if not file.is_file():
            raise InvalidArgument(
                f"{storage} is neither a URL such as sqlite:///study.db nor a journal file."
            )
        opened = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(storage))
    try:
        names = optuna.get_all_study_names(opened)
        if not study and len(names) != 1:
            listed = ", ".join(names[:20]) or "none"
            raise InvalidArgument(f"{storage} holds {len(names)} studies ({listed}): name one with --study.")
        return optuna.load_study(study_name=study or names[0], storage=opened)
    except InvalidArgument:
        raise
    except KeyError:
        raise InvalidArgument(f"{storage} has no study {study!r}; it has {', '.join(names[:20])}.") from None
    except Exception as error:  # what a broken storage raises depends on its driver
        raise InvalidArgument(f"Optuna cannot read {storage}: {str(error).splitlines()[0]}") from None


def _numbered(count: int) -> list[str]:
    return ["value"] + [f"value_{index}" for index in range(1, count)]


def _metrics(names: Iterable[str], directions: Iterable[Any]) -> Iterator[Metric]:
    for name, direction in zip(names, directions, strict=True):
        yield Metric(name, Goal.MAXIMIZE if direction.name == "MAXIMIZE" else Goal.MINIMIZE)


def _constrained(count: int) -> Iterator[Metric]:
    for index in range(count):
        yield Metric(f"constraint_{index}", Goal.MINIMIZE, Strategy.CONSTRAIN, 0.0)


def _constraints(trial: Any) -> Sequence[float]:
    return trial.system_attrs.get(_CONSTRAINTS) or ()


# The space


def _space(trials: Sequence[Any]) -> tuple[SearchSpace, dict[str, Mapping[object, str]], dict[str, object]]:
    """The space of the trials; words for the choices of categorical parameters; parameters with one value."""
    merged: dict[str, Any] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            merged[name] = _merged(name, merged.get(name), distribution)
    made: dict[str, Parameter] = {}
    texts: dict[str, Mapping[object, str]] = {}
    fixed: dict[str, object] = {}
    for name, distribution in merged.items():
        if hasattr(distribution, "choices"):
            parameter, texts[name] = words(name, distribution.choices)
        else:
            whole = type(distribution).__name__ == "IntDistribution"
            low, high, step = distribution.low, distribution.high, distribution.step
            parameter = numeric(name, low, high, step, whole=whole, log=distribution.log)
        if parameter is None:
            fixed[name] = next(trial.params[name] for trial in trials if name in trial.params)
        else:
            made[name] = parameter
    return SearchSpace(tuple(_conditioned(made, texts, trials))), texts, fixed


def _merged(name: str, known: Any, seen: Any) -> Any:
    """One distribution that holds both: Optuna lets ranges change from trial to trial."""
    if known is None or known == seen:
        return seen
    if (
        hasattr(seen, "low")
        and type(known) is type(seen)
        and (known.log, known.step) == (seen.log, seen.step)
    ):
        low, high = min(known.low, seen.low), max(known.high, seen.high)
        return type(seen)(low, high, log=seen.log, step=seen.step)
    raise InvalidArgument(f"The parameter {name!r} was {known} in one trial and {seen} in another.")


def _conditioned(
    made: Mapping[str, Parameter], texts: Mapping[str, Mapping[object, str]], trials: Sequence[Any]
) -> Iterator[Parameter]:
    """The parameters, parents before children, with their conditions."""
    always = [name for name in made if all(name in trial.params for trial in trials)]
    yield from (made[name] for name in always)
    known, rest = list(always), [name for name in made if name not in always]
    while rest:
        found = next(((n, c) for n in rest if (c := _condition(n, known, made, texts, trials))), None)
        if found is None:
            raise InvalidArgument(
                f"Only some trials have the parameter {rest[0]!r}, and no categorical or whole-numbered one "
                "tells in which: paretune cannot express that."
            )
        name, condition = found
        yield replace(made[name], when=condition)
        known.append(name)
        rest.remove(name)


def _condition(
    name: str, known: Iterable[str], made: Mapping[str, Parameter], texts: Any, trials: Sequence[Any]
) -> Condition | None:
    """The first parent whose values are others in the trials with `name` than in those without it."""
    for parent in known:
        if isinstance(made[parent], Double):
            continue
        values = [_value(trial.params[parent], parent, texts) for trial in trials if name in trial.params
                  if parent in trial.params]  # fmt: skip
        without = {
            _value(trial.params[parent], parent, texts)
            for trial in trials
            if parent in trial.params and name not in trial.params
        }
        everywhere = len(values) == sum(name in trial.params for trial in trials)
        if everywhere and not without.intersection(values):
            return Condition(parent, tuple(dict.fromkeys(sorted(values))))
    return None


def _value(value: Any, name: str, texts: Mapping[str, Mapping[object, str]]) -> Scalar:
    return word(texts[name], value) if name in texts else value


# Trials


def _observation(trial: Any, names: Sequence[str], space: SearchSpace, texts: Any) -> Observation:
    known = {parameter.name for parameter in space}
    measured: dict[str, tuple[object, object]] = {}
    if trial.values:
        measured |= {name: (value, None) for name, value in zip(names, trial.values, strict=True)}
    elif trial.intermediate_values and len(names) == 1:
        measured[names[0]] = (trial.intermediate_values[max(trial.intermediate_values)], None)
    measured |= {f"constraint_{i}": (value, None) for i, value in enumerate(_constraints(trial))}
    values, finite = values_of(measured)
    return Observation(
        {
            name: _on_grid(space[name], _value(value, name, texts))
            for name, value in trial.params.items()
            if name in known
        },
        values,
        _outcome(trial) if finite else NOT_FINITE,
        metadata={ORIGIN: f"optuna trial {trial.number}", **_notes(trial.user_attrs)},
        start_time=trial.datetime_start.astimezone() if trial.datetime_start else None,
    )


def _on_grid(parameter: Parameter, value: Any) -> Scalar:
    """The value as the grid has it: Optuna rounds sums of steps otherwise."""
    grid = getattr(parameter, "grid", ())
    return min(grid, key=lambda one: abs(one - value)) if grid else value  # type: ignore[no-any-return]


def _outcome(trial: Any) -> Outcome:
    if trial.state.name == "PRUNED":
        return Outcome(OutcomeKind.STOPPED_EARLY, "pruned by Optuna", step=max(trial.last_step or 0, 0))
    if trial.state.name == "FAIL":
        return Outcome(OutcomeKind.CRASHED, "failed in Optuna", FailureReason.EXCEPTION)
    return Outcome()


def _notes(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {key: text for key, value in attributes.items() if key and len(text := str(value)) <= 1000}


def _fits(space: SearchSpace, observation: Observation) -> bool:
    """Whether a failed trial has all its parameters; others must, and are refused later when they do not."""
    if observation.outcome.kind is not OutcomeKind.CRASHED:
        return True
    try:
        space.validate(observation.assignments)
    except InvalidArgument:
        return False
    return True
