"""`ExperimentHandle`: one experiment and everything you can do with it."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from paretune import frame
from paretune.client import report
from paretune.client.insight_verbs import HandleInsight
from paretune.client.loop import MAX_CRASHES, PATIENCE, TrialLoop
from paretune.client.trial import Trial
from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, ExperimentState, Goal
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
from paretune.plot.plots import Plots

if TYPE_CHECKING:
    from paretune.client import Client


class ExperimentHandle(HandleInsight):
    """One recorded experiment.

    Attributes:
        client: the client that it was got from.
        experiment: the experiment as last read; `refresh` reads it again.
    """

    def __init__(self, client: "Client", experiment: Experiment) -> None:
        self.client = client
        self.experiment = experiment

    def __repr__(self) -> str:
        return f"ExperimentHandle({self.id!r}, name={self.name!r})"

    @property
    def id(self) -> str:
        """The id that the Store gave."""
        return self.experiment.id

    @property
    def name(self) -> str:
        """The name for people."""
        return self.experiment.name

    def refresh(self) -> Experiment:
        """The experiment as it is now, with its progress."""
        self.experiment = self.client.get_experiment(self.id)
        return self.experiment

    # Suggest and observe

    @overload
    def suggest(self, *, worker: str | None = None, request_id: str | None = None) -> Suggestion: ...
    @overload
    def suggest(
        self, count: int, *, worker: str | None = None, request_id: str | None = None
    ) -> list[Suggestion]: ...
    def suggest(
        self, count: int | None = None, *, worker: str | None = None, request_id: str | None = None
    ) -> Suggestion | list[Suggestion]:
        """What to train next: one Suggestion, or a list of `count`.

        Raises:
            FailedPrecondition: the experiment is not active, or a finite space is exhausted.
        """
        wanted = 1 if count is None else count
        found = self.client.suggest(self.id, wanted, worker=worker, request_id=request_id)
        return found[0] if count is None else found

    def queue(
        self, assignments: Mapping[str, Scalar], metadata: Mapping[str, str] | None = None
    ) -> Suggestion:
        """Queue a configuration of your own; the next worker gets it.

        Raises:
            InvalidArgument: it is not in the search space.
        """
        return self.client.queue(self.id, assignments, metadata)

    def observe(
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
        """Record a result.

        Args:
            target: the suggestion that was trained, or the assignments of a training of your own.
            values: metric -> value, or (value, standard error), in the metric's units.
            infeasible: why the configuration cannot work, in a sentence; the model learns it.
            crashed: why the training failed for reasons that say nothing about the configuration.
            stopped_early: last step, of a training that was stopped before its end.
            metadata: free notes.
            request_id: makes the call happen once, however often it is sent.

        Raises:
            InvalidArgument: unknown or missing metrics, values not finite, assignments outside the space.
            FailedPrecondition: STALE_LEASE or SUGGESTION_FINISHED; nothing was recorded.
        """
        outcome = report.outcome_of(infeasible, crashed, stopped_early)
        observation, fence = report.observation_of(self.id, target, values or {}, outcome, metadata)
        return self.client.observe(observation, fence=fence, request_id=request_id)

    def amend(
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
        """Replace values or outcome of a result, as `observe` takes them; what they were stays with it.

        Args:
            observation: as it was read last.
            values: metric -> value, or (value, standard error); metrics that are not named keep theirs.
            reason: why, for people.
            infeasible: why the configuration cannot work after all.
            crashed: why the result says nothing about the configuration: it leaves the search.
            ok: the result counts after all.
            request_id: makes the call happen once, however often it is sent.

        Raises:
            InvalidArgument: unknown or missing metrics, or no reason.
            Aborted: OBSERVATION_AMENDED: somebody amended it since it was read.
        """
        outcome = report.outcome_of(infeasible, crashed) if ok or infeasible or crashed else None
        return self.client.amend(observation, values, reason=reason, outcome=outcome, request_id=request_id)

    def trials(
        self,
        parallelism: int = 1,
        *,
        worker: str | None = None,
        patience: float = PATIENCE,
        max_crashes: int = MAX_CRASHES,
    ) -> Generator[Trial, None, None]:
        """Trials until the budget is filled; run again, the loop resumes.

            for trial in experiment.trials():
                with trial:
                    trial.observe(accuracy=..., inference_ms=(1.8, 0.05))

        Args:
            parallelism: trials that may be open at once; above 1 the body hands each to a thread.
            worker: name of the holder of the leases (default: this host, process and thread).
            patience: seconds to go on trying while the services do not answer.
            max_crashes: crashes in a row after which to give up.

        Raises:
            FailedPrecondition: TRIAL_NOT_REPORTED or TOO_MANY_CRASHES.
            Unavailable: the services did not come back in time.
        """
        loop = TrialLoop(self, parallelism, worker=worker, patience=patience, max_crashes=max_crashes)
        return iter(loop)

    # Read

    def observations(self, outcomes: Iterable[OutcomeKind] = ()) -> list[Observation]:
        """Observations in the order in which they were recorded."""
        return list(self.client.list_observations(self.id, outcomes))

    def suggestions(self, states: Iterable[SuggestionState] = ()) -> list[Suggestion]:
        """Suggestions in the order in which they were made."""
        return list(self.client.list_suggestions(self.id, states))

    def watch(self, resume_token: str = "", skip_checkpoints: bool = False) -> Iterator[Event]:
        """Everything that happened, and then happens, in the experiment; without end."""
        return self.client.watch(self.id, resume_token, skip_checkpoints)

    def pareto_front(
        self,
        *,
        as_of: int = 0,
        slack: float = 0.0,
        reference_point: Mapping[str, float] | None = None,
    ) -> ParetoFront:
        """The efficient observations, best in the first metric first."""
        return self.client.pareto_front(self.id, as_of=as_of, slack=slack, reference_point=reference_point)

    def hypervolume(self, *, reference_point: Mapping[str, float] | None = None) -> float:
        """Hypervolume between the front and the reference point, in the product of the metrics' units."""
        return self.pareto_front(reference_point=reference_point).hypervolume

    def hypervolume_history(self, *, reference_point: Mapping[str, float] | None = None) -> list[float]:
        """Hypervolume after 1, 2, 3, ... observations."""
        return self.client.hypervolume_history(self.id, reference_point=reference_point)

    def to_rows(self) -> list[dict[str, Any]]:
        """One mapping from column to value per observation; see `paretune.frame.columns`."""
        return frame.rows(self.experiment, self.observations(), self.pareto_front())

    def to_csv(self, path: str | Path) -> Path:
        """Write all observations as CSV; gives the path."""
        return frame.write_csv(path, frame.header(self.experiment), self.to_rows())

    def to_parquet(self, path: str | Path) -> Path:
        """Write all observations as Parquet; gives the path.

        Raises:
            FailedPrecondition: pyarrow is not installed.
        """
        return frame.write_parquet(path, self.experiment, self.to_rows())

    def to_dataframe(self) -> Any:
        """All observations as a `pandas.DataFrame`; `efficient` marks the front.

        Raises:
            FailedPrecondition: pandas is not installed.
        """
        return frame.dataframe(self.experiment, self.to_rows())

    @property
    def plot(self) -> Plots:
        """Pictures: ``experiment.plot.pareto()`` and others, see `Plots`."""
        return Plots(self)

    def best(self) -> Observation | None:
        """The best observation of an experiment with a single optimized metric; None when there is none.

        Raises:
            InvalidArgument: several metrics are optimized; ask for `pareto_front`.
        """
        single_metric(self.experiment)
        front = self.pareto_front()
        return front[0].observation if front else None

    @overload
    def predict(self, configurations: Mapping[str, Scalar]) -> Prediction: ...
    @overload
    def predict(self, configurations: Sequence[Mapping[str, Scalar]]) -> list[Prediction]: ...
    def predict(
        self, configurations: Mapping[str, Scalar] | Sequence[Mapping[str, Scalar]]
    ) -> Prediction | list[Prediction]:
        """What the model expects: of one configuration, or of each in a list.

        Raises:
            FailedPrecondition: there are too few observations for a model.
        """
        if isinstance(configurations, Mapping):
            return self.client.predict(self.id, [configurations])[0]
        return self.client.predict(self.id, configurations)

    # Change

    def update(self, *, etag: str = "", **changes: Any) -> Experiment:
        """Change fields, as `Client.update_experiment`."""
        self.experiment = self.client.update_experiment(self.id, etag=etag, **changes)
        return self.experiment

    def pause(self) -> Experiment:
        """Give no more suggestions for now; reports are still taken."""
        return self.update(state=ExperimentState.PAUSED)

    def resume(self) -> Experiment:
        """Give suggestions again."""
        return self.update(state=ExperimentState.ACTIVE)

    def finish(self) -> Experiment:
        """End the search; reports of running trainings are still taken."""
        return self.update(state=ExperimentState.FINISHED)

    def archive(self) -> Experiment:
        """Hide the experiment from lists."""
        return self.update(state=ExperimentState.ARCHIVED)

    def delete(self) -> None:
        """Remove the experiment with everything recorded in it."""
        self.client.delete_experiment(self.id)


def single_metric(experiment: Experiment) -> Goal:
    """Direction of the only optimized metric.

    Raises:
        InvalidArgument: there are several.
    """
    metrics = experiment.optimized_metrics
    if len(metrics) > 1:
        names = ", ".join(metric.name for metric in metrics)
        raise InvalidArgument(f"{names} compete, so there is no single best: ask for pareto_front().")
    return metrics[0].goal
