"""Early stops in service: follows the checkpoints of experiments that want them, and says whom to stop.

docs/decisions/0013-early-stopping.md says why it is done here.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import grpc

from paretune import wire
from paretune.experiment import Experiment
from paretune.rpc.channel import new_request_id
from paretune.rpc.credentials import NONE, Credentials
from paretune.v1 import store_pb2, store_pb2_grpc, types_pb2
from paretune_optimizer.stopping.board import Board, Stop

log = logging.getLogger("paretune")

LOOK_SECONDS = 5.0
"""How often it is looked for experiments that want early stops."""
RETRY_SECONDS = 1.0
CALL_SECONDS = 10.0


class _Followed:
    """One experiment, as far as its events were read.

    Attributes:
        resume_token: where to read on.
    """

    def __init__(self) -> None:
        self.resume_token = ""
        self._board: Board | None = None
        self._moved: set[str] = set()

    def take(self, reply: Any) -> None:
        """Take the events of one message of the stream in."""
        for message in reply.events:
            event = wire.event_from_proto(message)
            if self._board is None and isinstance(event.change, Experiment):
                self._board = Board(event.change)
            elif self._board is not None and (moved := self._board.apply(event)):
                self._moved.add(moved)
        self.resume_token = reply.resume_token

    def stops(self) -> list[Stop]:
        """Which of the trainings that reached a rung since the last call should be stopped."""
        moved, self._moved = sorted(self._moved), set()
        verdicts = [self._board.verdict(key) for key in moved] if self._board else []
        return [stop for stop in verdicts if stop is not None]


class StopFeed:
    """Follows active experiments with early stopping, one task each, from `start` to `close`.

    Args:
        channel: to the Store.
        credentials: whose token is used; it must be for all projects.
        look_seconds: how often to look for experiments.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        credentials: Credentials = NONE,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Nothing is followed yet."""
        self._credentials = credentials
        self._store = store_pb2_grpc.StoreServiceStub(channel)
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
        while True:
            with suppress(grpc.aio.AioRpcError):
                wanted = await self._wanted()
                for key in [key for key in self._tasks if key not in wanted or self._tasks[key].done()]:
                    self._tasks.pop(key).cancel()
                for key in wanted - self._tasks.keys():
                    self._tasks[key] = asyncio.create_task(self._follow(key))
            await asyncio.sleep(self._look_seconds)

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
        followed = _Followed()
        while True:
            try:
                request = store_pb2.WatchRequest(
                    experiment_id=experiment_id, resume_token=followed.resume_token
                )
                async for reply in self._store.Watch(
                    request, wait_for_ready=True, metadata=self._credentials.metadata()
                ):
                    followed.take(reply)
                    for stop in followed.stops() if reply.caught_up else ():
                        await self._stop(experiment_id, stop)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return
                log.info("early stops of %s wait for the Store: %s", experiment_id, error.details())
            except Exception:
                log.exception("early stops of %s end", experiment_id)
                return
            await asyncio.sleep(RETRY_SECONDS)

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
        except grpc.aio.AioRpcError as error:
            log.info("%s of %s goes on: %s", stop.suggestion_id, experiment_id, error.details())
        else:
            log.info("%s of %s is stopped: %s", stop.suggestion_id, experiment_id, stop.reason)
