"""What is searched: metrics and experiments, as frozen values that validate themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from paretune.access import PROJECT
from paretune.command import COMMAND, check_command, check_names
from paretune.errors import InvalidArgument
from paretune.limits import (
    MAX_ATTEMPTS,
    MAX_BUDGET,
    MAX_METRICS,
    MAX_PARALLELISM,
    MAX_TEXT_BYTES,
    MAX_TTL,
    MAX_UNIT_BYTES,
    MIN_TTL,
)
from paretune.parameters import check_kind, check_name, check_whole, is_number
from paretune.space import SearchSpace
from paretune.stopping import EarlyStopping, Fidelity


class Goal(Enum):
    """Direction in which a metric gets better."""

    MAXIMIZE = 1
    MINIMIZE = 2


class Strategy(Enum):
    """Role of a metric: on the front, a condition, or only recorded."""

    OPTIMIZE = 1
    CONSTRAIN = 2
    STORE = 3


class Policy(Enum):
    """Algorithm that makes suggestions."""

    AUTO = 1
    GP = 2
    TPE = 3
    SOBOL = 4
    RANDOM = 5
    GRID = 6
    NSGA2 = 7


class ExperimentState(Enum):
    """Life of an experiment."""

    ACTIVE = 1
    PAUSED = 2
    FINISHED = 3
    ARCHIVED = 4


@dataclass(frozen=True)
class RelativeThreshold:
    """A threshold of `factor` times the baseline observation's value of the metric."""

    baseline_observation_id: str
    factor: float

    def __post_init__(self) -> None:
        if not self.baseline_observation_id:
            raise InvalidArgument.of("threshold.relative.baseline_observation_id", "is required")
        if not is_number(self.factor) or self.factor <= 0:
            raise InvalidArgument.of("threshold.relative.factor", "must be a finite number above 0")


@dataclass(frozen=True)
class Metric:
    """One measured quantity.

    Attributes:
        threshold: worst acceptable value, in the units of the metric or relative to a baseline.
    """

    name: str
    goal: Goal
    strategy: Strategy = Strategy.OPTIMIZE
    threshold: float | RelativeThreshold | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_kind(self.goal, Goal, "goal", "Goal.MAXIMIZE or Goal.MINIMIZE")
        check_kind(self.strategy, Strategy, "strategy", "one of Strategy")
        if self.threshold is not None and not isinstance(self.threshold, RelativeThreshold):
            if not is_number(self.threshold):
                raise InvalidArgument.of("threshold.absolute", "must be a finite number")
            object.__setattr__(self, "threshold", float(self.threshold))
        if self.strategy is Strategy.CONSTRAIN and self.threshold is None:
            raise InvalidArgument.of("threshold", f"is required: {self.name!r} is a constraint")
        if len(self.unit.encode(errors="replace")) > MAX_UNIT_BYTES:
            raise InvalidArgument.of("unit", f"has more than {MAX_UNIT_BYTES} bytes")


def Maximize(  # noqa: N802 - reads as a kind of metric
    name: str,
    *,
    threshold: float | RelativeThreshold | None = None,
    strategy: Strategy = Strategy.OPTIMIZE,
    unit: str = "",
) -> Metric:
    """A metric of which more is better."""
    return Metric(name, Goal.MAXIMIZE, strategy, threshold, unit)


def Minimize(  # noqa: N802 - reads as a kind of metric
    name: str,
    *,
    threshold: float | RelativeThreshold | None = None,
    strategy: Strategy = Strategy.OPTIMIZE,
    unit: str = "",
) -> Metric:
    """A metric of which less is better."""
    return Metric(name, Goal.MINIMIZE, strategy, threshold, unit)


@dataclass(frozen=True)
class LeasePolicy:
    """How long a worker may be silent (seconds), and how often a suggestion is tried."""

    ttl: float = 60.0
    max_attempts: int = 3

    def __post_init__(self) -> None:
        if not is_number(self.ttl) or not MIN_TTL <= self.ttl <= MAX_TTL:
            raise InvalidArgument.of("ttl", "must be from 1 s to 86400 s")
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidArgument.of("max_attempts", f"must be from 1 to {MAX_ATTEMPTS}")


@dataclass(frozen=True)
class Workload:
    """What trainers run, with settings fixed for all trials.

    Attributes:
        name: a built-in name, ``module:function``, or ``command``.
        command: program and arguments, when the name is ``command``.
    """

    name: str
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_texts(self.settings, "settings")
        check_name(self.name)
        object.__setattr__(self, "command", tuple(self.command))
        if bool(self.command) != (self.name == COMMAND):
            raise InvalidArgument.of("command", f"is for the workload {COMMAND!r}, which needs one")
        if self.command:
            check_command(self.command)


@dataclass(frozen=True)
class Progress:
    """Counts of what happened in an experiment."""

    observations: int = 0
    ok: int = 0
    infeasible: int = 0
    crashed: int = 0
    stopped_early: int = 0
    queued: int = 0
    leased: int = 0
    lost: int = 0
    cancelled: int = 0


@dataclass(frozen=True)
class Experiment:
    """One whole search.

    Attributes:
        observation_budget: observations planned; 0 when open.
        parallelism: trials expected to run at once.
        remeasure: measure a configuration again when that tells more about the front than a new one.
        fidelity: length of a training; None: the workload knows.
        project: whose tokens may see it; empty in a new one: the project of the token, or ``default``.
        early_stopping: when trainings are stopped before their end; None: never.

    Raises:
        InvalidArgument: no or too many metrics, none optimized, a name twice, or texts too long.
    """

    name: str
    space: SearchSpace
    metrics: tuple[Metric, ...]
    observation_budget: int = 0
    parallelism: int = 1
    seed: int = 0
    policy: Policy = Policy.AUTO
    lease_policy: LeasePolicy = LeasePolicy()
    workload: Workload | None = None
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    id: str = ""
    state: ExperimentState = ExperimentState.ACTIVE
    etag: str = ""
    create_time: datetime | None = None
    update_time: datetime | None = None
    progress: Progress = Progress()
    remeasure: bool = False
    fidelity: Fidelity | None = None
    early_stopping: EarlyStopping | None = None
    project: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= len(self.metrics) <= MAX_METRICS:
            raise InvalidArgument.of(
                "metrics", f"has {len(self.metrics)}; from 1 to {MAX_METRICS} are allowed"
            )
        seen: set[str] = set()
        for index, metric in enumerate(self.metrics):
            check_kind(metric, Metric, f"metrics[{index}]", "what Maximize or Minimize makes")
            if metric.name in seen:
                raise InvalidArgument.of(f"metrics[{index}].name", f"{metric.name!r} is used twice")
            seen.add(metric.name)
        if not self.optimized_metrics:
            raise InvalidArgument.of("metrics", "has none with strategy OPTIMIZE")
        check_whole(self.observation_budget, 0, MAX_BUDGET, "observation_budget", f"0 (open) to {MAX_BUDGET}")
        check_whole(self.parallelism, 0, MAX_PARALLELISM, "parallelism", f"0 to {MAX_PARALLELISM}")
        check_whole(self.seed, -(2**63), 2**63 - 1, "seed", "a whole number of 64 bits")
        if self.project and not PROJECT.fullmatch(self.project):
            raise InvalidArgument.of("project", f"{self.project!r} must match {PROJECT.pattern}")
        for label in ("metadata", "labels"):
            check_texts(getattr(self, label), label)
        names = {parameter.name for parameter in self.space}
        if self.fidelity and self.fidelity.name in names:
            raise InvalidArgument.of(
                "fidelity.name", f"{self.fidelity.name!r} is a parameter too: do not search it"
            )
        if self.workload and self.workload.command:
            check_names(self.workload.command, names | self.settings.keys() | {"seed"}, seen)

    @property
    def settings(self) -> dict[str, str]:
        """Settings of every trial: the workload's, and the fidelity's max under its name."""
        whole = {self.fidelity.name: str(self.fidelity.max)} if self.fidelity else {}
        return {**whole, **(self.workload.settings if self.workload else {})}

    @property
    def optimized_metrics(self) -> tuple[Metric, ...]:
        """Metrics that span the front, in order of declaration."""
        return tuple(metric for metric in self.metrics if metric.strategy is Strategy.OPTIMIZE)


def check_texts(texts: Mapping[str, str], path: str) -> None:
    """Refuse notes of more than 64 KiB in all, or with empty keys."""
    if any(not key for key in texts):
        raise InvalidArgument.of(path, "has an empty key")
    size = sum(len(k.encode(errors="replace")) + len(v.encode(errors="replace")) for k, v in texts.items())
    if size > MAX_TEXT_BYTES:
        raise InvalidArgument.of(path, f"has {size} bytes; at most {MAX_TEXT_BYTES} are allowed")
