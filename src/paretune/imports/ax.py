"""Ax snapshots: what `AxClient.save_to_json_file`, `Client.save_to_json_file` or `save_experiment` wrote.

Read as plain JSON, without Ax: https://ax.dev/docs/storage. Objects name their class in ``__type``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, Goal, Metric, Strategy
from paretune.imports.foreign import NOT_FINITE, Foreign, listed, numeric, values_of, word, words
from paretune.observation import FailureReason, Observation, Outcome, OutcomeKind
from paretune.parameters import Condition, Parameter
from paretune.space import LinearConstraint, SearchSpace
from paretune.transfer import ORIGIN

_OUTCOMES = {
    "COMPLETED": Outcome(),
    "FAILED": Outcome(OutcomeKind.CRASHED, "failed in Ax", FailureReason.EXCEPTION),
    "ABANDONED": Outcome(OutcomeKind.CRASHED, "abandoned in Ax", FailureReason.DECLARED),
    "EARLY_STOPPED": Outcome(OutcomeKind.STOPPED_EARLY, "stopped early by Ax"),
}
_NUMBER = r"[-+]?[\d.]+(?:[eE][-+]?\d+)?"
_TERM = re.compile(rf"(?:(?P<weight>{_NUMBER})\s*\*\s*)?(?P<name>[^\s*+]+)")


def read(path: Path) -> Foreign:
    """The experiment of a snapshot, with its trials.

    Raises:
        InvalidArgument: it is no such snapshot, or holds something that cannot be expressed.
    """
    try:
        snapshot = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"Cannot read {path}: {getattr(error, 'strerror', '') or error}.") from None
    body = snapshot.get("experiment", snapshot) if isinstance(snapshot, dict) else None
    if not isinstance(body, dict) or "search_space" not in body:
        raise InvalidArgument(f"{path} is no snapshot of Ax: it holds no experiment with a search space.")
    try:
        return _foreign(body)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InvalidArgument):
            raise
        raise InvalidArgument(f"{path}: this version of Ax's format is not known: {error!r}.") from None


def _foreign(body: Mapping[str, Any]) -> Foreign:
    space, texts, fixed = _space(body["search_space"])
    metrics = tuple(_metrics(body.get("optimization_config") or {}))
    experiment = Experiment(
        name=body.get("name") or "imported",
        space=space,
        metrics=metrics,
        metadata={"imported_from": "ax", **{f"fixed.{name}": str(value) for name, value in fixed.items()}},
    )
    observations = list(_observations(body, experiment, texts))
    remarks = []
    if fixed:
        remarks.append(f"Parameters with a single value are in the metadata: {', '.join(fixed)}.")
    arms = sum(len(list(_arms(trial))) for trial in (body.get("trials") or {}).values())
    if arms > len(observations):
        remarks.append(f"{arms - len(observations)} trials that are not finished were left out.")
    return Foreign(experiment, observations, remarks)


# The space


def _space(body: Mapping[str, Any]) -> tuple[SearchSpace, dict[str, Mapping[object, str]], dict[str, object]]:
    made: dict[str, Parameter] = {}
    texts: dict[str, Mapping[object, str]] = {}
    fixed: dict[str, object] = {}
    for entry in body["parameters"]:
        name = entry["name"]
        parameter: Parameter | None
        if entry["__type"] == "FixedParameter":
            fixed[name] = entry["value"]
            continue
        whole = entry["parameter_type"]["name"] == "INT"
        if entry["__type"] == "RangeParameter":
            if entry.get("logit_scale"):
                raise InvalidArgument(f"The parameter {name!r} has a logit scale, which is not known here.")
            low, high = entry["lower"], entry["upper"]
            parameter = numeric(name, low, high, None, whole=whole, log=bool(entry.get("log_scale")))
        elif entry.get("is_ordered") and entry["parameter_type"]["name"] in ("INT", "FLOAT"):
            parameter = listed(name, entry["values"], whole=whole)
        else:
            parameter, texts[name] = words(name, entry["values"])
        if parameter is None:
            fixed[name] = entry.get("lower", next(iter(entry.get("values") or [None])))
        else:
            made[name] = parameter
    for entry in body["parameters"]:
        for value, children in (entry.get("dependents") or {}).items():
            for child in children:
                made[child] = replace(made[child], when=_joined(made[child], made[entry["name"]], value))
    constraints = tuple(_constraint(entry) for entry in body.get("parameter_constraints") or ())
    return SearchSpace(tuple(_parents_first(made)), constraints), texts, fixed


def _joined(child: Parameter, parent: Parameter, value: Any) -> Condition:
    """The condition of the child, met by one more value of its parent."""
    value = parent.kind(value)
    return Condition(parent.name, (*(child.condition.values if child.condition else ()), value))


def _parents_first(made: Mapping[str, Parameter]) -> Iterator[Parameter]:
    rest, done = list(made.values()), set[str]()
    while rest:
        ready = [one for one in rest if one.condition is None or one.condition.parent in done]
        if not ready:
            raise InvalidArgument("Parameters depend on each other in a circle.")
        yield from ready
        done |= {one.name for one in ready}
        rest = [one for one in rest if one.name not in done]


def _constraint(entry: Mapping[str, Any]) -> LinearConstraint:
    """Ax 1.x writes ``1.0 * x1 + 2.0 * x2 <= 1.5``; before it was a mapping of weights and a bound."""
    if "inequality" not in entry:
        return LinearConstraint(entry["constraint_dict"], entry["bound"])
    left, sign, right = re.split(r"\s*([<>]=)\s*", entry["inequality"])
    weights = {found["name"]: float(found["weight"] or 1) for found in _TERM.finditer(left)}
    bound = float(right)
    if sign == ">=":
        return LinearConstraint({name: -weight for name, weight in weights.items()}, -bound)
    return LinearConstraint(weights, bound)


# Metrics


def _metrics(config: Mapping[str, Any]) -> Iterator[Metric]:
    if not config:
        raise InvalidArgument("The snapshot has no optimization config: it says not what is optimized.")
    thresholds = {
        entry["metric"]["name"]: float(entry["bound"])
        for entry in config.get("objective_thresholds") or ()
        if not entry.get("relative")
    }
    for name, goal in _objectives(config["objective"]):
        yield Metric(name, goal, threshold=thresholds.get(name))
    for entry in config.get("outcome_constraints") or ():
        name = entry["metric"]["name"]
        if entry.get("relative"):
            raise InvalidArgument(
                f"The constraint on {name!r} is relative to a status quo: make it absolute."
            )
        goal = Goal.MINIMIZE if entry["op"]["name"] == "LEQ" else Goal.MAXIMIZE
        yield Metric(name, goal, Strategy.CONSTRAIN, float(entry["bound"]))


def _objectives(objective: Mapping[str, Any]) -> Iterator[tuple[str, Goal]]:
    if "expression" in objective:  # "accuracy, -ms"
        for part in objective["expression"].split(","):
            name = part.strip()
            if re.search(r"[*+\s]", name.lstrip("-")):
                raise InvalidArgument(f"The objective {name!r} adds metrics up, which is not known here.")
            yield name.lstrip("-"), Goal.MINIMIZE if name.startswith("-") else Goal.MAXIMIZE
        return
    for one in objective.get("objectives") or [objective]:
        if "metric" not in one:
            raise InvalidArgument("The objective adds metrics up, which is not known here.")
        yield one["metric"]["name"], Goal.MINIMIZE if one["minimize"] else Goal.MAXIMIZE


# Trials


def _observations(body: Mapping[str, Any], experiment: Experiment, texts: Any) -> Iterator[Observation]:
    names = [metric.name for metric in experiment.metrics]
    known = {parameter.name for parameter in experiment.space}
    for index, trial in (body.get("trials") or {}).items():
        outcome = _OUTCOMES.get(trial["status"]["name"])
        if outcome is None:
            continue
        measured = _measured((body.get("data_by_trial") or {}).get(index))
        for arm in _arms(trial):
            mine = {name: measured[arm["name"], name] for name in names if (arm["name"], name) in measured}
            values, finite = values_of(mine)
            if not finite:
                outcome = NOT_FINITE
            elif outcome.kind is OutcomeKind.OK and len(mine) < len(names):
                outcome = Outcome(
                    OutcomeKind.CRASHED, "without a value of every metric", FailureReason.NO_RESULT
                )
            yield Observation(
                {
                    name: word(texts[name], value) if name in texts else value
                    for name, value in arm["parameters"].items()
                    if name in known
                },
                values,
                outcome,
                metadata={ORIGIN: f"ax trial {index} arm {arm['name']}"},
                start_time=_time(trial.get("time_run_started") or trial.get("time_created")),
            )


def _arms(trial: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The arms of a trial, or of each run of a batch."""
    runs: Sequence[Any] = [trial.get("generator_run"), *(trial.get("generator_runs") or ())]
    runs = [*runs, *(one.get("generator_run") for one in trial.get("generator_run_structs") or ())]
    for run in runs:
        yield from (run or {}).get("arms") or ()


def _measured(data: Any) -> dict[tuple[str, str], tuple[object, object]]:
    """Mean and standard error by arm and metric; what was attached last counts."""
    found: dict[tuple[str, str], tuple[object, object]] = {}
    for _, entry in (data or {}).get("value") or ():
        table = json.loads(entry["df"]["value"])
        for row in table.get("mean") or ():
            key = table["arm_name"][row], table["metric_name"][row]
            found[key] = table["mean"][row], table.get("sem", {}).get(row)
    return found


def _time(entry: Any) -> datetime | None:
    return datetime.fromisoformat(entry["value"]).astimezone() if entry else None
