"""Early stops in service: follows the checkpoints of experiments that want them, and says whom to stop.

docs/decisions/0013-early-stopping.md says why it is done here.
"""

import asyncio
import logging
from contextlib import aclosing

import grpc

from paretune.errors import NotFound, ParetuneError
from paretune.experiment import Experiment
from paretune.rpc.channel import new_request_id
from paretune.rpc.credentials import NONE, Credentials
from paretune.v1 import store_pb2, store_pb2_grpc, types_pb2
from paretune_optimizer.service.watching import Told, watching
from paretune_optimizer.stopping.board import Board, Stop

log = logging.getLogger("paretune")

LOOK_SECONDS = 5.0
"""How often it is looked for experiments that want early stops."""
LOOK_SHARE = 0.05
"""Share of the time that looking may take: it lists all active experiments."""
CALL_SECONDS = 10.0
MOST = 400
"""Experiments followed at once: with forwarded streams, fewer than one connection takes."""


class _Followed:
    """One experiment, as far as its events were read."""

    def __init__(self) -> None:
        self._board: Board | None = None
        self._moved: set[str] = set()

    async def take(self, told: Told) -> None:
        """Take the events of one message of the stream in."""
        if told.anew:
            self._board, self._moved = None, set()
        async for event in told.events():
            if self._board is None and isinstance(event.change, Experiment):
                self._board = Board(event.change)
            elif self._board is not None and (moved := self._board.apply(event)):
                self._moved.add(moved)

    def stops(self) -> list[Stop]:
        """Which of the trainings that reached a rung since the last call should be stopped."""
        moved, self._moved = sorted(self._moved), set()
        verdicts = [self._board.verdict(key) for key in moved] if self._board else []
        return [stop for stop in verdicts if stop is not None]


class StopFeed:
    """Follows active experiments with early stopping, one task each, from `start` to `close`.

    Args:
        channel: to the Store.
        streams: another one, for following.
        credentials: whose token is used; it must be for all projects.
        look_seconds: how often to look for experiments.
        most: experiments followed at once.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        streams: grpc.aio.Channel,
        credentials: Credentials = NONE,
        look_seconds: float = LOOK_SECONDS,
        most: int = MOST,
    ) -> None:
        """Nothing is followed yet."""
        self._credentials = credentials
        self._store = store_pb2_grpc.StoreServiceStub(channel)
        self._streams = store_pb2_grpc.StoreServiceStub(streams)
        self._most = most
        self._look_seconds = look_seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look for experiments."""
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = [*self._tasks.values(), *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            try:
                wanted = await self._wanted()
            except (grpc.aio.AioRpcError, ParetuneError) as error:
                log.info("experiments that want early stops are not known: %s", _said(error))
            except Exception:
                log.exception("experiments that want early stops are not known")
            else:
                for key in [key for key in self._tasks if key not in wanted or self._tasks[key].done()]:
                    self._tasks.pop(key).cancel()
                self._begin(wanted - self._tasks.keys())
            await asyncio.sleep(max(self._look_seconds, (clock() - begun) / LOOK_SHARE))

    def _begin(self, keys: set[str]) -> None:
        """Follow experiments, as far as there is room."""
        room = max(self._most - len(self._tasks), 0)
        for key in sorted(keys)[:room]:
            self._tasks[key] = asyncio.create_task(self._follow(key))
        if len(keys) > room:
            log.warning(
                "%d more experiments want early stops than the %d that are followed: pause or finish some",
                len(keys) - room, self._most,
            )  # fmt: skip

    async def _wanted(self) -> set[str]:
        request = store_pb2.ListExperimentsRequest(states=[types_pb2.EXPERIMENT_STATE_ACTIVE], page_size=1000)
        found: set[str] = set()
        while True:
            reply = await self._store.ListExperiments(
                request, timeout=CALL_SECONDS, wait_for_ready=True, metadata=self._credentials.metadata()
            )
            found |= {one.id for one in reply.experiments if one.HasField("early_stopping")}
            if not reply.next_page_token:
                return found
            request.page_token = reply.next_page_token

    async def _follow(self, experiment_id: str) -> None:
        """Follow one experiment; when this ends, `_look` begins again if it is still wanted."""
        followed = _Followed()
        try:
            async with aclosing(watching(self._streams, self._credentials, experiment_id)) as stream:
                async for told in stream:
                    await followed.take(told)
                    for stop in followed.stops() if told.reply.caught_up else ():
                        await self._stop(experiment_id, stop)
        except NotFound:
            return
        except ParetuneError as error:
            log.error("early stops of %s end for now: %s", experiment_id, error)
        except Exception:
            log.exception("early stops of %s end for now", experiment_id)

    async def _stop(self, experiment_id: str, stop: Stop) -> None:
        request = store_pb2.StopSuggestionRequest(
            suggestion_id=stop.suggestion_id,
            attempt=stop.attempt,
            reason=stop.reason,
            request_id=new_request_id(),
        )
        try:
            await self._store.StopSuggestion(
                request, timeout=CALL_SECONDS, metadata=self._credentials.metadata()
            )
        except (grpc.aio.AioRpcError, ParetuneError) as error:
            log.info("%s of %s goes on: %s", stop.suggestion_id, experiment_id, _said(error))
        else:
            log.info("%s of %s is stopped: %s", stop.suggestion_id, experiment_id, stop.reason)


def _said(error: grpc.aio.AioRpcError | ParetuneError) -> str:
    return str(error if isinstance(error, ParetuneError) else error.details())
