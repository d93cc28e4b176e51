"""Whose turn it is: which experiment a free slot works for next."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from paretune.errors import NotFound
from paretune.experiment import Experiment, ExperimentState

log = logging.getLogger("paretune.trainer")

CRASHES_IN_A_ROW: Final = 5
"""After so many crashes of one experiment on this node, pauses between its trials grow."""

LONGEST_PAUSE: Final = 60.0
LONGEST_REFUSAL: Final = 600.0


class ExperimentClient(Protocol):
    """What is needed of `paretune.client.Client` to find work."""

    def get_experiment(self, experiment_id: str) -> Experiment:
        """One experiment."""
        ...

    def list_experiments(self, states: Iterable[ExperimentState] = ()) -> Iterator[Experiment]:
        """All experiments in these states."""
        ...


@dataclass
class _Notes:
    """What this node remembers of an experiment. Times are seconds of the rota's clock."""

    last_turn: float = 0.0
    rest_until: float = 0.0
    running: int = 0
    crashes: int = 0
    refusals: int = 0
    refused_because: str = ""


class Rota:
    """Shares the slots fairly between experiments: fewest running trials first, then longest waiting.

    Thread-safe.

    Args:
        client: how experiments are found.
        only: ids to work for; empty: all that name a workload.
        project: project to work for; empty: any.
        fresh: seconds for which a list of experiments is good.
        clock: seconds, monotonic.
        unable: where it is written down which experiments are refused, by id, and why.
    """

    def __init__(
        self,
        client: ExperimentClient,
        only: Sequence[str] = (),
        *,
        project: str = "",
        fresh: float = 0.4,
        clock: Callable[[], float] = time.monotonic,
        unable: dict[str, str] | None = None,
    ) -> None:
        self._client, self._only, self._project = client, tuple(only), project
        self._fresh, self._clock = fresh, clock
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._known: list[Experiment] = []
        self._known_at = float("-inf")
        self._notes: dict[str, _Notes] = {}
        self._unable = {} if unable is None else unable

    def next(self) -> Experiment | None:
        """The experiment whose turn it is; None when none wants a trial now. Pair it with `done`.

        Raises:
            ParetuneError: the list could not be had.
        """
        self._refresh()
        with self._lock:
            now = self._clock()
            waiting = [e for e in self._known if self._wants_trials(e) and self._of(e).rest_until <= now]
            if not waiting:
                return None
            chosen = min(waiting, key=lambda e: (self._of(e).running, self._of(e).last_turn))
            self._of(chosen).running += 1
            self._of(chosen).last_turn = now
            return chosen

    def _refresh(self) -> None:
        # A lock of its own: while no answer comes, slots that end a trial must not wait for it.
        with self._refreshing:
            if self._clock() - self._known_at >= self._fresh:
                self._known, self._known_at = self._read(), self._clock()

    def _read(self) -> list[Experiment]:
        if not self._only:
            listed = self._client.list_experiments([ExperimentState.ACTIVE])
            return [one for one in listed if self._project in ("", one.project)]
        found = []
        for name in self._only:
            try:
                found.append(self._client.get_experiment(name))
            except NotFound:
                with self._lock:
                    self._refuse(name, f"There is no experiment {name!r}.")
        return found

    @staticmethod
    def _wants_trials(experiment: Experiment) -> bool:
        if experiment.state is not ExperimentState.ACTIVE or experiment.workload is None:
            return False
        budget, progress = experiment.observation_budget, experiment.progress
        return not budget or progress.observations + progress.leased < budget

    def _of(self, experiment: Experiment) -> _Notes:
        return self._notes.setdefault(experiment.id, _Notes())

    def done(self, experiment: Experiment) -> None:
        """The turn is over."""
        with self._lock:
            self._of(experiment).running -= 1

    def rest(self, experiment: Experiment, seconds: float) -> None:
        """Leave it alone for a while."""
        with self._lock:
            notes = self._of(experiment)
            notes.rest_until = max(notes.rest_until, self._clock() + seconds)

    def refuse(self, experiment: Experiment, why: str) -> None:
        """This node cannot run it: say so once, and look again after ever longer pauses."""
        with self._lock:
            self._refuse(experiment.id, why)

    def _refuse(self, experiment_id: str, why: str) -> None:
        notes = self._notes.setdefault(experiment_id, _Notes())
        if notes.refused_because != why:
            log.error("experiment %s is left alone: %s", experiment_id, why)
            notes.refused_because, notes.refusals = why, 0
            self._unable[experiment_id] = why
        notes.refusals += 1
        notes.rest_until = self._clock() + min(15.0 * 2.0 ** min(notes.refusals, 10), LONGEST_REFUSAL)

    def ran(self, experiment: Experiment, *, crashed: bool) -> None:
        """A trial was recorded: one crash after the other slows the experiment down on this node."""
        with self._lock:
            notes = self._of(experiment)
            notes.refused_because = ""
            self._unable.pop(experiment.id, None)
            notes.crashes = notes.crashes + 1 if crashed else 0
            excess = notes.crashes - CRASHES_IN_A_ROW
            if excess < 0:
                return
            pause = min(2.0 ** min(excess, 10), LONGEST_PAUSE)
            notes.rest_until = self._clock() + pause
        log.warning(
            "experiment %s crashed %d times in a row; next in %g s", experiment.id, notes.crashes, pause
        )
