"""What the model expects along one parameter or over two, around one configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Endpoint

from paretune import wire
from paretune.errors import InvalidArgument
from paretune.parameters import Categorical, Int, Parameter, Scalar
from paretune.space import SearchSpace
from paretune.v1 import optimizer_pb2, store_pb2, types_pb2
from paretune_dashboard.answers import answer
from paretune_dashboard.charts import services_of
from paretune_dashboard.rest import json_body
from paretune_dashboard.routes import API
from paretune_dashboard.services import Services
from paretune_dashboard.sessions import token_of

POINTS = 33
"""Values along a parameter that is looked at alone."""
SIDE = 21
"""Values along each of two parameters."""
MAX_SLICES = 64


async def slices(request: Request) -> Response:
    """Predictions for {"assignments": {name: value}, "slices": [[name], [name, name], ...]}."""
    services, token = services_of(request), token_of(request)
    document = await json_body(request)
    experiment_id = request.path_params["experiment_id"]
    got = await services.call(
        "StoreService.GetExperiment", store_pb2.GetExperimentRequest(experiment_id=experiment_id), token
    )
    space = wire.experiment_from_proto(got.experiment).space
    wanted = _wanted(space, document.get("slices"))
    base = _base(document.get("assignments"))
    return answer(await predicted(services, token, got.experiment, base, wanted))


async def predicted(
    services: Services,
    token: str,
    experiment: types_pb2.Experiment,
    base: Mapping[str, Scalar],
    wanted: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """What the model expects along the parameters of each slice, all others as in `base`.

    None stands for what a linear constraint forbids: nothing is expected there.

    Raises:
        InvalidArgument: `base` has a value that its parameter cannot take, or the linear constraints allow
            nothing along any slice.
        ParetuneError: there are too few observations for a model, or the Optimizer does not answer.
    """
    space = wire.experiment_from_proto(experiment).space
    replace(space, linear_constraints=()).validate(completed(space, base))
    asked = optimizer_pb2.PredictRequest(experiment_id=experiment.id)
    grids: list[list[list[Scalar]]] = []
    allowed: list[list[bool]] = []
    for names in wanted:
        axes = [values_along(space[name], SIDE if len(names) > 1 else POINTS) for name in names]
        grids.append(axes)
        allowed.append([])
        for point in _product(axes):
            configuration = completed(space, {**base, **dict(zip(names, point, strict=True))})
            allowed[-1].append(all(one.satisfied_by(configuration) for one in space.linear_constraints))
            if allowed[-1][-1]:
                asked.configurations.add(
                    assignments={name: wire.value_to_proto(value) for name, value in configuration.items()}
                )
    if not asked.configurations:
        raise InvalidArgument.of("assignments", "leave nothing here that the linear constraints allow")
    reply = await services.call("OptimizerService.Predict", asked, token)
    told = {one.metric for one in reply.predictions[0].metrics}
    modelled = [metric.name if metric.name in told else None for metric in experiment.metrics]
    predictions = iter(reply.predictions)
    found = []
    for names, axes, inside in zip(wanted, grids, allowed, strict=True):
        here = [next(predictions) if one else None for one in inside]
        found.append({"parameters": list(names), "axes": axes, **_columns(modelled, here)})
    return {"slices": found, "observation_count": reply.observation_count}


def _columns(modelled: Sequence[str | None], predictions: Sequence[Any]) -> dict[str, Any]:
    """Means and standard deviations by metric, in the experiment's order; None where there is no model.

    A prediction that is None is None in every column.
    """
    by_name = [one and {metric.metric: metric for metric in one.metrics} for one in predictions]
    return {
        "means": [name and [names and names[name].mean for names in by_name] for name in modelled],
        "stddevs": [name and [names and names[name].stddev for names in by_name] for name in modelled],
        "feasibility": [one and one.feasibility for one in predictions],
    }


def _base(document: Any) -> dict[str, Scalar]:
    try:
        message = ParseDict({"assignments": document or {}}, optimizer_pb2.Configuration())
    except (ParseError, ValueError, TypeError) as error:
        raise InvalidArgument.of("assignments", f"are not a configuration: {error}") from None
    return dict(wire.assignments_from_proto(message.assignments))


def _wanted(space: SearchSpace, document: Any) -> list[list[str]]:
    known = {parameter.name for parameter in space}
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_SLICES:
        raise InvalidArgument.of("slices", f"must be a list of 1 to {MAX_SLICES} lists of parameters")
    for names in document:
        fits = isinstance(names, list) and 1 <= len(names) <= 2 and len(set(map(str, names))) == len(names)
        if not fits or not all(isinstance(name, str) and name in known for name in names):
            raise InvalidArgument.of("slices", "each name one parameter, or two different ones")
    return [list(names) for names in document]


def values_along(parameter: Parameter, count: int) -> list[Scalar]:
    """At most `count` values over a parameter's range, on its scale; all choices of a categorical one."""
    if isinstance(parameter, Categorical):
        return list(parameter.choices)
    if parameter.grid:
        return list(parameter.grid)
    low, high = float(parameter.min), float(parameter.max)
    shares = [k / (count - 1) for k in range(count)]
    values = [low * (high / low) ** s if parameter.log else low + (high - low) * s for s in shares]
    values[0], values[-1] = low, high
    if isinstance(parameter, Int):
        return list(dict.fromkeys(round(value) for value in values))
    return list(values)


def completed(space: SearchSpace, assignments: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """A configuration with a value for every active parameter and no other: defaults, or the middle."""
    made: dict[str, Scalar] = {}
    for parameter in space:
        condition = parameter.condition
        if condition and made.get(condition.parent) not in condition.values:
            continue
        value = assignments.get(parameter.name, parameter.default)
        made[parameter.name] = values_along(parameter, 3)[1] if value is None else value
    return made


def _product(axes: Sequence[Sequence[Scalar]]) -> list[tuple[Scalar, ...]]:
    if len(axes) == 1:
        return [(value,) for value in axes[0]]
    return [(first, second) for first in axes[0] for second in axes[1]]


ENDPOINTS = [Endpoint(f"{API}/experiments/{{experiment_id}}/charts/slices", slices, methods=["POST"])]
