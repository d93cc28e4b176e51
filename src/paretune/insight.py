"""What the results mean: how certain, how sensitive, which one, and whether to go on.

Answers of the Optimizer about an experiment, as frozen values. Metric values are in the metrics' own units
and directions; a point of metric space is a mapping from metric to value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from paretune.observation import MetricPrediction, ParetoPoint, ProbabilitySource
from paretune.parameters import Assignments


class AttainmentSource(Enum):
    """Where draws of the front come from."""

    RESAMPLING = 1
    MODEL = 2


@dataclass(frozen=True)
class AttainmentSurface:
    """Border of what the front attains in a share `level` of its draws.

    Attributes:
        points: best points of the surface by metric, best in the first metric first.
    """

    level: float
    points: tuple[Mapping[str, float], ...] = field(hash=False)


@dataclass(frozen=True)
class VorobevExpectation:
    """The mean front: the surface whose hypervolume is the mean of the draws' hypervolumes.

    Attributes:
        hypervolume: mean of the draws, in the product of the metrics' units.
        deviation: mean hypervolume by which a draw and the surface differ; 0: the front is certain.
    """

    surface: AttainmentSurface
    hypervolume: float
    deviation: float


@dataclass(frozen=True)
class Attainment:
    """How certain the front is.

    Attributes:
        expectation: None with a single metric.
        samples: number of draws.
    """

    surfaces: tuple[AttainmentSurface, ...]
    source: AttainmentSource
    samples: int
    reference_point: Mapping[str, float] = field(hash=False)
    expectation: VorobevExpectation | None = None
    observation_count: int = 0


@dataclass(frozen=True)
class ParameterImportance:
    """Total-effect index of a parameter (0..1), and its share of the sum of all."""

    parameter: str
    total_effect: float
    share: float


@dataclass(frozen=True)
class TargetImportance:
    """How much each parameter matters for one target, the most important first.

    Attributes:
        metric: name of a metric; empty: reaching the front.
        explained: share of variance that the model explains in leave-one-out; at most 1, useless below 0.
    """

    metric: str
    parameters: tuple[ParameterImportance, ...]
    explained: float

    @property
    def shares(self) -> dict[str, float]:
        """Share by parameter."""
        return {one.parameter: one.share for one in self.parameters}


@dataclass(frozen=True)
class Importance:
    """How much parameters matter: for every modelled metric, then for reaching the front."""

    targets: tuple[TargetImportance, ...]
    observation_count: int = 0

    @property
    def front(self) -> TargetImportance:
        """For reaching the front."""
        return self.of("")

    def of(self, metric: str) -> TargetImportance:
        """For a metric.

        Raises:
            KeyError: the metric is not modelled.
        """
        for target in self.targets:
            if target.metric == metric:
                return target
        raise KeyError(metric)


@dataclass(frozen=True)
class MetricRobustness:
    """What small changes do to one metric.

    Attributes:
        nominal: expected value of the configuration itself.
        mean: expected value over small changes.
        worst: what changed configurations are worse than in 5 of 100 cases only.
    """

    metric: str
    nominal: float
    mean: float
    worst: float


@dataclass(frozen=True)
class RobustnessPoint:
    """How one configuration of the front bears small changes.

    Attributes:
        probability_efficient: that nothing that was tried dominates a changed configuration.
        probability_within_slack: that nothing is better than it by more than the slack in every metric.
        feasibility: mean probability that a changed configuration is feasible.
    """

    observation_id: str
    assignments: Assignments = field(hash=False)
    metrics: tuple[MetricRobustness, ...]
    probability_efficient: float
    probability_within_slack: float
    feasibility: float = 1.0


@dataclass(frozen=True)
class Robustness:
    """How the configurations of the front bear small changes, in the order of the front."""

    points: tuple[RobustnessPoint, ...]
    observation_count: int = 0


@dataclass(frozen=True)
class Recommendation:
    """One configuration of the front, and why.

    Attributes:
        expected: the values that it was chosen by, with standard deviations.
        reason: a sentence.
        candidates: number of configurations that it was chosen from.
    """

    point: ParetoPoint
    expected: tuple[MetricPrediction, ...]
    reason: str
    candidates: int
    source: ProbabilitySource

    @property
    def assignments(self) -> Assignments:
        """The configuration."""
        return self.point.assignments


@dataclass(frozen=True)
class HypervolumeForecast:
    """Hypervolume expected after some more trials, with a 90 % interval."""

    trials: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class StopAdvice:
    """Whether the next trials are worth their while. True in a condition when they are not.

    Attributes:
        reason: a sentence.
        hypervolume: expected now, in the product of the metrics' units.
        expected_relative_gain: over all trials of the forecast, as a share of `hypervolume`.
        forecast: after 1, 2, 3, ... further trials; empty when there are too few observations.
    """

    stop: bool
    reason: str
    hypervolume: float = 0.0
    expected_relative_gain: float = 0.0
    forecast: tuple[HypervolumeForecast, ...] = ()
    reference_point: Mapping[str, float] = field(default_factory=dict, hash=False)
    observation_count: int = 0

    def __bool__(self) -> bool:
        return self.stop
