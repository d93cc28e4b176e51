"""Metrics and experiments, to and from messages."""

from collections.abc import Callable
from typing import Any, TypeVar

from paretune.command import COMMAND
from paretune.errors import InvalidArgument
from paretune.experiment import (
    Experiment,
    ExperimentState,
    Goal,
    LeasePolicy,
    Metric,
    Policy,
    Progress,
    RelativeThreshold,
    Strategy,
    Workload,
)
from paretune.space import LinearConstraint, SearchSpace
from paretune.stopping import EarlyStopping, EarlyStoppingRule, Fidelity
from paretune.v1 import types_pb2
from paretune.wire.parameters import parameter_from_proto, parameter_to_proto
from paretune.wire.values import (
    duration_from_proto,
    duration_to_proto,
    each,
    enum_from_proto,
    enum_to_proto,
    time_from_proto,
    time_to_proto,
)

_T = TypeVar("_T")


def metric_to_proto(metric: Metric) -> types_pb2.Metric:
    message = types_pb2.Metric(
        name=metric.name,
        goal=enum_to_proto(metric.goal),
        strategy=enum_to_proto(metric.strategy),
        unit=metric.unit,
    )
    if isinstance(metric.threshold, RelativeThreshold):
        message.threshold.relative.baseline_observation_id = metric.threshold.baseline_observation_id
        message.threshold.relative.factor = metric.threshold.factor
    elif metric.threshold is not None:
        message.threshold.absolute = metric.threshold
    return message


def metric_from_proto(message: types_pb2.Metric) -> Metric:
    threshold: float | RelativeThreshold | None = None
    kind = message.threshold.WhichOneof("kind")
    if kind == "relative":
        relative = message.threshold.relative
        threshold = RelativeThreshold(relative.baseline_observation_id, relative.factor)
    elif kind == "absolute":
        threshold = message.threshold.absolute
    return Metric(
        message.name,
        enum_from_proto(Goal, message.goal, "goal"),
        enum_from_proto(Strategy, message.strategy or Strategy.OPTIMIZE.value, "strategy"),
        threshold,
        message.unit,
    )


def experiment_to_proto(experiment: Experiment) -> types_pb2.Experiment:
    lease, workload = experiment.lease_policy, experiment.workload
    return types_pb2.Experiment(
        id=experiment.id,
        name=experiment.name,
        parameters=map(parameter_to_proto, experiment.space),
        metrics=map(metric_to_proto, experiment.metrics),
        linear_constraints=[
            types_pb2.LinearConstraint(
                terms=[types_pb2.LinearTerm(parameter=n, weight=w) for n, w in constraint.weights.items()],
                upper_bound=constraint.upper_bound,
            )
            for constraint in experiment.space.linear_constraints
        ],
        observation_budget=experiment.observation_budget,
        parallelism=experiment.parallelism,
        seed=experiment.seed,
        policy=enum_to_proto(experiment.policy),
        lease_policy=types_pb2.LeasePolicy(ttl=duration_to_proto(lease.ttl), max_attempts=lease.max_attempts),
        workload=workload_to_proto(workload) if workload else None,
        metadata=experiment.metadata,
        labels=experiment.labels,
        state=enum_to_proto(experiment.state),
        etag=experiment.etag,
        create_time=time_to_proto(experiment.create_time),
        update_time=time_to_proto(experiment.update_time),
        progress=types_pb2.Progress(**vars(experiment.progress)),
        project=experiment.project,
        remeasure=experiment.remeasure,
        fidelity=types_pb2.Fidelity(**vars(experiment.fidelity)) if experiment.fidelity else None,
        early_stopping=early_stopping_to_proto(experiment.early_stopping)
        if experiment.early_stopping
        else None,
    )


def workload_to_proto(workload: Workload) -> types_pb2.Workload:
    return types_pb2.Workload(name=workload.name, settings=workload.settings, command=workload.command)


def workload_from_proto(message: types_pb2.Workload) -> Workload:
    name = message.name or (COMMAND if message.command else "")
    return Workload(name, dict(message.settings), tuple(message.command))


def early_stopping_to_proto(stopping: EarlyStopping) -> types_pb2.EarlyStopping:
    return types_pb2.EarlyStopping(
        rules=map(enum_to_proto, stopping.rules),
        confidence=stopping.confidence,
        reduction=stopping.reduction,
        min_step=stopping.min_step,
    )


def early_stopping_from_proto(message: types_pb2.EarlyStopping) -> EarlyStopping:
    default = EarlyStopping()
    return EarlyStopping(
        tuple(each(lambda rule: enum_from_proto(EarlyStoppingRule, rule, "rules"), message.rules, "rules")),
        message.confidence or default.confidence,
        message.reduction or default.reduction,
        message.min_step,
    )


def _constraint_from_proto(message: types_pb2.LinearConstraint) -> LinearConstraint:
    return LinearConstraint({term.parameter: term.weight for term in message.terms}, message.upper_bound)


def lease_policy_from_proto(message: types_pb2.LeasePolicy) -> LeasePolicy:
    default = LeasePolicy()
    ttl = duration_from_proto(message.ttl) if message.HasField("ttl") else default.ttl
    return LeasePolicy(ttl, message.max_attempts or default.max_attempts)


def experiment_from_proto(message: types_pb2.Experiment) -> Experiment:
    parameters = each(parameter_from_proto, message.parameters, "parameters")
    constraints = each(_constraint_from_proto, message.linear_constraints, "linear_constraints")
    progress = {
        name.name: getattr(message.progress, name.name) for name in message.progress.DESCRIPTOR.fields
    }
    return Experiment(
        name=message.name,
        space=SearchSpace(tuple(parameters), tuple(constraints)),
        metrics=tuple(each(metric_from_proto, message.metrics, "metrics")),
        observation_budget=message.observation_budget,
        parallelism=message.parallelism or 1,
        seed=message.seed,
        policy=enum_from_proto(Policy, message.policy or Policy.AUTO.value, "policy"),
        lease_policy=lease_policy_from_proto(message.lease_policy),
        workload=_optional(message, "workload", workload_from_proto),
        metadata=dict(message.metadata),
        labels=dict(message.labels),
        id=message.id,
        state=enum_from_proto(ExperimentState, message.state or ExperimentState.ACTIVE.value, "state"),
        etag=message.etag,
        create_time=time_from_proto(message, "create_time"),
        update_time=time_from_proto(message, "update_time"),
        progress=Progress(**progress),
        project=message.project,
        remeasure=message.remeasure,
        fidelity=_optional(message, "fidelity", lambda one: Fidelity(one.name, one.min, one.max)),
        early_stopping=_optional(message, "early_stopping", early_stopping_from_proto),
    )


def _optional(message: types_pb2.Experiment, name: str, read: Callable[[Any], _T]) -> _T | None:
    """A field read, with mistakes under its name; None when it is absent."""
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    try:
        return read(getattr(message, name))
    except InvalidArgument as error:
        raise error.under(name) from None
