"""What is proposed and measured: suggestions, observations and the front they form.

An experiment gives `Suggestion`s; a training answers each with an `Observation`; the efficient
observations form the `ParetoFront`. All are frozen values that validate themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from paretune.errors import InvalidArgument, Violation
from paretune.experiment import Experiment, Metric, Policy
from paretune.limits import MAX_TEXT_BYTES
from paretune.parameters import Assignments, is_number, unknown_name


class SuggestionState(Enum):
    """Life of a suggestion; OBSERVED, CANCELLED and LOST are final."""

    QUEUED = 1
    LEASED = 2
    OBSERVED = 3
    CANCELLED = 4
    LOST = 5

    @property
    def final(self) -> bool:
        """Whether no report is taken any more."""
        return self not in (SuggestionState.QUEUED, SuggestionState.LEASED)


class OutcomeKind(Enum):
    """How a training ended."""

    OK = 1
    INFEASIBLE = 2
    CRASHED = 3
    STOPPED_EARLY = 4


class FailureReason(Enum):
    """Why a training was infeasible or crashed, for programs."""

    UNSPECIFIED = 0
    DECLARED = 1
    NOT_FINITE = 2
    OUT_OF_MEMORY = 3
    TIMEOUT = 4
    EXCEPTION = 5
    SIGNAL = 6
    NO_RESULT = 7


class Directive(Enum):
    """What a worker should do, as its heartbeat brings back."""

    CONTINUE = 1
    STOP_EARLY = 2
    CANCEL = 3
    PAUSE = 4


@dataclass(frozen=True)
class Lease:
    """A worker's temporary right to report on a suggestion; `fence` proves it."""

    worker: str
    fence: str
    expire_time: datetime


@dataclass(frozen=True)
class MetricPrediction:
    """Expected value of one metric and standard deviation of its noise-free value."""

    metric: str
    mean: float
    stddev: float


@dataclass(frozen=True)
class Provenance:
    """Where a suggestion came from.

    Attributes:
        policy: algorithm that made it; None when a person queued it.
        observation_count: observations that it had seen.
        model_age: seconds since the model's hyperparameters were fitted.
        feasibility: probability that the configuration is feasible; None without a model.
        fallback_reason: why something simpler was used; empty: it was not.
        repeats: observations that this configuration had; above 0 with GP it is measured again on purpose.
    """

    policy: Policy | None = None
    observation_count: int = 0
    seed: int = 0
    model_age: float = 0.0
    predictions: tuple[MetricPrediction, ...] = ()
    feasibility: float | None = None
    fallback_reason: str = ""
    repeats: int = 0


@dataclass(frozen=True)
class Proposal:
    """A configuration made by the Optimizer, not yet recorded."""

    assignments: Assignments
    provenance: Provenance = Provenance()


@dataclass(frozen=True)
class Suggestion:
    """One configuration proposed for training.

    Attributes:
        stop_reason: why its holder is asked to stop early; empty: it is not.
    """

    id: str
    experiment_id: str
    ordinal: int
    assignments: Assignments = field(hash=False)
    state: SuggestionState = SuggestionState.QUEUED
    attempt: int = 0
    lease: Lease | None = None
    provenance: Provenance = Provenance()
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    create_time: datetime | None = None
    update_time: datetime | None = None
    stop_reason: str = ""


@dataclass(frozen=True)
class MetricValue:
    """One measured number, with its standard error when known, in the units of the metric."""

    metric: str
    value: float
    stddev: float | None = None

    def __post_init__(self) -> None:
        if not is_number(self.value):
            raise InvalidArgument.of("value", f"of {self.metric!r} is {self.value!r}: no finite number")
        if self.stddev is not None and (not is_number(self.stddev) or self.stddev < 0):
            raise InvalidArgument.of("stddev", f"of {self.metric!r} must be finite and not negative")


@dataclass(frozen=True)
class Outcome:
    """How a training ended; `reason` is a sentence for people."""

    kind: OutcomeKind = OutcomeKind.OK
    reason: str = ""
    failure: FailureReason = FailureReason.UNSPECIFIED
    step: int = 0

    def __post_init__(self) -> None:
        if self.kind in (OutcomeKind.INFEASIBLE, OutcomeKind.CRASHED) and not self.reason:
            raise InvalidArgument.of("reason", f"is required for {self.kind.name}")
        if len(self.reason.encode(errors="replace")) > MAX_TEXT_BYTES:
            raise InvalidArgument.of("reason", f"has more than {MAX_TEXT_BYTES} bytes")


@dataclass(frozen=True)
class Amendment:
    """What an observation was before somebody amended it, and who did so when and why.

    Attributes:
        author: as they name themselves.
        token: id of the token with which it was done; empty: none was asked for.
    """

    former_values: tuple[MetricValue, ...]
    former_outcome: Outcome
    reason: str
    author: str = ""
    token: str = ""
    create_time: datetime | None = None


@dataclass(frozen=True)
class Observation:
    """One recorded result.

    Attributes:
        ordinal: place in the experiment's sequence of observations, from 1.
        values: the metric vector; complete for OK, possibly partial otherwise.
        amendments: what it was before, oldest first.
    """

    assignments: Assignments = field(hash=False)
    values: tuple[MetricValue, ...] = ()
    outcome: Outcome = Outcome()
    id: str = ""
    experiment_id: str = ""
    ordinal: int = 0
    suggestion_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    worker: str = ""
    attempt: int = 0
    start_time: datetime | None = None
    create_time: datetime | None = None
    amendments: tuple[Amendment, ...] = ()

    def value(self, metric: str) -> float | None:
        """The value of a metric; None when it was not measured."""
        return next((v.value for v in self.values if v.metric == metric), None)


@dataclass(frozen=True)
class Checkpoint:
    """An intermediate metric vector of a training that still runs."""

    suggestion_id: str
    step: int
    values: tuple[MetricValue, ...]
    attempt: int = 0
    create_time: datetime | None = None


@dataclass(frozen=True)
class Event:
    """One thing that happened in an experiment: the object as it was right after.

    Attributes:
        sequence: grows within a store, with gaps.
        change: what changed.
    """

    sequence: int
    change: Experiment | Suggestion | Observation | Checkpoint
    create_time: datetime | None = None


@dataclass(frozen=True)
class Prediction:
    """What the model expects at one configuration.

    Attributes:
        feasibility: probability that the configuration is feasible, 0..1.
        probability_efficient: probability that it would be on the front; None: not computed.
    """

    metrics: tuple[MetricPrediction, ...]
    feasibility: float = 1.0
    probability_efficient: float | None = None


class ProbabilitySource(Enum):
    """What probabilities of being efficient were computed from."""

    STANDARD_ERRORS = 1
    MODEL = 2
    NONE = 3


@dataclass(frozen=True)
class ParetoPoint:
    """One efficient observation.

    Attributes:
        probability_efficient: of its configuration, given the noise of all observations, 0..1.
        hypervolume_contribution: hypervolume that would be lost without it; estimated on long fronts of
            more than three metrics.
    """

    observation: Observation
    probability_efficient: float = 1.0
    hypervolume_contribution: float = 0.0

    @property
    def assignments(self) -> Assignments:
        """The configuration."""
        return self.observation.assignments

    @property
    def values(self) -> dict[str, float]:
        """The metric vector, by name."""
        return {value.metric: value.value for value in self.observation.values}


@dataclass(frozen=True)
class ParetoFront(Sequence[ParetoPoint]):
    """The efficient observations, ordered by the first optimized metric, best first."""

    points: tuple[ParetoPoint, ...]
    hypervolume: float
    reference_point: Mapping[str, float] = field(hash=False)
    observation_count: int = 0
    probability_source: ProbabilitySource = ProbabilitySource.STANDARD_ERRORS

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        return self.points[index]


def check_values(
    metrics: Sequence[Metric], values: Sequence[MetricValue], *, complete: bool, path: str = "values"
) -> None:
    """Refuse unknown or repeated metric names and, when `complete`, missing ones.

    Raises:
        InvalidArgument: with one violation per offending name.
    """
    names = [metric.name for metric in metrics]
    wrong: list[Violation] = []
    seen: set[str] = set()
    for index, value in enumerate(values):
        where = f"{path}[{index}].metric"
        if value.metric not in names:
            wrong.append(Violation(where, unknown_name("metric", value.metric, names)))
        elif value.metric in seen:
            wrong.append(Violation(where, f"{value.metric!r} is given twice"))
        seen.add(value.metric)
    if complete:
        wrong += [
            Violation(path, f"lacks a value of {name!r}; an OK observation has one of every metric")
            for name in names
            if name not in seen
        ]
    if wrong:
        raise InvalidArgument(violations=wrong)
