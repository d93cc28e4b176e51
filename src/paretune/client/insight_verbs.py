"""The verbs about what results mean, as parts of client and handle."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from paretune.client import calls, insight_calls
from paretune.client.call import Call
from paretune.insight import Attainment, AttainmentSource, Importance, Recommendation, Robustness, StopAdvice
from paretune.observation import ParetoFront, Prediction
from paretune.parameters import Scalar

if TYPE_CHECKING:
    from paretune.client import Client

T = TypeVar("T")


class InsightVerbs:
    """What a client can ask about results."""

    def run(self, call: Call[T], *, patience: float | None = None) -> T:
        """As `Client.run`."""
        raise NotImplementedError

    def pareto_front(
        self,
        experiment_id: str,
        *,
        as_of: int = 0,
        slack: float = 0.0,
        reference_point: Mapping[str, float] | None = None,
    ) -> ParetoFront:
        """The efficient observations.

        Args:
            experiment_id: the experiment.
            as_of: take only the first this many observations into account; 0: all.
            slack: also give observations dominated by no more than this many standard errors.
            reference_point: metric -> value from which hypervolume is measured; None: the Optimizer's.
        """
        return self.run(calls.pareto_front(experiment_id, as_of, slack, reference_point))

    def hypervolume_history(
        self, experiment_id: str, *, reference_point: Mapping[str, float] | None = None
    ) -> list[float]:
        """Hypervolume after 1, 2, 3, ... observations, all measured from one reference point."""
        return self.run(calls.hypervolume_history(experiment_id, reference_point))

    def predict(self, experiment_id: str, configurations: Sequence[Mapping[str, Scalar]]) -> list[Prediction]:
        """What the model expects of each configuration.

        Raises:
            InvalidArgument: a configuration is not in the search space.
            FailedPrecondition: there are too few observations for a model.
        """
        return self.run(calls.predict(experiment_id, configurations))

    def attainment(
        self,
        experiment_id: str,
        *,
        levels: Sequence[float] = (),
        source: AttainmentSource | str | None = None,
        samples: int = 0,
        sample_size: int = 0,
        reference_point: Mapping[str, float] | None = None,
    ) -> Attainment:
        """How certain the front is: surfaces that it attains with given probability.

        Args:
            experiment_id: the experiment.
            levels: probabilities, above 0, at most 1 (default 0.05, 0.5, 0.95).
            source: "resampling" of the observations or the "model"; None: the model when it serves.
            samples: number of draws of the front; 0: 256, or 64 with three metrics.
            sample_size: observations per resampled draw, without replacement; 0: all, with replacement.
            reference_point: as in `pareto_front`.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS, or TOO_MANY_METRICS beyond three.
        """
        return self.run(
            insight_calls.attainment(experiment_id, levels, source, samples, sample_size, reference_point)
        )

    def importance(
        self,
        experiment_id: str,
    ) -> Importance:
        """How much each parameter matters: for every metric, and for reaching the front.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        return self.run(insight_calls.importance(experiment_id))

    def robustness(
        self,
        experiment_id: str,
        *,
        radius: float = 0.05,
        slack: float = 0.05,
        categories: bool = False,
    ) -> Robustness:
        """How the configurations of the front bear small changes of their parameters.

        Args:
            experiment_id: the experiment.
            radius: largest change, as a share of each range; at least one step of a parameter with steps.
            slack: what may be lost in every metric, as a share of its range on the front.
            categories: also change categorical parameters, each with probability `radius`.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        return self.run(insight_calls.robustness(experiment_id, radius, slack, categories))

    def recommend(
        self,
        experiment_id: str,
        *,
        weights: Mapping[str, float] | None = None,
        metric: str = "",
        limits: Mapping[str, float] | None = None,
    ) -> Recommendation:
        """One configuration of the front, and why: by weights, by limits, else at the knee.

        Args:
            experiment_id: the experiment.
            weights: importance by optimized metric.
            metric: optimized metric to be best in, within the limits; "": the only one without a limit.
            limits: worst acceptable value by metric.

        Raises:
            InvalidArgument: unknown metrics, or weights together with limits.
            FailedPrecondition: nothing feasible yet, or NOTHING_WITHIN_LIMITS.
        """
        return self.run(insight_calls.recommend(experiment_id, weights, metric, limits))

    def should_stop(
        self,
        experiment_id: str,
        *,
        trials: int = 0,
        threshold: float = 0.01,
        reference_point: Mapping[str, float] | None = None,
    ) -> StopAdvice:
        """Whether the next trials are worth their while, with a forecast of the hypervolume.

        Args:
            experiment_id: the experiment.
            trials: number of trials to forecast; 0: what the budget leaves, 1 to 20, or 10.
            threshold: stop when the expected relative gain is below.
            reference_point: as in `pareto_front`.
        """
        return self.run(insight_calls.should_stop(experiment_id, trials, threshold, reference_point))


class HandleInsight:
    """What an experiment's handle can ask about its results."""

    client: "Client"

    @property
    def id(self) -> str:
        """The id that the Store gave."""
        raise NotImplementedError

    def attainment(
        self,
        *,
        levels: Sequence[float] = (),
        source: AttainmentSource | str | None = None,
        samples: int = 0,
        sample_size: int = 0,
        reference_point: Mapping[str, float] | None = None,
    ) -> Attainment:
        """How certain the front is: surfaces that it attains with given probability.

        Args:
            levels: probabilities, above 0, at most 1 (default 0.05, 0.5, 0.95).
            source: "resampling" of the observations or the "model"; None: the model when it serves.
            samples: number of draws of the front; 0: 256, or 64 with three metrics.
            sample_size: observations per resampled draw, without replacement; 0: all, with replacement.
            reference_point: as in `pareto_front`.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS, or TOO_MANY_METRICS beyond three.
        """
        return self.client.attainment(
            self.id,
            levels=levels,
            source=source,
            samples=samples,
            sample_size=sample_size,
            reference_point=reference_point,
        )

    def importance(
        self,
    ) -> Importance:
        """How much each parameter matters: for every metric, and for reaching the front.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        return self.client.importance(self.id)

    def robustness(
        self,
        *,
        radius: float = 0.05,
        slack: float = 0.05,
        categories: bool = False,
    ) -> Robustness:
        """How the configurations of the front bear small changes of their parameters.

        Args:
            radius: largest change, as a share of each range; at least one step of a parameter with steps.
            slack: what may be lost in every metric, as a share of its range on the front.
            categories: also change categorical parameters, each with probability `radius`.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        return self.client.robustness(self.id, radius=radius, slack=slack, categories=categories)

    def recommend(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        metric: str = "",
        limits: Mapping[str, float] | None = None,
    ) -> Recommendation:
        """One configuration of the front, and why: by weights, by limits, else at the knee.

        Args:
            weights: importance by optimized metric.
            metric: optimized metric to be best in, within the limits; "": the only one without a limit.
            limits: worst acceptable value by metric.

        Raises:
            InvalidArgument: unknown metrics, or weights together with limits.
            FailedPrecondition: nothing feasible yet, or NOTHING_WITHIN_LIMITS.
        """
        return self.client.recommend(self.id, weights=weights, metric=metric, limits=limits)

    def should_stop(
        self,
        *,
        trials: int = 0,
        threshold: float = 0.01,
        reference_point: Mapping[str, float] | None = None,
    ) -> StopAdvice:
        """Whether the next trials are worth their while, with a forecast of the hypervolume.

        Args:
            trials: number of trials to forecast; 0: what the budget leaves, 1 to 20, or 10.
            threshold: stop when the expected relative gain is below.
            reference_point: as in `pareto_front`.
        """
        return self.client.should_stop(
            self.id, trials=trials, threshold=threshold, reference_point=reference_point
        )
