"""SigOpt-style experiments, JSON or YAML: the body of a create call, and optionally its observations.

The fields: https://docs.sigopt.com/core-module-api-references/api-objects/object_experiment. Those that
only a server sets (id, object, created, progress, ...) are passed over.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, Goal, Metric, Strategy
from paretune.experiment_file.yaml_source import YamlSource
from paretune.imports.foreign import Foreign, values_of
from paretune.observation import FailureReason, Observation, Outcome, OutcomeKind
from paretune.parameters import Beta, Categorical, Condition, Double, Int, Normal, Parameter, unknown_name
from paretune.space import LinearConstraint, SearchSpace
from paretune.transfer import ORIGIN

_FROM_SERVER = (
    *("id", "object", "created", "updated", "progress", "state", "client", "user", "type", "development"),
    *("tasks", "runs", "num_solutions", "budget_type"),
)
_KNOWN = (
    *("name", "parameters", "metrics", "metric", "linear_constraints", "conditionals", "observation_budget"),
    *("budget", "parallel_bandwidth", "metadata", "project", "observations", *_FROM_SERVER),
)


def read(path: Path) -> Foreign:
    """The experiment that a file describes.

    Raises:
        InvalidArgument: it cannot be read or expressed; with file, line and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"Cannot read {path}: {getattr(error, 'strerror', '') or error}.") from None
    source = YamlSource(text, str(path))
    try:
        return _foreign(_mapping(source.content, "the file"))
    except InvalidArgument as error:
        raise source.refuse(error.violations) if error.violations else error from None


def _foreign(body: Mapping[str, Any]) -> Foreign:
    for key in body:
        if key not in _KNOWN:
            raise InvalidArgument.of(key, unknown_name("field", key, _KNOWN))
    if body.get("tasks"):
        raise InvalidArgument.of("tasks", "are not known here: make the costly part a fidelity")
    space = SearchSpace(
        (*_conditionals(body.get("conditionals")), *_each(_parameter, body.get("parameters"), "parameters")),
        tuple(_each(_constraint, body.get("linear_constraints"), "linear_constraints")),
    )
    metrics = body.get("metrics") or ([body["metric"]] if body.get("metric") else [{"name": "value"}])
    experiment = Experiment(
        name=str(body.get("name") or "imported"),
        space=space,
        metrics=tuple(_each(_metric, metrics, "metrics")),
        observation_budget=int(body.get("observation_budget") or body.get("budget") or 0),
        parallelism=int(body.get("parallel_bandwidth") or 1),
        metadata={"imported_from": "sigopt", **{k: str(v) for k, v in (body.get("metadata") or {}).items()}},
    )
    given = body.get("observations") or []
    if isinstance(given, Mapping):  # a page of the API
        given = given.get("data") or []
    project = body.get("project")
    remarks = [f"The project {project!r} was not taken along: projects here are those of tokens."]
    observations = [_observation(entry, index, experiment) for index, entry in enumerate(given)]
    return Foreign(experiment, observations, remarks if project else [])


def _each(build: Any, entries: Any, path: str) -> Iterator[Any]:
    if entries is not None and not isinstance(entries, Sequence):
        raise InvalidArgument.of(path, "must be a list")
    for index, entry in enumerate(entries or ()):
        try:
            yield build(_mapping(entry, ""))
        except InvalidArgument as error:
            raise error.under(f"{path}[{index}]") from None


def _mapping(entry: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise InvalidArgument.of(path or "name", "must be a mapping of fields")
    return entry


def _need(entry: Mapping[str, Any], key: str) -> Any:
    if entry.get(key) is None:
        raise InvalidArgument.of(key, "is missing")
    return entry[key]


def _conditionals(entries: Any) -> Iterator[Parameter]:
    """What SigOpt calls conditionals: categorical parameters that others depend on."""
    yield from _each(
        lambda entry: Categorical(str(_need(entry, "name")), _names(_need(entry, "values"))),
        entries,
        "conditionals",
    )


def _names(values: Sequence[Any]) -> list[str]:
    return [str(value["name"] if isinstance(value, Mapping) else value) for value in values]


def _parameter(entry: Mapping[str, Any]) -> Parameter:
    name, kind = str(_need(entry, "name")), str(_need(entry, "type"))
    options: dict[str, Any] = {"default": entry.get("default_value"), "when": _when(entry.get("conditions"))}
    if kind == "categorical":
        choices = _names(_need(entry, "categorical_values"))
        default = None if options["default"] is None else str(options["default"])
        return Categorical(name, choices, default=default, when=options["when"])
    if kind not in ("double", "int"):
        raise InvalidArgument.of("type", unknown_name("type", kind, ("double", "int", "categorical")))
    options["log"] = _log(entry.get("transformation"))
    if entry.get("prior"):
        options["prior"] = _prior(_mapping(entry["prior"], "prior"))
    kinds: Any = Int if kind == "int" else Double
    if entry.get("grid"):
        return kinds(name, grid=sorted(entry["grid"]), **options)  # type: ignore[no-any-return]
    bounds = _mapping(_need(entry, "bounds"), "bounds")
    low, high = _need(bounds, "min"), _need(bounds, "max")
    return kinds(name, low, high, **options)  # type: ignore[no-any-return]


def _log(transformation: Any) -> bool:
    if transformation not in (None, "none", "log"):
        raise InvalidArgument.of(
            "transformation", unknown_name("transformation", str(transformation), ("log",))
        )
    return bool(transformation == "log")


def _prior(entry: Mapping[str, Any]) -> Normal | Beta:
    if entry.get("name") == "normal":
        return Normal(_need(entry, "mean"), _need(entry, "scale"))
    if entry.get("name") == "beta":
        return Beta(_need(entry, "shape_a"), _need(entry, "shape_b"))
    raise InvalidArgument.of("prior", unknown_name("prior", str(entry.get("name")), ("normal", "beta")))


def _when(conditions: Any) -> Condition | None:
    """`conditions` as a mapping, or as the list that the API returns."""
    if not conditions:
        return None
    if isinstance(conditions, Sequence):
        conditions = {_need(entry, "name"): _need(entry, "values") for entry in conditions}
    if len(conditions) > 1:
        raise InvalidArgument.of("conditions", "names several parents; here a parameter has one")
    ((parent, values),) = conditions.items()
    return Condition(str(parent), tuple(_names(values if isinstance(values, list) else [values])))


def _metric(entry: Mapping[str, Any]) -> Metric:
    goals = {"maximize": Goal.MAXIMIZE, "minimize": Goal.MINIMIZE}
    strategies = {"optimize": Strategy.OPTIMIZE, "constraint": Strategy.CONSTRAIN, "store": Strategy.STORE}
    objective, strategy = entry.get("objective") or "maximize", entry.get("strategy") or "optimize"
    for field, value, known in (("objective", objective, goals), ("strategy", strategy, strategies)):
        if value not in known:
            raise InvalidArgument.of(field, unknown_name(field, str(value), known))
    return Metric(str(_need(entry, "name")), goals[objective], strategies[strategy], entry.get("threshold"))


def _constraint(entry: Mapping[str, Any]) -> LinearConstraint:
    weights = {str(_need(term, "name")): float(_need(term, "weight")) for term in _need(entry, "terms")}
    bound, kind = float(_need(entry, "threshold")), _need(entry, "type")
    if kind == "greater_than":
        return LinearConstraint({name: -weight for name, weight in weights.items()}, -bound)
    if kind != "less_than":
        raise InvalidArgument.of("type", unknown_name("type", str(kind), ("less_than", "greater_than")))
    return LinearConstraint(weights, bound)


def _observation(entry: Any, index: int, experiment: Experiment) -> Observation:
    try:
        entry = _mapping(entry, "assignments")
        assignments = {
            name: str(value) if isinstance(experiment.space[name], Categorical) else value
            for name, value in _need(entry, "assignments").items()
        }
        measured = {
            str(value.get("name") or experiment.metrics[0].name): (
                value.get("value"),
                value.get("value_stddev"),
            )
            for value in entry.get("values") or ()
        }
    except KeyError as error:
        raise InvalidArgument.of(
            f"observations[{index}].assignments", f"there is no parameter {error}"
        ) from None
    except InvalidArgument as error:
        raise error.under(f"observations[{index}]") from None
    failed = Outcome(OutcomeKind.CRASHED, "reported as failed", FailureReason.DECLARED)
    return Observation(
        assignments,
        values_of(measured)[0],
        failed if entry.get("failed") else Outcome(),
        metadata={ORIGIN: f"sigopt observation {entry.get('id', index)}",
                  **{key: str(value) for key, value in (entry.get("metadata") or {}).items()}},
    )  # fmt: skip
