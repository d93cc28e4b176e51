"""The optimizer's view of one experiment: plain arrays, grown in place, never rebuilt.

One row per observation, ordered by the observation's `ordinal`. Rows nearly always arrive in order and are
appended; a late row is inserted and an amended one replaced, and what was learned from rows at or after it is
forgotten, so that the state is a function of the set of observations and not of the order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from paretune.experiment import Experiment, Goal, RelativeThreshold
from paretune.observation import Observation, OutcomeKind, Suggestion, SuggestionState
from paretune.parameters import Assignments, Scalar
from paretune_optimizer.metrics import Roles
from paretune_optimizer.space.encoding import Encoding

if TYPE_CHECKING:
    from paretune_optimizer.model.surrogate import Learned, Surrogate

Array = NDArray[np.float64]
Ints = NDArray[np.intp]


class History:
    """All that is known of one experiment, as arrays.

    Attributes:
        experiment: the experiment; `update_experiment` replaces it.
        encoding: translator of its search space.
        roles: signs and strategies of its metrics.
        default_waits: whether the user's defaults were neither suggested nor observed yet.
        learned: hyperparameters by (column or -1 for feasibility, rows seen, cold, loggable, threshold
            of a constraint); see `surrogate`.
        surrogate: models of the current rows, or None until somebody asks.
        fitted_at: when hyperparameters were last fitted, in seconds of the caller's clock; None: never.
    """

    def __init__(self, experiment: Experiment) -> None:
        """Start empty."""
        self.experiment = experiment
        self.encoding = Encoding(experiment.space)
        self.roles = Roles(experiment)
        self.default_waits = self.encoding.default is not None
        self.observations: list[Observation] = []
        self.version = 0
        self.learned: dict[tuple[int, int, bool, bool, float | None], Learned] = {}
        self.surrogate: Surrogate | None = None
        self.fitted_at: float | None = None
        self._pending: dict[str, tuple[int, Array]] = {}  # id -> ordinal, coordinates
        self._row: dict[str, int] = {}  # observation id -> row
        self._Z = np.empty((16, self.encoding.dimension))
        self._Y = np.empty((16, len(experiment.metrics)))
        self._S = np.empty((16, len(experiment.metrics)))
        self._outcome = np.empty(16, dtype=np.int8)

    def __len__(self) -> int:
        return len(self.observations)

    @property
    def Z(self) -> Array:  # noqa: N802 - a matrix
        """Coordinates of the observations (n x p)."""
        return self._Z[: len(self)]

    @property
    def Y(self) -> Array:  # noqa: N802 - a matrix
        """Minimised values (n x M), NaN where not measured. M counts all metrics, stored ones too.

        Of trainings that were stopped early: what they were heading for, where that is known.
        """
        return self._Y[: len(self)]

    @property
    def stddev(self) -> Array:
        """Reported standard errors (n x M), NaN where unknown."""
        return self._S[: len(self)]

    @property
    def outcome(self) -> NDArray[np.int8]:
        """Values of `OutcomeKind` (n)."""
        return self._outcome[: len(self)]

    @property
    def ok(self) -> Ints:
        """Rows whose training finished."""
        return np.flatnonzero(self.outcome == OutcomeKind.OK.value)

    def add_observation(self, observation: Observation, projected: tuple[Array, Array] | None = None) -> None:
        """Add a result, or replace the one with the same id (an amendment).

        Args:
            observation: valid for the experiment. Its suggestion, if any, stops being pending.
            projected: of a training that was stopped early: minimised values that it was heading for and
                their standard deviations (M each, NaN where unknown), which stand in `Y` and `stddev` for the
                last ones that it had.
        """
        self._pending.pop(observation.suggestion_id, None)
        row = self._row.get(observation.id) if observation.id else None
        appended = row is None
        if row is None:
            row = len(self)
            while row and self.observations[row - 1].ordinal > observation.ordinal:
                row -= 1
            self._open(row)
            self.observations.insert(row, observation)
            if observation.id:
                self._row[observation.id] = row
        else:
            self.observations[row] = observation
        self._fill(row, observation)
        if projected is not None:
            mean, deviation = projected
            known = np.isfinite(mean)
            self._Y[row, known], self._S[row, known] = mean[known], deviation[known]
        if not appended or row < len(self) - 1:
            self._forget(row)
        self.version += 1
        self.surrogate = None

    def row_of(self, observation_id: str) -> int:
        """Return the row of an observation; KeyError if there is none with this id."""
        return self._row[observation_id]

    def set_suggestion(self, suggestion: Suggestion) -> None:
        """Note the state of a suggestion: queued and leased ones are pending, all others are not."""
        if suggestion.state in (SuggestionState.QUEUED, SuggestionState.LEASED):
            self.add_pending(suggestion.id, suggestion.ordinal, suggestion.assignments)
        else:
            self._coordinates(suggestion.assignments)
            self.remove_pending(suggestion.id)

    def add_pending(self, key: str, ordinal: int, assignments: Mapping[str, Scalar]) -> None:
        """Note that a configuration is being trained; `key` is the suggestion's id."""
        self._pending[key] = (ordinal, self._coordinates(assignments))

    def remove_pending(self, key: str) -> None:
        """Note that a suggestion was observed, cancelled or lost; unknown keys are fine."""
        self._pending.pop(key, None)

    @property
    def pending(self) -> Array:
        """Coordinates of configurations in training (b x p), ordered by suggestion ordinal."""
        rows = [z for _, _, z in sorted((o, key, z.tolist()) for key, (o, z) in self._pending.items())]
        return np.array(rows).reshape(-1, self.encoding.dimension)

    @property
    def next_ordinal(self) -> int:
        """A suggestion ordinal that no observation or pending suggestion can have used yet."""
        return max([len(self), *(ordinal for ordinal, _ in self._pending.values())]) + 1

    def update_experiment(self, experiment: Experiment) -> None:
        """Take over new metadata, budget or thresholds of the same experiment.

        Raises:
            ValueError: if the space or the names and goals of metrics changed; start a new History then.
        """
        same = [(m.name, m.goal, m.strategy) for m in experiment.metrics]
        if experiment.space != self.experiment.space or same != [
            (m.name, m.goal, m.strategy) for m in self.experiment.metrics
        ]:
            raise ValueError("the search space or the metrics changed")
        self.experiment = experiment
        self.roles = Roles(experiment)
        self.surrogate = None

    def thresholds(self) -> Array:
        """Return the minimised threshold of each metric (M), NaN where there is none (yet).

        Nothing is asked of metrics that are only stored: NaN, whatever the user declared.
        A relative threshold is its factor times the value of the baseline observation; until that
        observation has a value there is no threshold.
        """
        out = np.full(len(self.roles.metrics), np.nan)
        for j in self.roles.modelled:
            metric = self.roles.metrics[j]
            bound = metric.threshold
            if isinstance(bound, RelativeThreshold):
                row = self._row.get(bound.baseline_observation_id)
                value = self.observations[row].value(metric.name) if row is not None else None
                out[j] = np.nan if value is None else self.roles.sign[j] * bound.factor * value
            elif bound is not None:
                out[j] = self.roles.sign[j] * bound
        return out

    def user_value(self, column: int, minimised: float) -> float:
        """Return a minimised value in the user's direction."""
        return -minimised if self.roles.metrics[column].goal is Goal.MAXIMIZE else minimised

    def assignments(self, z: Array) -> Assignments:
        """Return the configuration at coordinates (p)."""
        return self.encoding.decode(z)

    def _coordinates(self, assignments: Mapping[str, Scalar]) -> Array:
        """Return the coordinates (p) of a configuration, and note if it is that of the defaults."""
        z, default = self.encoding.encode(assignments), self.encoding.default
        if self.default_waits and default is not None and np.array_equal(z, default):
            self.default_waits = False
        return z

    def _fill(self, row: int, observation: Observation) -> None:
        self._Z[row] = self._coordinates(observation.assignments)
        self._Y[row], self._S[row] = np.nan, np.nan
        self._outcome[row] = observation.outcome.kind.value
        for value in observation.values:
            j = self.roles.column.get(value.metric)
            if j is not None:
                self._Y[row, j] = self.roles.sign[j] * value.value
                self._S[row, j] = np.nan if value.stddev is None else value.stddev

    def _open(self, row: int) -> None:
        """Make room for one more row at a place; doubling keeps the cost per row constant."""
        n = len(self)
        if n == self._Z.shape[0]:
            self._Z, self._Y, self._S = (
                np.resize(a, (2 * n, a.shape[1])) for a in (self._Z, self._Y, self._S)
            )
            self._outcome = np.resize(self._outcome, 2 * n)
        if row < n:
            for a in (self._Z, self._Y, self._S):
                a[row + 1 : n + 1] = a[row:n].copy()
            self._outcome[row + 1 : n + 1] = self._outcome[row:n].copy()
            self._row = {key: at + (at >= row) for key, at in self._row.items()}

    def _forget(self, row: int) -> None:
        """Drop hyperparameters that were learned from more rows than lie before a changed one."""
        self.learned = {key: value for key, value in self.learned.items() if key[1] <= row}
