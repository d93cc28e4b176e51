"""Experiments from the plain values that a user gives."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from typing import Any

from paretune.errors import AlreadyExists, InvalidArgument
from paretune.experiment import Experiment, LeasePolicy, Metric, Policy, Workload
from paretune.parameters import unknown_name
from paretune.space import LinearConstraint, SearchSpace
from paretune.stopping import EarlyStopping, Fidelity


def policy_of(policy: Policy | str) -> Policy:
    """The policy with this name, in any case.

    Raises:
        InvalidArgument: there is none.
    """
    if isinstance(policy, Policy):
        return policy
    known = {member.name.lower(): member for member in Policy}
    if str(policy).lower() not in known:
        raise InvalidArgument.of("policy", unknown_name("policy", str(policy), known))
    return known[str(policy).lower()]


def same_search(recorded: Experiment, wanted: Experiment) -> Experiment:
    """The recorded experiment, when it searches the same parameters for the same metrics.

    Raises:
        AlreadyExists: it does not.
    """
    for part, one, other in (
        ("parameters", recorded.space, wanted.space),
        ("metrics", recorded.metrics, wanted.metrics),
    ):
        if one != other:
            raise AlreadyExists(
                f"There is an experiment {recorded.id!r} already, with other {part}: choose another id.",
                metadata={"kind": "experiment", "id": recorded.id},
            )
    return recorded


def from_fields(fields: Mapping[str, Any]) -> Experiment:
    """As `new_experiment`, for fields whose names may be wrong.

    Raises:
        TypeError: a field is unknown or missing; the message says which, and what is known.
        InvalidArgument: see `new_experiment`.
    """
    known = list(signature(new_experiment).parameters)
    for name in fields:
        if name not in known:
            raise TypeError(f"create_experiment: {unknown_name('argument', name, known)}")
    if missing := [name for name in ("name", "parameters", "metrics") if name not in fields]:
        raise TypeError(f"create_experiment: {', '.join(missing)} must be given")
    return new_experiment(**fields)


def _listed(values: Any, field: str) -> tuple[Any, ...]:
    if isinstance(values, Iterable) and not isinstance(values, str | Mapping):
        return tuple(values)
    raise InvalidArgument.of(field, f"must be a list, such as [{type(values).__name__}(...)]")


def new_experiment(
    *,
    name: str,
    parameters: Sequence[Any],
    metrics: Sequence[Metric],
    linear_constraints: Sequence[LinearConstraint] = (),
    observation_budget: int = 0,
    parallelism: int = 1,
    remeasure: bool = False,
    seed: int = 0,
    policy: Policy | str = Policy.AUTO,
    lease_policy: LeasePolicy = LeasePolicy(),  # noqa: B008 - frozen
    workload: Workload | str | None = None,
    settings: Mapping[str, Any] | None = None,
    fidelity: Fidelity | str | None = None,
    early_stopping: EarlyStopping | bool = False,
    metadata: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    id: str = "",
    project: str = "",
) -> Experiment:
    """An experiment from the fields that a user gives.

    `settings` are those of the workload; `fidelity` may be written as "epochs 5..500"; `early_stopping=True`
    turns its default rules on.

    Raises:
        InvalidArgument: with the path of the offending field.
    """
    parameters, metrics = _listed(parameters, "parameters"), _listed(metrics, "metrics")
    if isinstance(workload, str):
        workload = Workload(workload, {key: str(value) for key, value in (settings or {}).items()})
    elif settings is not None:
        raise InvalidArgument.of("settings", "need `workload` to be the name of a workload")
    return Experiment(
        name=name,
        space=SearchSpace(parameters, tuple(linear_constraints)),
        metrics=metrics,
        observation_budget=observation_budget,
        parallelism=parallelism,
        remeasure=remeasure,
        seed=seed,
        policy=policy_of(policy),
        lease_policy=lease_policy,
        workload=workload,
        fidelity=Fidelity.parse(fidelity) if isinstance(fidelity, str) else fidelity,
        early_stopping=EarlyStopping() if early_stopping is True else early_stopping or None,
        metadata=dict(metadata or {}),
        labels=dict(labels or {}),
        id=id,
        project=project,
    )
