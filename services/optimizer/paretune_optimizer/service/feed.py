"""Live views: each experiment's History, fed by the Store's Watch stream, never re-read.

A view follows the events of one experiment from its first. Whoever needs it as current as some reply of the
Store waits for that reply's event sequence, and holds the view's lock while reading, so that nothing changes
under a computation.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import grpc

from paretune.errors import (
    DeadlineExceeded,
    NotFound,
    ParetuneError,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from paretune.rpc.credentials import NONE, Credentials
from paretune.v1 import store_pb2_grpc
from paretune_optimizer.history import History
from paretune_optimizer.service.ahead import Ahead
from paretune_optimizer.service.view import View
from paretune_optimizer.service.watching import watching

log = logging.getLogger("paretune")


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
            Unavailable: the view broke, or was found to be of another life of the Store; try again.
        """
        view, clock = self._open(experiment_id), asyncio.get_running_loop().time
        view.users += 1
        try:
            deadline = clock() + timeout
            while True:
                await self._reach(view, experiment_id, sequence, deadline - clock())
                async with view.held(patient=patient):
                    # Between the wait and the lock it may have begun anew.
                    if view.history is not None and view.reached(sequence):
                        yield view, view.history
                        return
        finally:
            view.users -= 1

    @asynccontextmanager
    async def turn(self, experiment_id: str, timeout: float) -> AsyncIterator[None]:
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
                yield
            finally:
                view.turn.release()
                async with view.moved:
                    view.moved.notify_all()  # work ahead waits for the turn to be free
        finally:
            view.users -= 1

    async def give_up(self, view: View) -> None:
        """Let whoever asks next read all events anew: this view knows what the Store does not."""
        await self._fail(view, Unavailable("The Store was restored from a copy; try again."))

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
            for task in view.tasks if view is not None else ():
                task.cancel()
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
        async with view.moved:
            try:
                await asyncio.wait_for(
                    view.moved.wait_for(lambda: view.failure is not None or view.reached(sequence)), timeout
                )
            except TimeoutError:
                raise DeadlineExceeded(
                    f"The history of {experiment_id} did not arrive from the Store in time; "
                    "try again, it goes on loading."
                ) from None
        if view.failure is not None:
            raise view.failure

    async def _follow(self, experiment_id: str, view: View) -> None:
        try:
            while True:
                await self._take_in(experiment_id, view)
        except NotFound as error:
            await self._fail(view, error)
        except (Unauthenticated, PermissionDenied) as error:
            log.error("the Store refuses the Optimizer's own token: %s", error)
            await self._fail(
                view, Unavailable("The Optimizer's own token is refused by the Store; its log says why.")
            )
        except ValueError as error:  # the search space changed: only a new view can show it
            await self._fail(view, Unavailable(f"The experiment changed ({error}); try again."))
        except Exception as error:
            log.exception("the view of %s stopped", experiment_id)
            await self._fail(view, Unavailable(f"The view of the experiment broke ({error}); try again."))

    async def _take_in(self, experiment_id: str, view: View) -> None:
        """Take events in until they have to be read once more, with checkpoints."""
        stream = watching(
            self._store, self._credentials, experiment_id, skip_checkpoints=not view.with_checkpoints
        )
        async with aclosing(stream):
            async for told in stream:
                async with view.held():
                    if told.anew:
                        view.begin_again()
                    async for event in told.events():
                        view.apply(event)
                    if view.lacks_checkpoints:
                        view.with_checkpoints = True
                        view.begin_again()
                        return
                async with view.moved:
                    view.moved.notify_all()

    async def _fail(self, view: View, error: ParetuneError) -> None:
        with suppress(asyncio.CancelledError):
            async with view.moved:
                view.failure = error
                view.moved.notify_all()
