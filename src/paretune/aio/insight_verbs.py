"""The verbs about what results mean, awaited, as parts of client and handle."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from paretune.client import calls, insight_calls
from paretune.client.call import Call
from paretune.insight import Attainment, AttainmentSource, Importance, Recommendation, Robustness, StopAdvice
from paretune.observation import ParetoFront, Prediction
from paretune.parameters import Scalar

if TYPE_CHECKING:
    from paretune.aio.client import AsyncClient

T = TypeVar("T")


class AsyncInsightVerbs:
    """What a client can ask about results."""

    async def run(self, call: Call[T], *, patience: float | None = None) -> T:
        """As `AsyncClient.run`."""
        raise NotImplementedError

    async def pareto_front(
        self,
        experiment_id: str,
        *,
        as_of: int = 0,
        slack: float = 0.0,
        reference_point: Mapping[str, float] | None = None,
    ) -> ParetoFront:
        """As `Client.pareto_front`."""
        return await self.run(calls.pareto_front(experiment_id, as_of, slack, reference_point))

    async def hypervolume_history(
        self, experiment_id: str, *, reference_point: Mapping[str, float] | None = None
    ) -> list[float]:
        """As `Client.hypervolume_history`."""
        return await self.run(calls.hypervolume_history(experiment_id, reference_point))

    async def predict(
        self, experiment_id: str, configurations: Sequence[Mapping[str, Scalar]]
    ) -> list[Prediction]:
        """As `Client.predict`."""
        return await self.run(calls.predict(experiment_id, configurations))

    async def attainment(
        self,
        experiment_id: str,
        *,
        levels: Sequence[float] = (),
        source: AttainmentSource | str | None = None,
        samples: int = 0,
        sample_size: int = 0,
        reference_point: Mapping[str, float] | None = None,
    ) -> Attainment:
        """As `Client.attainment`."""
        return await self.run(
            insight_calls.attainment(experiment_id, levels, source, samples, sample_size, reference_point)
        )

    async def importance(
        self,
        experiment_id: str,
    ) -> Importance:
        """As `Client.importance`."""
        return await self.run(insight_calls.importance(experiment_id))

    async def robustness(
        self,
        experiment_id: str,
        *,
        radius: float = 0.05,
        slack: float = 0.05,
        categories: bool = False,
    ) -> Robustness:
        """As `Client.robustness`."""
        return await self.run(insight_calls.robustness(experiment_id, radius, slack, categories))

    async def recommend(
        self,
        experiment_id: str,
        *,
        weights: Mapping[str, float] | None = None,
        metric: str = "",
        limits: Mapping[str, float] | None = None,
    ) -> Recommendation:
        """As `Client.recommend`."""
        return await self.run(insight_calls.recommend(experiment_id, weights, metric, limits))

    async def should_stop(
        self,
        experiment_id: str,
        *,
        trials: int = 0,
        threshold: float = 0.01,
        reference_point: Mapping[str, float] | None = None,
    ) -> StopAdvice:
        """As `Client.should_stop`."""
        return await self.run(insight_calls.should_stop(experiment_id, trials, threshold, reference_point))


class AsyncHandleInsight:
    """What an experiment's handle can ask about its results."""

    client: "AsyncClient"

    @property
    def id(self) -> str:
        """The id that the Store gave."""
        raise NotImplementedError

    async def attainment(
        self,
        *,
        levels: Sequence[float] = (),
        source: AttainmentSource | str | None = None,
        samples: int = 0,
        sample_size: int = 0,
        reference_point: Mapping[str, float] | None = None,
    ) -> Attainment:
        """As `ExperimentHandle.attainment`."""
        return await self.client.attainment(
            self.id,
            levels=levels,
            source=source,
            samples=samples,
            sample_size=sample_size,
            reference_point=reference_point,
        )

    async def importance(
        self,
    ) -> Importance:
        """As `ExperimentHandle.importance`."""
        return await self.client.importance(self.id)

    async def robustness(
        self,
        *,
        radius: float = 0.05,
        slack: float = 0.05,
        categories: bool = False,
    ) -> Robustness:
        """As `ExperimentHandle.robustness`."""
        return await self.client.robustness(self.id, radius=radius, slack=slack, categories=categories)

    async def recommend(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        metric: str = "",
        limits: Mapping[str, float] | None = None,
    ) -> Recommendation:
        """As `ExperimentHandle.recommend`."""
        return await self.client.recommend(self.id, weights=weights, metric=metric, limits=limits)

    async def should_stop(
        self,
        *,
        trials: int = 0,
        threshold: float = 0.01,
        reference_point: Mapping[str, float] | None = None,
    ) -> StopAdvice:
        """As `ExperimentHandle.should_stop`."""
        return await self.client.should_stop(
            self.id, trials=trials, threshold=threshold, reference_point=reference_point
        )
