"""How a suggestion is made and recorded: probe, compute, lease. Why so: docs/decisions/0003.

Workers that ask at the same moment share the calls to the Store and the commit (docs/decisions/0035).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

from paretune import failpoints, metrics, wire
from paretune.errors import Aborted, DeadlineExceeded, ParetuneError, ResourceExhausted, Unavailable
from paretune.observation import Proposal
from paretune.rpc.gate import passed_on
from paretune.v1 import store_pb2 as pb
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest, without_model
from paretune_optimizer.service.ahead import Ahead, finished
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.together import Together
from paretune_optimizer.service.view import View

MARGIN = 0.5
"""Seconds of a call's deadline that are kept for everything but computing."""
PAUSE, LONGEST_PAUSE = 0.01, 1.0
"""Seconds before beginning anew when another took the place; twice as long each time."""

Call = Callable[[str, Any, float], Awaitable[Any]]
"""Name of an RPC of the Store, request, deadline in monotonic seconds: the reply, or a `ParetuneError`."""


Reply = pb.LeaseSuggestionsResponse | Exception


@dataclass(frozen=True)
class Wanted:
    """What one caller still needs.

    Attributes:
        probe: its lease request, without proposals.
        deadline: when it gives up, in monotonic seconds.
        limit: seconds that may be computed.
        missing: proposals needed.
        sequence: event of the Store that must be in view.
    """

    probe: pb.LeaseSuggestionsRequest
    deadline: float
    limit: float
    missing: int = 0
    sequence: int = 0


class Rounds:
    """Answers everybody who asks for suggestions of one experiment at the same moment.

    Args:
        call: calls the Store.
        feed: views of the experiments.
        executor: where to compute.
        ahead: holds suggestions made ahead; None: all are made on demand.
    """

    def __init__(self, call: Call, feed: Feed, executor: Executor, ahead: Ahead | None = None) -> None:
        """Nobody asks."""
        self._call = call
        self._feed = feed
        self._executor = executor
        self._ahead = ahead
        self._probes: Together[Wanted, pb.LeaseSuggestionsResponse] = Together(self._probe)
        self._leases: Together[Wanted, pb.LeaseSuggestionsResponse | None] = Together(self._lease)

    async def lease(
        self, probe: pb.LeaseSuggestionsRequest, deadline: float, limit: float
    ) -> pb.LeaseSuggestionsResponse:
        """Queued suggestions, and new ones where there are not enough, leased.

        Raises:
            ParetuneError: what the Store said; `DeadlineExceeded`; `FailedPrecondition` when there is nothing
                left to suggest.
        """
        # Callers with different tokens share nothing: the calls to the Store are made on their behalf.
        key = (probe.experiment_id, passed_on())
        pause = PAUSE
        while True:
            wanted = Wanted(probe, deadline, limit)
            reply = await self._probes.ask(key, wanted, deadline - time.monotonic())
            if not reply.missing:
                return reply
            wanted = Wanted(probe, deadline, limit, reply.missing, reply.event_sequence)
            leased = await self._leases.ask(key, wanted, deadline - time.monotonic())
            if leased is not None:
                return leased
            await asyncio.sleep(min(pause, deadline - time.monotonic()))
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def _probe(self, asked: Sequence[Wanted]) -> list[Reply]:
        """The Store's first replies, or what is queued, or how much is missing."""
        return await self._send([one.probe for one in asked], _latest(asked))

    async def _lease(self, asked: Sequence[Wanted]) -> list[Reply | None]:
        """New suggestions for the first of those who ask; None for who has to begin anew."""
        experiment, deadline = asked[0].probe.experiment_id, _latest(asked)
        async with self._feed.turn(experiment, deadline - time.monotonic()):
            view, requests = await self._propose(asked, deadline)
            replies = await self._send(requests, deadline)
            for reply in replies:
                if not isinstance(reply, Exception):
                    view.leased = max([view.leased, *(one.ordinal for one in reply.suggestions)])
                elif _taken(reply) and int(reply.metadata["next"]) < requests[0].first_ordinal:
                    await self._feed.give_up(view)  # it shows suggestions that the Store never made
        # Another Optimizer's suggestion took the place: what was computed for it is of no use.
        return [None if _taken(reply) else reply for reply in replies]

    async def _propose(
        self, asked: Sequence[Wanted], deadline: float
    ) -> tuple[View, list[pb.LeaseSuggestionsRequest]]:
        """The requests of the first of those who ask, now with proposals, and the view that told them."""
        begun = time.monotonic()
        experiment, sequence = asked[0].probe.experiment_id, max(one.sequence for one in asked)
        current = self._feed.view(experiment, sequence, deadline - time.monotonic(), patient=True)
        async with current as (view, history):
            served = _together(history, asked)
            first, count = view.ordinal + 1, sum(one.missing for one in served)
            proposals = self._ahead.take(view, count) if self._ahead else None
            made = "ahead" if proposals and view.taken and view.taken.made <= begun else "awaited"
            if proposals is None:
                made = "asked"
                limit = min(min(one.limit, one.deadline - time.monotonic() - MARGIN) for one in served)
                with metrics.work("suggest"):
                    work = partial(suggest, history, count, first, limit)
                    loop = asyncio.get_running_loop()
                    proposals = await finished(loop.run_in_executor(self._executor, work))
            metrics.suggested(made, len(proposals))
            failpoints.hit("suggest_after_compute")
        return view, list(_shared_out(served, proposals, first))

    async def _send(self, requests: Sequence[pb.LeaseSuggestionsRequest], deadline: float) -> list[Reply]:
        """Several as one call; those that are refused in it once more alone, which tells why."""
        outcomes: Sequence[pb.LeaseOutcome] = [pb.LeaseOutcome()] * len(requests)
        if len(requests) > 1:
            batch = pb.LeaseSuggestionsBatchRequest(
                experiment_id=requests[0].experiment_id, requests=requests
            )
            try:
                outcomes = (await self._call("LeaseSuggestionsBatch", batch, deadline)).outcomes
            except (Unavailable, DeadlineExceeded, ResourceExhausted) as error:
                return [error] * len(requests)
            except ParetuneError:
                pass  # all are refused, each for reasons of its own
        return [
            outcome.response if outcome.HasField("response") else await self._alone(request, deadline)
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    async def _alone(self, request: pb.LeaseSuggestionsRequest, deadline: float) -> Reply:
        try:
            reply: pb.LeaseSuggestionsResponse = await self._call("LeaseSuggestions", request, deadline)
        except ParetuneError as error:
            return error
        return reply


def _latest(asked: Sequence[Wanted]) -> float:
    """Until when to go on for all of them; who gives up earlier does so alone."""
    return max(one.deadline for one in asked)


def _taken(reply: object) -> TypeGuard[Aborted]:
    return isinstance(reply, Aborted) and reply.reason == "ORDINAL_TAKEN"


def _together(history: History, asked: Sequence[Wanted]) -> list[Wanted]:
    """The first one, and those after it whose suggestions cost no model: nobody waits for another's model."""
    served, left = [asked[0]], without_model(history) - asked[0].missing
    for one in asked[1:]:
        left -= one.missing
        if left < 0:
            break
        served.append(one)
    return served


def _shared_out(
    served: Sequence[Wanted], proposals: Sequence[Proposal], first: int
) -> Iterator[pb.LeaseSuggestionsRequest]:
    """The requests with their proposals, as far as those last: a finite space may have too few left."""
    for one in served:
        mine, proposals = proposals[: one.missing], proposals[one.missing :]
        if not mine:
            return
        yield pb.LeaseSuggestionsRequest(
            experiment_id=one.probe.experiment_id,
            count=one.probe.count,
            worker=one.probe.worker,
            request_id=one.probe.request_id,
            within_budget=one.probe.within_budget,
            proposals=map(wire.proposal_to_proto, mine),
            first_ordinal=first,
        )
        first += len(mine)
