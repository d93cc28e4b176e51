"""What a workload is: the function a trial runs, and the handle it is given.

A workload is a plain function::

    def workload(parameters: Mapping[str, Value], trial: TrialHandle) -> Mapping[str, Measured]: ...

`parameters` holds the active parameters of one suggestion, with their types. The
returned mapping goes from metric name to a value, or to `(value, standard error)`.
A workload that finds its configuration unusable raises `Infeasible`; any other
exception is a crash. When `trial.should_stop()` turns true it stops training and
returns the metrics of the step it has reached.

This module imports no framework: built-in workloads are named by entry points, so
a process that only lists them stays small and fast.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, cast

Value = float | int | str
"""A parameter's value: float for double, int for int, str or number for categorical."""

Measured = float | tuple[float, float]
"""A metric's value, or its value and the standard error of that value."""


class Infeasible(Exception):
    """The configuration itself cannot give the metrics: the search should learn from it.

    Examples are a loss that became NaN, a model that does not fit in memory, or a
    metric beyond a threshold. A broken machine or missing data is not infeasible.

    Attributes:
        reason: One sentence a person can act on.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TrialHandle(Protocol):
    """What a running workload may ask of the trainer."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The experiment's settings for this workload, as text."""

    @property
    def seed(self) -> int:
        """The source of all randomness of the trial, a non-negative integer."""

    @property
    def directive(self) -> str:
        """The trainer's latest word, such as "continue" or "stop"."""

    def should_stop(self) -> bool:
        """Whether the workload should stop training now and return what it has."""

    def checkpoint(self, step: int, **metrics: float) -> None:
        """Stream an intermediate metric vector.

        Args:
            step: How far training has come, in the workload's own unit (epochs).
            **metrics: Finite values of some or all of the workload's metrics.
        """

    def log(self, text: str) -> None:
        """Add a line to the trial's log."""

    def exclusive(self) -> AbstractContextManager[object]:
        """Hold the device for a measurement: nothing else is timed on it meanwhile."""


WorkloadFunction = Callable[[Mapping[str, Value], TrialHandle], Mapping[str, Measured]]


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter a workload understands, with the range it is meant for.

    Attributes:
        name: As in the experiment's search space.
        type: "double", "int" or "categorical".
        doc: One line.
        default: The value used when the experiment leaves the parameter out.
        min: Smallest value, inclusive (numeric types).
        max: Largest value, inclusive (numeric types).
        log: Whether searching on a logarithmic scale makes sense.
        choices: Allowed values (categorical).
    """

    name: str
    type: Literal["double", "int", "categorical"]
    doc: str
    default: Value
    min: float | None = None
    max: float | None = None
    log: bool = False
    choices: tuple[str, ...] = ()

    def typed(self, value: Value) -> Value:
        """The value in this parameter's type.

        The range is advice for the search and is not enforced: a kernel of 12 is no
        error for a workload that was published with 2 to 10.

        Raises:
            ValueError: The value does not fit the type or is no choice.
        """
        if self.type == "categorical":
            if value not in self.choices:
                raise ValueError(f"{self.name}: {value!r} is not one of {', '.join(self.choices)}")
            return value
        if isinstance(value, (str, bool)) or not math.isfinite(value):
            raise ValueError(f"{self.name}: expected a finite {self.type}, got {value!r}")
        if self.type == "int":
            if value != int(value):
                raise ValueError(f"{self.name}: expected an int, got {value!r}")
            return int(value)
        return float(value)


@dataclass(frozen=True)
class MetricSpec:
    """One metric a workload reports. `unit` is empty for a dimensionless one."""

    name: str
    goal: Literal["maximize", "minimize"]
    doc: str
    unit: str = ""


@dataclass(frozen=True)
class SettingSpec:
    """One setting a workload understands; settings are text and are not searched."""

    name: str
    default: str
    doc: str


@dataclass(frozen=True)
class Workload:
    """A workload's schema, and where its function is.

    Attributes:
        name: As in an experiment file.
        summary: One line.
        entry_point: "module:function"; imported only by `load`.
        parameters: What it can be tuned by.
        metrics: What it reports.
        settings: What an experiment can fix.
    """

    name: str
    summary: str
    entry_point: str
    parameters: tuple[ParameterSpec, ...]
    metrics: tuple[MetricSpec, ...]
    settings: tuple[SettingSpec, ...] = ()

    def load(self) -> WorkloadFunction:
        """Import the entry point; this is what pulls in a framework.

        Raises:
            ImportError: The module, or something it needs, is not installed.
            AttributeError: The module has no such function.
        """
        module, _, function = self.entry_point.partition(":")
        return cast(WorkloadFunction, getattr(importlib.import_module(module), function))

    def complete_parameters(self, parameters: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters of the workload, typed; those not given take their defaults.

        Raises:
            ValueError: An unknown name, or a value that does not fit its type.
        """
        self._refuse_unknown("parameter", parameters, [spec.name for spec in self.parameters])
        return {spec.name: spec.typed(parameters.get(spec.name, spec.default)) for spec in self.parameters}

    def complete_settings(self, settings: Mapping[str, str]) -> dict[str, str]:
        """All settings of the workload; those not given take their defaults.

        Raises:
            ValueError: An unknown name.
        """
        self._refuse_unknown("setting", settings, [spec.name for spec in self.settings])
        return {spec.name: settings.get(spec.name, spec.default) for spec in self.settings}

    def _refuse_unknown(self, kind: str, given: Mapping[str, object], known: list[str]) -> None:
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(
                f"workload {self.name} has no {kind} {', '.join(unknown)}; it understands {', '.join(known)}"
            )


def builtin_workloads() -> Mapping[str, Workload]:
    """The workloads that come with paretune, by name, without importing any framework."""
    # Imported here because the catalogue is written in the terms of this module.
    from paretune_trainer.workloads.catalog import WORKLOADS

    return {workload.name: workload for workload in WORKLOADS}
