"""The trainings of one experiment, as its events tell them: who is at which rung, and who ended how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

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

Array = NDArray[np.float64]


PROJECTED_BY = 0.8
"""Confidence whose number of neighbours, 4, projects a training that was stopped."""


@dataclass
class _Trial:
    """One training. Vectors are minimised (M), NaN where nothing is known.

    Attributes:
        now: latest value of each metric; at first what the model expected of it, if there was a model.
        rungs: the vector with which it reached each rung that it was seen at, by the rung's index.
    """

    now: Array
    attempt: int = 0
    leased: bool = False
    rungs: dict[int, Array] = field(default_factory=dict)
    final: Array | None = None


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
        if stopping is None or trial is None or not trial.leased or not trial.rungs:
            return None
        found = judge(self._look(suggestion_id, trial), stopping)
        if found is None:
            return None
        rule, reason = found
        return Stop(suggestion_id, trial.attempt, rule, f"{rule.name.lower()}: {self._named(reason)}")

    def projection(self, suggestion_id: str) -> tuple[Array, Array] | None:
        """Where a training that was stopped was heading, judged at its last rung.

        Returns:
            Mean and standard deviation of where the changes of its nearest neighbours would have taken it
            (M each), minimised, NaN where nothing is known; None while too few trainings have finished.
        """
        trial = self._trials.get(suggestion_id)
        if trial is None or not trial.rungs:
            return None
        ends = endings(self._look(suggestion_id, trial), PROJECTED_BY)
        return (np.mean(ends, axis=0), np.std(ends, axis=0, ddof=1)) if len(ends) else None

    def _named(self, reason: str) -> str:
        """The reason with metrics by name."""
        for j, name in enumerate(self._history.roles.names):
            reason = reason.replace(f"metric {j} ", f"{name} ")
        return reason

    def _look(self, suggestion_id: str, trial: _Trial) -> Look:
        rung = max(trial.rungs)
        here = [one for key, one in self._trials.items() if rung in one.rungs and key != suggestion_id]
        ended = [one for one in here if one.final is not None]
        width = trial.now.size
        rows = feasible_rows(self._history, len(self._history))
        Y = self._history.Y[rows][:, self._history.roles.optimized]
        return Look(
            trial.rungs[rung],
            _stack([one.rungs[rung] for one in here], width),
            _stack([one.rungs[rung] for one in ended], width),
            _stack([one.final for one in ended if one.final is not None], width),
            Y[non_dominated(Y)],
            self._history.thresholds(),
            self._history.roles.optimized,
        )

    def _apply_suggestion(self, suggestion: Suggestion) -> None:
        trial = self._trials.get(suggestion.id)
        if trial is None or suggestion.attempt > trial.attempt:
            expected = [MetricValue(p.metric, p.mean) for p in suggestion.provenance.predictions]
            trial = self._trials[suggestion.id] = _Trial(self._vector(expected), suggestion.attempt)
        # Whoever was asked to stop needs no second verdict.
        trial.leased = suggestion.state is State.LEASED and not suggestion.stop_reason
        if suggestion.state in (State.CANCELLED, State.LOST):
            del self._trials[suggestion.id]

    def _apply_observation(self, observation: Observation) -> None:
        self._history.add_observation(observation)
        trial = self._trials.get(observation.suggestion_id)
        if trial is None:
            return
        trial.leased = False
        # An amended result may be OK no more.
        trial.final = self._vector(observation.values) if observation.outcome.kind is OutcomeKind.OK else None
        if observation.outcome.kind is OutcomeKind.CRASHED:
            del self._trials[observation.suggestion_id]

    def _apply_checkpoint(self, checkpoint: Checkpoint) -> bool:
        trial = self._trials.get(checkpoint.suggestion_id)
        if trial is None or checkpoint.attempt != trial.attempt:
            return False
        told = self._vector(checkpoint.values)
        trial.now = np.where(np.isfinite(told), told, trial.now)
        rung = self._rung(checkpoint.step)
        if rung < 0 or rung in trial.rungs:
            return False
        trial.rungs[rung] = trial.now
        return True

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


def _stack(vectors: list[Array], width: int) -> Array:
    return np.array(vectors).reshape(-1, width)
