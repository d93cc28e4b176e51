"""The trainings of one experiment, as its events tell them: who is at which rung, and who ended how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.experiment import Experiment
from paretune.observation import Checkpoint, Event, MetricValue, Observation, OutcomeKind, Suggestion
from paretune.observation import SuggestionState as State
from paretune.stopping import EarlyStoppingRule, first_step
from paretune_optimizer.fronts.pareto import non_dominated
from paretune_optimizer.history import History
from paretune_optimizer.insight.front import feasible_rows
from paretune_optimizer.stopping.rules import Look, endings, judge
from paretune_optimizer.stopping.rungs import Rungs

Array = NDArray[np.float64]


PROJECTED_BY = 0.8
"""Confidence whose number of neighbours, 4, projects a training that was stopped."""


@dataclass
class _Trial:
    """One training.

    Attributes:
        place: its row in `Rungs`.
        now: latest value of each metric (M), minimised, NaN where nothing is known; at first what the model
            expected of it, if there was a model.
    """

    place: int
    now: Array
    attempt: int
    leased: bool = False


@dataclass(frozen=True)
class Stop:
    """A training that should be stopped."""

    suggestion_id: str
    attempt: int
    rule: EarlyStoppingRule
    reason: str


class Board:
    """The trainings of one experiment.

    Args:
        experiment: as of its first event.
    """

    def __init__(self, experiment: Experiment) -> None:
        """Nothing has been trained yet."""
        self._history = History(experiment)
        self._trials: dict[str, _Trial] = {}
        self._rungs = Rungs(len(self._history.roles.names))

    @property
    def experiment(self) -> Experiment:
        """As last seen."""
        return self._history.experiment

    def apply(self, event: Event) -> str:
        """Take one event in; the id of the suggestion whose training reached a new rung, or empty."""
        change = event.change
        if isinstance(change, Experiment):
            self._history.update_experiment(change)
        elif isinstance(change, Suggestion):
            self._apply_suggestion(change)
        elif isinstance(change, Observation):
            self._apply_observation(change)
        elif self._apply_checkpoint(change):
            return change.suggestion_id
        return ""

    def verdict(self, suggestion_id: str) -> Stop | None:
        """Whether a training should be stopped, judged at its last rung; None: it should go on."""
        stopping, trial = self.experiment.early_stopping, self._trials.get(suggestion_id)
        if stopping is None or trial is None or not trial.leased:
            return None
        rung = self._rungs.last(trial.place)
        if rung < 0:
            return None
        found = judge(self._look(trial.place, rung), stopping)
        if found is None:
            return None
        rule, reason = found
        return Stop(suggestion_id, trial.attempt, rule, f"{rule.name.lower()}: {self._named(reason)}")

    def projection(self, observation: Observation) -> tuple[Array, Array] | None:
        """Where a training that was stopped was heading, judged at its last rung.

        Args:
            observation: its result. A value that somebody amended says itself what it is: for that metric
                nothing is projected.

        Returns:
            Mean and standard deviation of where the changes of its nearest neighbours would have taken it
            (M each), minimised, NaN where nothing is known; None while too few trainings have finished.
        """
        trial = self._trials.get(observation.suggestion_id)
        rung = self._rungs.last(trial.place) if trial else -1
        if trial is None or rung < 0:
            return None
        then, finished = self._rungs.finished(trial.place, rung)
        ends = endings(self._rungs.at(trial.place, rung), then, finished, PROJECTED_BY)
        if not len(ends):
            return None
        now, told = self._vector(observation.values), self._vector(_first_values(observation))
        mean = np.where((now == told) | (np.isnan(now) & np.isnan(told)), np.mean(ends, axis=0), np.nan)
        return mean, np.std(ends, axis=0, ddof=1)

    def _named(self, reason: str) -> str:
        """The reason with metrics by name."""
        for j, name in enumerate(self._history.roles.names):
            reason = reason.replace(f"metric {j} ", f"{name} ")
        return reason

    def _look(self, place: int, rung: int) -> Look:
        then, finished = self._rungs.finished(place, rung)
        rows = feasible_rows(self._history, len(self._history))
        Y = self._history.Y[rows][:, self._history.roles.optimized]
        return Look(
            self._rungs.at(place, rung),
            self._rungs.others(place, rung),
            then,
            finished,
            Y[non_dominated(Y)],
            self._history.thresholds(),
            self._history.roles.optimized,
        )

    def _apply_suggestion(self, suggestion: Suggestion) -> None:
        place = suggestion.ordinal - 1
        trial = self._trials.get(suggestion.id)
        if trial is None or suggestion.attempt > trial.attempt:
            expected = [MetricValue(p.metric, p.mean) for p in suggestion.provenance.predictions]
            trial = self._trials[suggestion.id] = _Trial(place, self._vector(expected), suggestion.attempt)
            self._rungs.forget(place)
        # Whoever was asked to stop needs no second verdict.
        trial.leased = suggestion.state is State.LEASED and not suggestion.stop_reason
        if suggestion.state in (State.CANCELLED, State.LOST):
            del self._trials[suggestion.id]
            self._rungs.forget(place)

    def _apply_observation(self, observation: Observation) -> None:
        self._history.add_observation(observation)
        trial = self._trials.get(observation.suggestion_id)
        if trial is None:
            return
        trial.leased = False
        # An amended result may be OK no more, or crashed no more.
        kind = observation.outcome.kind
        final = self._vector(observation.values) if kind is OutcomeKind.OK else None
        self._rungs.end(trial.place, final, hidden=kind is OutcomeKind.CRASHED)

    def _apply_checkpoint(self, checkpoint: Checkpoint) -> bool:
        trial = self._trials.get(checkpoint.suggestion_id)
        if trial is None or checkpoint.attempt != trial.attempt:
            return False
        told = self._vector(checkpoint.values)
        trial.now = np.where(np.isfinite(told), told, trial.now)
        rung = self._rung(checkpoint.step)
        return rung >= 0 and self._rungs.reach(trial.place, rung, trial.now)

    def _rung(self, step: int) -> int:
        """The last rung at or before a step, from 0; -1: none.

        The first lies at the first step that says something, each other at `reduction` times the one before,
        and none at the end of a training, where there is nothing left to stop.
        """
        stopping, fidelity = self.experiment.early_stopping, self.experiment.fidelity
        if stopping is None or (fidelity and step >= fidelity.max):
            return -1
        rung, at = -1, first_step(fidelity, stopping)
        while at <= step:
            rung, at = rung + 1, at * stopping.reduction
        return rung

    def _vector(self, values: Iterable[MetricValue]) -> Array:
        roles = self._history.roles
        vector = np.full(len(roles.names), np.nan)
        for value in values:
            if value.metric in roles.column:
                j = roles.column[value.metric]
                vector[j] = roles.sign[j] * value.value
        return vector


def _first_values(observation: Observation) -> tuple[MetricValue, ...]:
    """The values as they were reported, before anybody amended them."""
    return observation.amendments[0].former_values if observation.amendments else observation.values
