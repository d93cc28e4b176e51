"""What may stand in an experiment file, as pydantic models; `reading` gives it meaning."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from paretune.experiment import LeasePolicy
from paretune.stopping import EarlyStopping

Number = int | float
Text = str | int | float | bool


class Entry(BaseModel):
    """A mapping in the file: no unknown keys, no values bent into shape."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PriorEntry(Entry):
    """Belief about good values: exactly one of the three."""

    normal: dict[Literal["mean", "stddev"], Number] | None = None
    beta: dict[Literal["alpha", "beta"], Number] | None = None
    weights: list[Number] | None = None


class ParameterEntry(Entry):
    """One parameter; which keys it needs depends on `type`."""

    name: str
    type: Literal["double", "int", "categorical"]
    min: Number | None = None
    max: Number | None = None
    log: bool = False
    grid: list[Number] = Field(default_factory=list)
    choices: list[str] | None = None
    default: str | Number | None = None
    prior: PriorEntry | None = None
    when: dict[str, str | Number | list[str | Number]] | None = None


class RelativeEntry(Entry):
    """A threshold of `factor` times a baseline observation's value."""

    baseline: str
    factor: Number


class MetricEntry(Entry):
    """One metric."""

    name: str
    goal: Literal["maximize", "minimize"]
    strategy: Literal["optimize", "constrain", "store"] = "optimize"
    threshold: Number | RelativeEntry | None = None
    unit: str = ""


class ConstraintEntry(Entry):
    """sum(weight * value) <= upper_bound."""

    weights: dict[str, Number]
    upper_bound: Number


class LeaseEntry(Entry):
    """How long a worker may be silent (seconds), and how often a suggestion is tried."""

    ttl: Number = LeasePolicy.ttl
    max_attempts: int = LeasePolicy.max_attempts


Rule = Literal["feasibility", "dominated", "halving"]


class EarlyStoppingEntry(Entry):
    """When trainings are stopped before their end; `early_stopping: true` stands for the defaults."""

    rules: list[Rule] = Field(default=["feasibility", "dominated"])
    confidence: Number = EarlyStopping.confidence
    reduction: int = EarlyStopping.reduction
    min_step: int = EarlyStopping.min_step


class ExperimentEntry(Entry):
    """The whole file."""

    name: str
    workload: str | None = None
    command: str | list[str] | None = None
    settings: dict[str, Text] = Field(default_factory=dict)
    parameters: list[ParameterEntry]
    metrics: list[MetricEntry]
    linear_constraints: list[ConstraintEntry] = Field(default_factory=list)
    observation_budget: int = 0
    parallelism: int = 1
    remeasure: bool = False
    seed: int = 0
    policy: Literal["auto", "gp", "tpe", "sobol", "random", "grid", "nsga2"] = "auto"
    lease: LeaseEntry = LeaseEntry()
    fidelity: str | None = None
    early_stopping: bool | list[Rule] | EarlyStoppingEntry | None = None
    project: str = ""
    labels: dict[str, Text] = Field(default_factory=dict)
    metadata: dict[str, Text] = Field(default_factory=dict)
