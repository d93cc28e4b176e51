"""Parameters, to and from messages."""

from typing import Any

from paretune.errors import InvalidArgument
from paretune.parameters import Beta, Categorical, Condition, Double, Int, Normal, Parameter, Prior, Weights
from paretune.v1 import types_pb2
from paretune.wire.values import each, value_from_proto, value_to_proto


def _prior_to_proto(prior: Prior | None) -> types_pb2.Prior | None:
    if prior is None:
        return None
    if isinstance(prior, Normal):
        return types_pb2.Prior(normal=types_pb2.NormalPrior(mean=prior.mean, stddev=prior.stddev))
    if isinstance(prior, Beta):
        return types_pb2.Prior(beta=types_pb2.BetaPrior(alpha=prior.alpha, beta=prior.beta))
    return types_pb2.Prior(categorical=types_pb2.CategoricalPrior(weights=prior.weights))


def _prior_from_proto(message: types_pb2.Prior) -> Prior | None:
    kind = message.WhichOneof("kind")
    if kind == "normal":
        return Normal(message.normal.mean, message.normal.stddev)
    if kind == "beta":
        return Beta(message.beta.alpha, message.beta.beta)
    return Weights(tuple(message.categorical.weights)) if kind else None


def parameter_to_proto(parameter: Parameter) -> types_pb2.Parameter:
    condition = parameter.condition
    message = types_pb2.Parameter(
        name=parameter.name,
        default_value=None if parameter.default is None else value_to_proto(parameter.default),
        prior=_prior_to_proto(parameter.prior),
        condition=None
        if condition is None
        else types_pb2.Condition(parent=condition.parent, values=map(value_to_proto, condition.values)),
    )
    if isinstance(parameter, Categorical):
        message.categorical_domain.choices.extend(parameter.choices)
    else:
        domain = message.double_domain if isinstance(parameter, Double) else message.int_domain
        domain.min, domain.max, domain.log = parameter.min, parameter.max, parameter.log
        domain.grid.extend(parameter.grid)  # type: ignore[arg-type]
    return message


def parameter_from_proto(message: types_pb2.Parameter) -> Parameter:
    common: dict[str, Any] = {}
    if message.HasField("default_value"):
        common["default"] = value_from_proto(message.default_value)
    if message.HasField("prior"):
        common["prior"] = _prior_from_proto(message.prior)
    if message.HasField("condition"):
        values = each(value_from_proto, message.condition.values, "condition.values")
        common["when"] = Condition(message.condition.parent, tuple(values))
    kind = message.WhichOneof("domain")
    if kind == "categorical_domain":
        return Categorical(message.name, tuple(message.categorical_domain.choices), **common)
    if kind == "double_domain":
        real = message.double_domain
        return Double(message.name, real.min, real.max, log=real.log, grid=tuple(real.grid), **common)
    if kind == "int_domain":
        whole = message.int_domain
        return Int(message.name, whole.min, whole.max, log=whole.log, grid=tuple(whole.grid), **common)
    raise InvalidArgument.of("domain", "is not set: double_domain, int_domain or categorical_domain")
