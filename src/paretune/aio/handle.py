"""`AsyncExperimentHandle`: the verbs of `paretune.ExperimentHandle`, awaited (decision 0053)."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from paretune.aio.insight_verbs import AsyncHandleInsight
from paretune.aio.trial import AsyncTrial
from paretune.client import report
from paretune.client.handle import ExperimentHandle
from paretune.client.loop import MAX_CRASHES, PATIENCE, TrialLoop
from paretune.client.trial import RELEASE_PATIENCE, Trial
from paretune.experiment import Experiment, ExperimentState
from paretune.observation import (
    Event,
    Observation,
    OutcomeKind,
    ParetoFront,
    Prediction,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Scalar

if TYPE_CHECKING:
    from paretune.aio.client import AsyncClient


class AsyncExperimentHandle(AsyncHandleInsight):
    """One recorded experiment; the verbs of `ExperimentHandle`, awaited.

    Attributes:
        client: the client that it was got from.
        experiment: the experiment as last read; `refresh` reads it again.
    """

    def __init__(self, client: "AsyncClient", experiment: Experiment) -> None:
        self.client = client
        self.experiment = experiment

    def __repr__(self) -> str:
        return f"AsyncExperimentHandle({self.id!r}, name={self.name!r})"

    @property
    def id(self) -> str:
        """The id that the Store gave."""
        return self.experiment.id

    @property
    def name(self) -> str:
        """The name for people."""
        return self.experiment.name

    @property
    def blocking(self) -> ExperimentHandle:
        """A blocking handle of the same experiment, for threads and for what only it has: pictures.

        ``await asyncio.to_thread(experiment.blocking.plot.pareto, save="front.png")``
        """
        return ExperimentHandle(self.client.blocking, self.experiment)

    async def refresh(self) -> Experiment:
        """The experiment as it is now, with its progress."""
        self.experiment = await self.client.get_experiment(self.id)
        return self.experiment

    @overload
    async def suggest(self, *, worker: str | None = None, request_id: str | None = None) -> Suggestion: ...
    @overload
    async def suggest(
        self, count: int, *, worker: str | None = None, request_id: str | None = None
    ) -> list[Suggestion]: ...
    async def suggest(
        self, count: int | None = None, *, worker: str | None = None, request_id: str | None = None
    ) -> Suggestion | list[Suggestion]:
        """As `ExperimentHandle.suggest`."""
        wanted = 1 if count is None else count
        found = await self.client.suggest(self.id, wanted, worker=worker, request_id=request_id)
        return found[0] if count is None else found

    async def queue(
        self, assignments: Mapping[str, Scalar], metadata: Mapping[str, str] | None = None
    ) -> Suggestion:
        """As `ExperimentHandle.queue`."""
        return await self.client.queue(self.id, assignments, metadata)

    async def observe(
        self,
        target: Suggestion | Mapping[str, Scalar],
        values: Mapping[str, Any] | None = None,
        *,
        infeasible: str = "",
        crashed: str = "",
        stopped_early: int | None = None,
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> Observation:
        """As `ExperimentHandle.observe`."""
        outcome = report.outcome_of(infeasible, crashed, stopped_early)
        observation, fence = report.observation_of(self.id, target, values or {}, outcome, metadata)
        return await self.client.observe(observation, fence=fence, request_id=request_id)

    async def amend(
        self,
        observation: Observation,
        values: Mapping[str, Any] | None = None,
        *,
        reason: str,
        infeasible: str = "",
        crashed: str = "",
        ok: bool = False,
        request_id: str | None = None,
    ) -> Observation:
        """As `ExperimentHandle.amend`."""
        outcome = report.outcome_of(infeasible, crashed) if ok or infeasible or crashed else None
        return await self.client.amend(
            observation, values, reason=reason, outcome=outcome, request_id=request_id
        )

    async def trials(
        self,
        parallelism: int = 1,
        *,
        worker: str | None = None,
        patience: float = PATIENCE,
        max_crashes: int = MAX_CRASHES,
    ) -> AsyncIterator[AsyncTrial]:
        """As `ExperimentHandle.trials`: ``async for trial in experiment.trials(): async with trial: ...``.

        Cancelled while it waits, it ends at once; while it asks for a suggestion, when that has come and is
        handed back, or after 5 seconds: then the thread that asks goes on until it has handed it back.
        """
        loop = TrialLoop(
            self.blocking, parallelism, worker=worker, patience=patience, max_crashes=max_crashes
        )
        trials = iter(loop)
        # A thread of its own: a loop that waits must not take one that a report needs.
        thread = ThreadPoolExecutor(1, thread_name_prefix="paretune-trials")
        coming: Future[Trial | None] | None = None
        try:
            while True:
                coming = thread.submit(next, trials, None)
                trial = await asyncio.wrap_future(coming)
                coming = None
                if trial is None:
                    return
                yield AsyncTrial(trial)
        finally:
            loop.stop()
            ended = asyncio.wrap_future(thread.submit(_end, trials, coming))
            thread.shutdown(wait=False)
            await asyncio.wait([ended], timeout=RELEASE_PATIENCE)

    async def observations(self, outcomes: Iterable[OutcomeKind] = ()) -> list[Observation]:
        """As `ExperimentHandle.observations`."""
        return [o async for o in self.client.list_observations(self.id, outcomes)]

    async def suggestions(self, states: Iterable[SuggestionState] = ()) -> list[Suggestion]:
        """As `ExperimentHandle.suggestions`."""
        return [s async for s in self.client.list_suggestions(self.id, states)]

    def watch(self, resume_token: str = "", skip_checkpoints: bool = False) -> AsyncIterator[Event]:
        """As `ExperimentHandle.watch`."""
        return self.client.watch(self.id, resume_token, skip_checkpoints)

    async def pareto_front(
        self,
        *,
        as_of: int = 0,
        slack: float = 0.0,
        reference_point: Mapping[str, float] | None = None,
    ) -> ParetoFront:
        """As `ExperimentHandle.pareto_front`."""
        return await self.client.pareto_front(
            self.id, as_of=as_of, slack=slack, reference_point=reference_point
        )

    async def hypervolume(self, *, reference_point: Mapping[str, float] | None = None) -> float:
        """As `ExperimentHandle.hypervolume`."""
        return (await self.pareto_front(reference_point=reference_point)).hypervolume

    async def hypervolume_history(self, *, reference_point: Mapping[str, float] | None = None) -> list[float]:
        """As `ExperimentHandle.hypervolume_history`."""
        return await self.client.hypervolume_history(self.id, reference_point=reference_point)

    async def to_rows(self) -> list[dict[str, Any]]:
        """As `ExperimentHandle.to_rows`."""
        return await asyncio.to_thread(self.blocking.to_rows)

    async def to_csv(self, path: str | Path) -> Path:
        """As `ExperimentHandle.to_csv`."""
        return await asyncio.to_thread(self.blocking.to_csv, path)

    async def to_parquet(self, path: str | Path) -> Path:
        """As `ExperimentHandle.to_parquet`."""
        return await asyncio.to_thread(self.blocking.to_parquet, path)

    async def to_dataframe(self) -> Any:
        """As `ExperimentHandle.to_dataframe`."""
        return await asyncio.to_thread(self.blocking.to_dataframe)

    async def best(self) -> Observation | None:
        """As `ExperimentHandle.best`."""
        return await asyncio.to_thread(self.blocking.best)

    @overload
    async def predict(self, configurations: Mapping[str, Scalar]) -> Prediction: ...
    @overload
    async def predict(self, configurations: Sequence[Mapping[str, Scalar]]) -> list[Prediction]: ...
    async def predict(
        self, configurations: Mapping[str, Scalar] | Sequence[Mapping[str, Scalar]]
    ) -> Prediction | list[Prediction]:
        """As `ExperimentHandle.predict`."""
        if isinstance(configurations, Mapping):
            return (await self.client.predict(self.id, [configurations]))[0]
        return await self.client.predict(self.id, configurations)

    async def update(self, *, etag: str = "", **changes: Any) -> Experiment:
        """As `ExperimentHandle.update`."""
        self.experiment = await self.client.update_experiment(self.id, etag=etag, **changes)
        return self.experiment

    async def pause(self) -> Experiment:
        """As `ExperimentHandle.pause`."""
        return await self.update(state=ExperimentState.PAUSED)

    async def resume(self) -> Experiment:
        """As `ExperimentHandle.resume`."""
        return await self.update(state=ExperimentState.ACTIVE)

    async def finish(self) -> Experiment:
        """As `ExperimentHandle.finish`."""
        return await self.update(state=ExperimentState.FINISHED)

    async def archive(self) -> Experiment:
        """As `ExperimentHandle.archive`."""
        return await self.update(state=ExperimentState.ARCHIVED)

    async def delete(self) -> None:
        """As `ExperimentHandle.delete`."""
        await self.client.delete_experiment(self.id)


def _end(trials: Generator[Trial, None, None], coming: "Future[Trial | None] | None") -> None:
    """Leave the loop, and hand back a trial that came when nobody waited for it any more."""
    trials.close()
    if coming is not None and not coming.cancelled() and coming.exception() is None:
        late = coming.result()
        if late is not None:
            late.release()
