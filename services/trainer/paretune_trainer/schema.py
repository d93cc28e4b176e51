"""Which function runs a workload, and whether an experiment fits it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from paretune.experiment import Goal, Metric
from paretune.experiment import Workload as WorkloadChoice
from paretune.parameters import Categorical, Double, Int, Parameter
from paretune_trainer.workload import MetricSpec, ParameterSpec, Workload, builtin_workloads

_FUNCTION: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


_COMMAND: Final = "paretune_trainer.command:run"


class CannotRun(Exception):
    """This node cannot run the workload; the message says what to change."""


@dataclass(frozen=True)
class Target:
    """What runs for a workload.

    Attributes:
        entry_point: "module:function".
        builtin: whether it comes with paretune: its modules are then safe to keep loaded.
    """

    entry_point: str
    builtin: bool

    @property
    def module(self) -> str:
        """The module part of the entry point."""
        return self.entry_point.partition(":")[0]


def resolve(name: str) -> Target:
    """What runs for a workload name; imports nothing.

    Raises:
        CannotRun: it is neither a built-in name nor of the form "module:function".
    """
    known = builtin_workloads()
    if name in known:
        return Target(known[name].entry_point, builtin=True)
    if _FUNCTION.fullmatch(name):
        return Target(name, builtin=False)
    raise CannotRun(
        f"There is no workload {name!r}: use {', '.join(sorted(known))}, module:function of your own code, "
        "or a command."
    )


def check(choice: WorkloadChoice, parameters: Iterable[str], metrics: Iterable[str]) -> Target:
    """What runs for an experiment, once it is clear that a built-in workload understands it.

    Raises:
        CannotRun: unknown workload, parameters, settings or metrics.
    """
    if choice.command:
        return Target(_COMMAND, builtin=True)
    target = resolve(choice.name)
    if target.builtin:
        workload = builtin_workloads()[choice.name]
        _refuse_unknown(workload, "parameter", parameters, [spec.name for spec in workload.parameters])
        _refuse_unknown(workload, "setting", choice.settings, [spec.name for spec in workload.settings])
        _refuse_unknown(workload, "metric", metrics, [spec.name for spec in workload.metrics])
    return target


def _refuse_unknown(workload: Workload, kind: str, given: Iterable[str], known: list[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise CannotRun(
            f"Workload {workload.name} has no {kind} {', '.join(unknown)}; it has {', '.join(known)}."
        )


def parameter_of(spec: ParameterSpec) -> Parameter:
    """The parameter that an experiment would declare, with the recommended range."""
    if spec.type == "categorical":
        return Categorical(spec.name, spec.choices, default=str(spec.default))
    low, high = _bounds(spec)
    if spec.type == "int":
        return Int(spec.name, int(low), int(high), log=spec.log, default=int(spec.default))
    return Double(spec.name, low, high, log=spec.log, default=float(spec.default))


def _bounds(spec: ParameterSpec) -> tuple[float, float]:
    if spec.min is None or spec.max is None:
        raise ValueError(f"{spec.name} has no range")
    return spec.min, spec.max


def metric_of(spec: MetricSpec) -> Metric:
    """The metric that an experiment would declare."""
    return Metric(spec.name, Goal[spec.goal.upper()], unit=spec.unit)


def settings_of(workload: Workload) -> Mapping[str, str]:
    """One line for each setting: explanation and default."""
    return {spec.name: f"{spec.doc} Default: {spec.default!r}." for spec in workload.settings}
