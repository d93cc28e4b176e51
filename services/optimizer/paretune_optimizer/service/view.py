"""What the Optimizer knows of one experiment at a moment of the Store's sequence of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from paretune.errors import ParetuneError
from paretune.experiment import Experiment
from paretune.observation import Event, Observation, OutcomeKind, Proposal, Suggestion
from paretune_optimizer.history import History
from paretune_optimizer.stopping.board import Board


@dataclass(frozen=True)
class Prepared:
    """Suggestions that were made before anybody asked.

    Attributes:
        sequence: sequence number of the view when they were made; they are valid at no other.
        first: ordinal of the first of them.
        proposals: the suggestions; none if the space is exhausted.
        made: when, in monotonic seconds.
    """

    sequence: int
    first: int
    proposals: Sequence[Proposal]
    made: float


class View:
    """What the Optimizer knows of one experiment.

    Attributes:
        history: None until the first event, which carries the experiment.
        board: the learning curves of an experiment with early stops; None where nobody asked for checkpoints.
        sequence: sequence number of the last event applied.
        ordinal: largest suggestion ordinal seen.
        lock: held while `history` is read or changed.
        with_checkpoints: whether learning curves are read; see `lacks_checkpoints`.
        turn: held while suggestions are made and recorded, so that the next are made with these in view.
        leased: largest ordinal that this Optimizer had recorded; the view follows.
        waiting: how many wait for the lock and cannot wait for a suggestion made ahead; see `ahead`.
        asked: when somebody last asked for a suggestion, monotonic seconds; None: never.
        prepared: suggestions made ahead, valid while `sequence` is theirs.
        taken: those made ahead that were used last.
    """

    def __init__(self) -> None:
        """Nothing known yet."""
        self.history: History | None = None
        self.board: Board | None = None
        self.with_checkpoints = False
        self.sequence = 0
        self.ordinal = 0
        self.lock = asyncio.Lock()
        self.turn = asyncio.Lock()
        self.leased = 0
        self.failure: ParetuneError | None = None
        self.moved = asyncio.Condition()
        self.users = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.waiting = 0
        self.asked: float | None = None
        self.prepared: Prepared | None = None
        self.taken: Prepared | None = None

    @asynccontextmanager
    async def held(self, *, patient: bool = False) -> AsyncIterator[None]:
        """Hold the lock; unless `patient`, work that was begun ahead of any question makes way."""
        self.waiting += not patient
        try:
            await self.lock.acquire()
        finally:
            self.waiting -= not patient
        try:
            yield
        finally:
            self.lock.release()

    def apply(self, event: Event) -> None:
        """Take one event in. Events that were applied before change nothing."""
        if event.sequence <= self.sequence:
            return
        change, projected = event.change, None
        if self.board is not None:
            if isinstance(change, Observation) and change.outcome.kind is OutcomeKind.STOPPED_EARLY:
                projected = self.board.projection(change)
            self.board.apply(event)
        if isinstance(change, Experiment):
            if self.history is None:
                self.history = History(change)
                self.board = Board(change) if self.with_checkpoints else None
            else:
                self.history.update_experiment(change)
        elif self.history is not None and isinstance(change, Suggestion):
            self.history.set_suggestion(change)
            self.ordinal = max(self.ordinal, change.ordinal)
        elif self.history is not None and isinstance(change, Observation):
            self.history.add_observation(change, projected)
        self.sequence = event.sequence

    def reached(self, sequence: int) -> bool:
        """Whether everything up to an event of the Store, and what was leased here, is in view."""
        return self.history is not None and self.sequence >= sequence and self.ordinal >= self.leased

    @property
    def lacks_checkpoints(self) -> bool:
        """Whether early stops are wanted, and learning curves were not read: begin again with them."""
        wanted = self.history is not None and self.history.experiment.early_stopping is not None
        return wanted and not self.with_checkpoints

    def begin_again(self) -> None:
        """Forget all events, and whatever was made from them, to take them in once more."""
        self.history = self.board = None
        self.sequence = self.ordinal = self.leased = 0
        self.prepared = self.taken = None
