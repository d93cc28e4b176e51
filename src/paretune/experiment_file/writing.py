"""From an `Experiment` to the text of its file."""

from typing import Any

from paretune.access import DEFAULT_PROJECT
from paretune.experiment import Experiment, LeasePolicy, Metric, RelativeThreshold, Strategy
from paretune.experiment_file.yaml_source import to_yaml
from paretune.parameters import Categorical, Double, Int, Parameter, Weights
from paretune.stopping import EarlyStopping


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML text that `parse_experiment` reads back; ids, counts and times are left out."""
    workload, lease = experiment.workload, experiment.lease_policy
    entry: dict[str, Any] = {
        "name": experiment.name,
        "workload": workload.name if workload and not workload.command else None,
        "command": list(workload.command) if workload else None,
        "settings": dict(workload.settings) if workload else None,
        "parameters": [_parameter_entry(parameter) for parameter in experiment.space],
        "metrics": [_metric_entry(metric) for metric in experiment.metrics],
        "linear_constraints": [
            {"weights": dict(c.weights), "upper_bound": c.upper_bound}
            for c in experiment.space.linear_constraints
        ],
        "observation_budget": experiment.observation_budget,
        "parallelism": experiment.parallelism,
        "remeasure": experiment.remeasure,
        "seed": experiment.seed,
        "policy": experiment.policy.name.lower(),
        "lease": {} if lease == LeasePolicy() else {"ttl": lease.ttl, "max_attempts": lease.max_attempts},
        "fidelity": str(experiment.fidelity or ""),
        "early_stopping": experiment.early_stopping and _early_stopping_entry(experiment.early_stopping),
        "project": "" if experiment.project == DEFAULT_PROJECT else experiment.project,
        "labels": dict(experiment.labels),
        "metadata": dict(experiment.metadata),
    }
    always = ("parameters", "metrics", "seed")
    return to_yaml({key: value for key, value in entry.items() if value or key in always})


def _early_stopping_entry(stopping: EarlyStopping) -> dict[str, Any]:
    return {
        "rules": [rule.name.lower() for rule in stopping.rules],
        "confidence": stopping.confidence,
        "reduction": stopping.reduction,
        "min_step": stopping.min_step,
    }


def _parameter_entry(parameter: Parameter) -> dict[str, Any]:
    kinds = {Double: "double", Int: "int", Categorical: "categorical"}
    entry: dict[str, Any] = {"name": parameter.name, "type": kinds[type(parameter)]}
    if isinstance(parameter, Categorical):
        entry["choices"] = list(parameter.choices)
    else:
        entry |= {"min": parameter.min, "max": parameter.max}
        entry |= {"log": True} if parameter.log else {}
        entry |= {"grid": list(parameter.grid)} if parameter.grid else {}
    if parameter.default is not None:
        entry["default"] = parameter.default
    if isinstance(parameter.prior, Weights):
        entry["prior"] = {"weights": list(parameter.prior.weights)}
    elif parameter.prior is not None:
        entry["prior"] = {type(parameter.prior).__name__.lower(): dict(vars(parameter.prior))}
    if parameter.condition is not None:
        entry["when"] = {parameter.condition.parent: list(parameter.condition.values)}
    return entry


def _metric_entry(metric: Metric) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": metric.name, "goal": metric.goal.name.lower()}
    if metric.strategy is not Strategy.OPTIMIZE:
        entry["strategy"] = metric.strategy.name.lower()
    if isinstance(metric.threshold, RelativeThreshold):
        relative = metric.threshold
        entry["threshold"] = {"baseline": relative.baseline_observation_id, "factor": relative.factor}
    elif metric.threshold is not None:
        entry["threshold"] = metric.threshold
    return entry | ({"unit": metric.unit} if metric.unit else {})
