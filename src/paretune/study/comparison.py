"""What a study finds: model-based search beside random search with a multiple of its trainings.

Pure computation on recorded observations. A study holds two searches of one space for the same metrics;
values are compared in the metrics' own units and directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from paretune.experiment import Experiment, Goal, Metric
from paretune.insight import Attainment
from paretune.observation import Observation, OutcomeKind, ParetoFront

MODEL_BASED, RANDOM = "model-based", "random"
SAMPLES = 800
"""Subsamples of random search from which its confidence regions are made, as published."""

LEVELS = tuple(step / 20 for step in range(1, 20))
"""Probabilities of the regions: 5 %, 10 %, ..., 95 %."""

BANDS = (0.05, 0.5, 0.95)
"""Those drawn as lines: hardly ever, half of the time and nearly always attained."""

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Search:
    """One of the two searches, with everything that it found.

    Attributes:
        label: `MODEL_BASED` or `RANDOM`.
        experiment: as recorded.
        observations: all, in their order.
        front: the efficient ones; its hypervolume is measured from the study's reference point.
        volumes: hypervolume after 1, 2, 3, ... observations, from that point.
    """

    label: str
    experiment: Experiment
    observations: Sequence[Observation]
    front: ParetoFront
    volumes: Sequence[float] = ()

    @property
    def feasible(self) -> int:
        """Number of feasible trainings."""
        return sum(is_feasible(self.experiment, observation) for observation in self.observations)

    @property
    def feasible_share(self) -> float:
        """Share of feasible trainings, 0..1; 0 when there are none at all."""
        return self.feasible / len(self.observations) if self.observations else 0.0

    @property
    def crashed(self) -> int:
        """Number of trainings that ended for reasons that say nothing about their configuration."""
        return sum(o.outcome.kind is OutcomeKind.CRASHED for o in self.observations)

    @property
    def training_seconds(self) -> float:
        """Seconds from start to result, summed over all trainings whose start is known."""
        return sum(
            (o.create_time - o.start_time).total_seconds()
            for o in self.observations
            if o.start_time and o.create_time
        )


@dataclass(frozen=True)
class MergedFrontier:
    """The front of both searches together, and who found it.

    Points are distinct metric vectors, in the order of the optimized metrics, best in the first one first.

    Attributes:
        model_based: points that only the model-based search found.
        random: points that only random search found.
        both: points that both found, to the last digit.
    """

    model_based: tuple[Vector, ...]
    random: tuple[Vector, ...]
    both: tuple[Vector, ...] = ()

    def __len__(self) -> int:
        return len(self.model_based) + len(self.random) + len(self.both)

    @property
    def model_based_share(self) -> float:
        """Share of the points that only the model-based search found, 0..1."""
        return len(self.model_based) / len(self) if len(self) else 0.0

    @property
    def random_share(self) -> float:
        """Share of the points that only random search found, 0..1."""
        return len(self.random) / len(self) if len(self) else 0.0

    @property
    def tied_share(self) -> float:
        """Share of the points that both found, 0..1."""
        return len(self.both) / len(self) if len(self) else 0.0


@dataclass(frozen=True)
class Study:
    """Both searches, and what compares them.

    Attributes:
        reference_point: metric -> value from which all hypervolumes are measured.
        attainment: confidence regions of the front of random search with as many trainings as the
            model-based search; None when too little was feasible.
    """

    model_based: Search
    random: Search
    reference_point: Mapping[str, float] = field(hash=False)
    attainment: Attainment | None = None

    @property
    def name(self) -> str:
        """That of the experiment file; the searches are called after it."""
        return self.model_based.experiment.name.removesuffix(f"-{MODEL_BASED}")

    @property
    def searches(self) -> tuple[Search, Search]:
        """Both, the model-based first."""
        return self.model_based, self.random

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that span the fronts."""
        return self.model_based.experiment.optimized_metrics

    @property
    def attainment_size(self) -> int:
        """Trainings of random search in each draw of its confidence regions."""
        return min(len(search.observations) for search in self.searches)

    @property
    def merged(self) -> MergedFrontier:
        """The frontier of the union."""
        return merged_frontier(self.metrics, self.model_based.front, self.random.front)

    @property
    def volume_ratio(self) -> float | None:
        """Hypervolume of the model-based front over that of random search; None when that is 0."""
        return ratio(self.model_based.front.hypervolume, self.random.front.hypervolume)

    @property
    def equal_budget_ratio(self) -> float | None:
        """The same, over the mean of random search with as many trainings; None when it is not known."""
        if self.attainment is None or self.attainment.expectation is None:
            return None
        return ratio(self.model_based.front.hypervolume, self.attainment.expectation.hypervolume)

    @property
    def random_catches_up(self) -> int | None:
        """Trainings after which random search reaches the model-based hypervolume; None: it did not."""
        return first_reach(self.random.volumes, self.model_based.front.hypervolume)

    @property
    def model_based_overtakes(self) -> int | None:
        """Trainings after which the model-based search reaches the final hypervolume of random search."""
        return first_reach(self.model_based.volumes, self.random.front.hypervolume)

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """First start and last result of all trainings; None when they are not known."""
        observations = [o for search in self.searches for o in search.observations]
        starts = [o.start_time for o in observations if o.start_time]
        ends = [o.create_time for o in observations if o.create_time]
        return (min(starts), max(ends)) if starts and ends else None


def is_feasible(experiment: Experiment, observation: Observation) -> bool:
    """Whether a training succeeded and meets every absolute threshold of the metrics."""
    if observation.outcome.kind is not OutcomeKind.OK:
        return False
    for metric in experiment.metrics:
        value = observation.value(metric.name)
        if value is not None and isinstance(metric.threshold, float):
            sign = sign_of(metric)
            if sign * value < sign * metric.threshold:
                return False
    return True


def sign_of(metric: Metric) -> int:
    """1 when more is better, -1 when less is."""
    return 1 if metric.goal is Goal.MAXIMIZE else -1


def vectors(metrics: Sequence[Metric], front: ParetoFront) -> list[Vector]:
    """The distinct metric vectors of a front, in its order."""
    values = [point.values for point in front]
    return list(dict.fromkeys(tuple(v[metric.name] for metric in metrics) for v in values))


def dominates(metrics: Sequence[Metric], better: Vector, worse: Vector) -> bool:
    """Whether a vector is at least as good in every metric and better in one."""
    pairs = [(sign_of(m) * a, sign_of(m) * b) for m, a, b in zip(metrics, better, worse, strict=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def merged_frontier(
    metrics: Sequence[Metric], model_based: ParetoFront, random: ParetoFront
) -> MergedFrontier:
    """The front of the union of two fronts, split by who found each point."""
    ours, theirs = vectors(metrics, model_based), vectors(metrics, random)
    union = list(dict.fromkeys([*ours, *theirs]))
    efficient = [one for one in union if not any(dominates(metrics, other, one) for other in union)]
    efficient.sort(key=lambda vector: -sign_of(metrics[0]) * vector[0])
    of_ours, of_theirs = set(ours), set(theirs)
    return MergedFrontier(
        tuple(v for v in efficient if v not in of_theirs),
        tuple(v for v in efficient if v not in of_ours),
        tuple(v for v in efficient if v in of_ours and v in of_theirs),
    )


def shared_reference_point(metrics: Sequence[Metric], fronts: Sequence[ParetoFront]) -> dict[str, float]:
    """The worse of the fronts' own reference points, metric by metric; empty when no front has one."""
    points = [front.reference_point for front in fronts if front.reference_point]
    return {
        metric.name: sign_of(metric) * min(sign_of(metric) * point[metric.name] for point in points)
        for metric in metrics
        if points
    }


def first_reach(volumes: Sequence[float], goal: float) -> int | None:
    """Number of observations after which a hypervolume is reached; None when it is not."""
    return next((count for count, volume in enumerate(volumes, 1) if volume >= goal), None)


def ratio(one: float, other: float) -> float | None:
    """`one` over `other`; None when that cannot be said."""
    return one / other if other > 0 else None
