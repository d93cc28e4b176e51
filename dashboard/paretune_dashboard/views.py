"""Views: one experiment each, followed as it changes, shared by browsers that look with the same token."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from paretune.errors import (
    InvalidArgument,
    NotFound,
    ParetuneError,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from paretune.v1 import store_pb2, types_pb2
from paretune_dashboard.columns import Columns
from paretune_dashboard.plain import plain
from paretune_dashboard.services import Services

log = logging.getLogger("paretune.dashboard")

PAGE = 1000
MAX_VIEWS = 12
MAX_ROWS = 400_000
"""Rows kept in all views together: those that nobody looks at go first."""
ACTIVE = (types_pb2.SUGGESTION_STATE_QUEUED, types_pb2.SUGGESTION_STATE_LEASED)
ENDINGS = {
    "cancelled": types_pb2.SUGGESTION_STATE_CANCELLED,
    "lost": types_pb2.SUGGESTION_STATE_LOST,
}
"""Counters of states in which suggestions end without an observation."""
PAUSE_SECONDS = 1.0


class View:
    """One experiment as of now.

    Attributes:
        experiment: as of the last event.
        columns: its observations.
        active: suggestions that wait or are trained, by id.
        replaced: how often a known observation changed, which moves no row.
        version: grows with every change.
    """

    def __init__(self, services: Services, experiment_id: str, token: str) -> None:
        self._services, self._id, self._token = services, experiment_id, token
        self.experiment = types_pb2.Experiment()
        self.columns = Columns(self.experiment)
        self.active: dict[str, types_pb2.Suggestion] = {}
        self.checkpoints: dict[str, types_pb2.Checkpoint] = {}
        self.replaced = 0
        self.version = 0
        self.complete = False
        self.failure: ParetuneError | None = None
        self.users = 0
        self.used = time.monotonic()
        self._sequence = 0
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._follow())

    async def ready(self) -> None:
        """Return once all observations are there.

        Raises:
            ParetuneError: the experiment cannot be read.
        """
        while not self.complete:
            await self._turn()

    async def begun(self) -> None:
        """Return once there are some rows to look at, or it is known that there are none.

        Raises:
            ParetuneError: the experiment cannot be read.
        """
        while not (self.complete or self.columns.count):
            await self._turn()

    def progress(self) -> dict[str, Any]:
        """Counts as of now: those of `experiment` are as old as its last change."""
        if not self.complete:
            return plain(self.experiment.progress)
        counted = {name: getattr(self.experiment.progress, name) for name in ENDINGS}
        states = [suggestion.state for suggestion in self.active.values()]
        leased = states.count(types_pb2.SUGGESTION_STATE_LEASED)
        return counted | self.columns.progress() | {"leased": leased, "queued": len(states) - leased}

    async def _turn(self) -> None:
        moved = self._moved
        if self.failure:
            raise self.failure
        await moved.wait()

    async def moved(self, seen: int, seconds: float) -> bool:
        """Whether something changed since version `seen`, now or within so many seconds.

        Raises:
            ParetuneError: the experiment cannot be read any more.
        """
        if self.version == seen and not self.failure:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), seconds)
        if self.failure:
            raise self.failure
        return self.version != seen

    def end(self) -> None:
        """Stop following."""
        self._task.cancel()

    def _wake(self) -> None:
        self.version += 1
        self._moved.set()
        self._moved = asyncio.Event()

    async def _follow(self) -> None:
        while True:
            try:
                if not self.complete:
                    await self._read()
                await self._watch()
            except (InvalidArgument, NotFound, PermissionDenied, Unauthenticated) as error:
                if error.reason == "INVALID_TOKEN":  # the Store was restored: what is known may be lost there
                    self._forget()
                else:
                    self.failure = error
            except ParetuneError as error:
                log.info("%s is read on: %s", self._id, error)
                if not self.complete:
                    self.failure = error
            except Exception:
                log.exception("the view of %s failed", self._id)
                self.failure = Unavailable("A bug in the dashboard; its log has the details.")
            if self.failure:
                self._wake()
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _forget(self) -> None:
        self.columns = Columns(self.experiment)
        self.checkpoints.clear()
        self.replaced += 1
        self.complete = False

    async def _read(self) -> None:
        """Read what is there, which holds all events up to a number at least; later ones are watched for."""
        request = store_pb2.GetExperimentRequest(experiment_id=self._id)
        reply = await self._services.call("StoreService.GetExperiment", request, self._token)
        if not self.columns.count:
            self.columns = Columns(reply.experiment)
        self.experiment.CopyFrom(reply.experiment)
        self._sequence = reply.event_sequence
        await self._read_active()
        # Observations come last: a browser may look at the first ones meanwhile.
        listed = store_pb2.ListObservationsRequest(experiment_id=self._id, page_size=PAGE)
        while True:
            page = await self._services.call("StoreService.ListObservations", listed, self._token)
            for observation in page.observations:
                self.columns.put(observation)
            if not page.next_page_token:
                break
            listed.page_token = page.next_page_token
            self._wake()
        self.complete = True
        self._wake()

    async def _read_active(self) -> None:
        self.active.clear()
        request = store_pb2.ListSuggestionsRequest(experiment_id=self._id, page_size=PAGE, states=ACTIVE)
        page = await self._services.call("StoreService.ListSuggestions", request, self._token)
        for suggestion in page.suggestions:
            self.active[suggestion.id] = suggestion

    async def _watch(self) -> None:
        request = store_pb2.WatchRequest(experiment_id=self._id, after_sequence=self._sequence)
        async for reply in self._services.stream("StoreService.Watch", request, self._token):
            for change in reply.events:
                self._apply(change)
                self._sequence = change.sequence
            if reply.events:
                self._wake()

    def _apply(self, change: Any) -> None:
        kind = change.WhichOneof("change")
        if kind == "experiment":
            self.experiment.CopyFrom(change.experiment)
        elif kind == "suggestion":
            suggestion = change.suggestion
            if suggestion.state in ACTIVE:
                self.active[suggestion.id] = suggestion
            else:
                self.active.pop(suggestion.id, None)
                for name, state in ENDINGS.items():
                    if suggestion.state == state:
                        progress = self.experiment.progress
                        setattr(progress, name, getattr(progress, name) + 1)
            self.checkpoints.pop(suggestion.id, None)
        elif kind == "observation":
            known = change.observation.ordinal <= self.columns.count
            self.replaced += known and self.columns.ids[change.observation.ordinal - 1] != ""
            self.columns.put(change.observation)
        elif kind == "checkpoint":
            self.checkpoints[change.checkpoint.suggestion_id] = change.checkpoint


class Views:
    """All views of this process, at most so many, the longest unused ended first."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._views: dict[tuple[str, str], View] = {}

    @asynccontextmanager
    async def of(self, experiment_id: str, token: str) -> AsyncIterator[View]:
        """The view of an experiment, kept while the block runs.

        Raises:
            ParetuneError: this token may not read it, or it does not exist.
        """
        # Asked for every time: a token may have been withdrawn since the view was begun.
        request = store_pb2.GetExperimentRequest(experiment_id=experiment_id)
        await self._services.call("StoreService.GetExperiment", request, token)
        key = (experiment_id, token)
        view = self._views.get(key)
        if view is None or view.failure:
            view = self._views[key] = View(self._services, experiment_id, token)
            self._shrink()
        view.users += 1
        try:
            yield view
        finally:
            view.users -= 1
            view.used = time.monotonic()

    def _shrink(self) -> None:
        idle = sorted((v.used, key) for key, v in self._views.items() if not v.users and v.complete)
        rows = sum(view.columns.count for view in self._views.values())
        for _, key in idle:
            if len(self._views) <= MAX_VIEWS and rows <= MAX_ROWS:
                return
            view = self._views.pop(key)
            rows -= view.columns.count
            view.end()

    def close(self) -> None:
        """End all views."""
        for view in self._views.values():
            view.end()


def not_found(ordinal: int) -> NotFound:
    """There is no such row."""
    return NotFound(f"There is no trial {ordinal}.", metadata={"kind": "observation", "id": str(ordinal)})
