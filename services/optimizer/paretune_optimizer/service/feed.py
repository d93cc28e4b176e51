"""Live views: each experiment's History, fed by the Store's Watch stream, never re-read.

A view follows the events of one experiment from its first. Whoever needs it as current as some reply of the
Store waits for that reply's event sequence, and holds the view's lock while reading, so that nothing changes
under a computation.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc

from paretune import wire
from paretune.errors import (
    DeadlineExceeded,
    ParetuneError,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from paretune.rpc.credentials import NONE, Credentials
from paretune.rpc.status import error_of
from paretune.v1 import store_pb2, store_pb2_grpc
from paretune_optimizer.history import History
from paretune_optimizer.service.ahead import Ahead
from paretune_optimizer.service.view import View

log = logging.getLogger("paretune")

RETRY_SECONDS = 0.2


class Feed:
    """The views of all experiments that somebody asks about.

    Args:
        channel: to the Store.
        capacity: views kept; the least recently used ones are dropped and rebuilt when asked for.
        ahead: makes suggestions before anybody asks; None: nobody does.
        credentials: whose token is used for following; it must be for all projects.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        capacity: int = 100,
        ahead: Ahead | None = None,
        credentials: Credentials = NONE,
    ) -> None:
        """No views yet."""
        self._ahead = ahead
        self._credentials = credentials
        self._store = store_pb2_grpc.StoreServiceStub(channel)
        self._capacity = capacity
        self._views: OrderedDict[str, View] = OrderedDict()

    @asynccontextmanager
    async def view(
        self, experiment_id: str, sequence: int, timeout: float, *, patient: bool = False
    ) -> AsyncIterator[tuple[View, History]]:
        """The locked view of an experiment, at least as current as the event `sequence`.

        Args:
            experiment_id: an experiment that exists.
            sequence: event sequence of a reply of the Store.
            timeout: seconds to wait for the events.
            patient: let work that was begun ahead come to its end, because its result is wanted.

        Raises:
            DeadlineExceeded: the events did not arrive in time.
            NotFound: the experiment was deleted.
            Unavailable: early stops were turned on right now, and the events are read with checkpoints.
        """
        view = self._open(experiment_id)
        view.users += 1
        try:
            await self._reach(view, experiment_id, sequence, timeout)
            async with view.held(patient=patient):
                if view.history is None:
                    raise Unavailable(f"The history of {experiment_id} is read once more; try again.")
                yield view, view.history
        finally:
            view.users -= 1

    @asynccontextmanager
    async def turn(self, experiment_id: str, timeout: float) -> AsyncIterator[View]:
        """The right to make suggestions for an experiment, one caller at a time.

        Without it callers would compute for the same ordinal side by side, and all but one would do it again.

        Args:
            experiment_id: an experiment that exists.
            timeout: seconds to wait.

        Raises:
            DeadlineExceeded: others took all the time.
        """
        view = self._open(experiment_id)
        view.users += 1
        try:
            try:
                await asyncio.wait_for(view.turn.acquire(), timeout)
            except TimeoutError:
                raise DeadlineExceeded(
                    f"Others wait for suggestions too: no turn came within {timeout:.1f} s; try again."
                ) from None
            try:
                yield view
            finally:
                view.turn.release()
                async with view.moved:
                    view.moved.notify_all()  # work ahead waits for the turn to be free
        finally:
            view.users -= 1

    async def close(self) -> None:
        """Stop following."""
        tasks = [task for view in self._views.values() for task in view.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._views.clear()

    def _open(self, experiment_id: str) -> View:
        view = self._views.get(experiment_id)
        if view is None or view.failure is not None:
            view = self._views[experiment_id] = View()
            view.tasks.append(asyncio.create_task(self._follow(experiment_id, view)))
            if self._ahead is not None:
                view.tasks.append(asyncio.create_task(self._ahead.follow(view)))
        self._views.move_to_end(experiment_id)
        for key in [key for key, old in self._views.items() if not old.users and old is not view]:
            if len(self._views) <= self._capacity:
                break
            for task in self._views.pop(key).tasks:
                task.cancel()
        return view

    async def _reach(self, view: View, experiment_id: str, sequence: int, timeout: float) -> None:
        def ready() -> bool:
            if view.history is None or view.sequence < sequence or view.ordinal < view.leased:
                return view.failure is not None
            return True

        async with view.moved:
            try:
                await asyncio.wait_for(view.moved.wait_for(ready), timeout)
            except TimeoutError:
                raise DeadlineExceeded(
                    f"The history of {experiment_id} did not arrive from the Store within {timeout:.1f} s; "
                    "try again, it goes on loading."
                ) from None
        if view.failure is not None:
            raise view.failure

    async def _follow(self, experiment_id: str, view: View) -> None:
        while True:
            try:
                await self._stream(experiment_id, view)
            except grpc.aio.AioRpcError as failure:
                error = error_of(failure)
                if isinstance(error, Unauthenticated | PermissionDenied):
                    log.error("the Store refuses the Optimizer's own token: %s", error)
                    error = Unavailable(
                        "The Optimizer's own token is refused by the Store; its log says why."
                    )
                    await self._fail(view, error)
                    return
                if not isinstance(error, Unavailable):
                    await self._fail(view, error)
                    return
            except ValueError as error:  # the search space changed: only a new view can show it
                await self._fail(view, Unavailable(f"The experiment changed ({error}); try again."))
                return
            except Exception as error:
                log.exception("the view of %s stopped", experiment_id)
                await self._fail(view, Unavailable(f"The view of the experiment broke ({error}); try again."))
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _stream(self, experiment_id: str, view: View) -> None:
        request = store_pb2.WatchRequest(
            experiment_id=experiment_id,
            resume_token=view.resume_token,
            skip_checkpoints=not view.with_checkpoints,
        )
        async for reply in self._store.Watch(
            request, wait_for_ready=True, metadata=self._credentials.metadata()
        ):
            async with view.held():
                for event in reply.events:
                    view.apply(wire.event_from_proto(event))
                view.resume_token = reply.resume_token
                if view.lacks_checkpoints:
                    view.begin_again()
                    return
            async with view.moved:
                view.moved.notify_all()

    async def _fail(self, view: View, error: ParetuneError) -> None:
        with suppress(asyncio.CancelledError):
            async with view.moved:
                view.failure = error
                view.moved.notify_all()
