"""`AsyncTrial`: a `paretune.Trial` for ``async with``."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from paretune.client.trial import Trial
from paretune.observation import Directive, Observation
from paretune.parameters import Scalar


class AsyncTrial:
    """A `Trial` for ``async with``; its reports are awaited, everything else is the same.

    Attributes:
        trial: the blocking one.
        suggestion: as of `Trial`, as are `assignments` and `metadata`.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.suggestion, self.assignments, self.metadata = trial.suggestion, trial.assignments, trial.metadata

    def __getitem__(self, parameter: str) -> Scalar:
        """The value of an active parameter."""
        return self.trial[parameter]

    @property
    def observation(self) -> Observation | None:
        """As `Trial.observation`."""
        return self.trial.observation

    @property
    def should_stop(self) -> bool:
        """As `Trial.should_stop`."""
        return self.trial.should_stop

    @property
    def lost(self) -> bool:
        """As `Trial.lost`."""
        return self.trial.lost

    async def observe(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> Observation:
        """As `Trial.observe`."""
        return await asyncio.to_thread(self.trial.observe, values, **named)

    async def stopped_early(
        self, step: int, values: Mapping[str, Any] | None = None, /, **named: Any
    ) -> Observation:
        """As `Trial.stopped_early`."""
        return await asyncio.to_thread(self.trial.stopped_early, step, values, **named)

    async def infeasible(
        self, reason: str, values: Mapping[str, Any] | None = None, /, **named: Any
    ) -> Observation:
        """As `Trial.infeasible`."""
        return await asyncio.to_thread(self.trial.infeasible, reason, values, **named)

    async def crashed(self, error: BaseException | str) -> Observation:
        """As `Trial.crashed`."""
        return await asyncio.to_thread(self.trial.crashed, error)

    async def checkpoint(
        self, step: int, values: Mapping[str, Any] | None = None, /, **named: Any
    ) -> Directive:
        """As `Trial.checkpoint`."""
        return await asyncio.to_thread(self.trial.checkpoint, step, values, **named)

    async def release(self) -> None:
        """As `Trial.release`."""
        await asyncio.to_thread(self.trial.release)

    async def __aenter__(self) -> Self:
        self.trial.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return await asyncio.to_thread(self.trial.__exit__, kind, error, trace)
