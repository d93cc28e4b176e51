"""OptimizerService over the wire: check, delegate, map. How a Suggest works: docs/decisions/0003."""

import time
from concurrent.futures import Executor
from functools import partial
from typing import Any

import grpc

from paretune import failpoints, metrics, wire
from paretune.errors import Aborted, InvalidArgument
from paretune.limits import MAX_MANY
from paretune.rpc.channel import new_request_id
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import store_pb2
from paretune_optimizer.ahead import Ahead
from paretune_optimizer.feed import Feed
from paretune_optimizer.insight_servicer import CALL_LIMIT, InsightServicer
from paretune_optimizer.policy import suggest

COMPUTE_LIMIT = 5.0
"""Seconds that a Suggest may compute when the caller says nothing."""
MARGIN = 0.5
"""Seconds of a call's deadline that are kept for everything but computing."""


class OptimizerServicer(InsightServicer):
    """What to train next; what the results mean is inherited.

    Args:
        store: channel to the Store.
        feed: views of the experiments.
        executor: where to compute.
        ahead: holds suggestions made ahead; None: all are made on demand.
    """

    def __init__(
        self, store: grpc.aio.Channel, feed: Feed, executor: Executor, ahead: Ahead | None = None
    ) -> None:
        """Serve with the views of `feed`."""
        super().__init__(store, feed, executor)
        self._ahead = ahead

    async def Suggest(self, request: pb.SuggestRequest, context: Any) -> pb.SuggestResponse:
        """See optimizer.proto."""
        probe = _probe(request)
        deadline = time.monotonic() + (context.time_remaining() or CALL_LIMIT)
        limit = wire.duration_from_proto(request.compute_limit) or COMPUTE_LIMIT
        while True:
            reply = await self._call("LeaseSuggestions", probe, deadline)
            if reply.missing:
                reply = await self._lease(probe, reply, deadline, limit)
            if reply is not None:
                return pb.SuggestResponse(suggestions=reply.suggestions)

    async def _lease(
        self, probe: store_pb2.LeaseSuggestionsRequest, reply: Any, deadline: float, limit: float
    ) -> Any:
        """The Store's reply to the same request with proposals; None when it has to be asked anew."""
        async with self._feed.turn(probe.experiment_id, deadline - time.monotonic()) as view:
            lease = await self._propose(probe, reply, deadline, limit)
            try:
                reply = await self._call("LeaseSuggestions", lease, deadline)
            except Aborted as error:  # another Optimizer's suggestion took this place: compute anew
                if error.reason != "ORDINAL_TAKEN":
                    raise
                return None
            view.leased = max([view.leased, *(suggestion.ordinal for suggestion in reply.suggestions)])
            return reply

    async def _propose(
        self, probe: store_pb2.LeaseSuggestionsRequest, reply: Any, deadline: float, limit: float
    ) -> store_pb2.LeaseSuggestionsRequest:
        """The same request with proposals for what the probe's reply says is missing."""
        left = deadline - time.monotonic()
        current = self._feed.view(probe.experiment_id, reply.event_sequence, left, patient=True)
        async with current as (view, history):
            first = view.ordinal + 1
            proposals = self._ahead.take(view, reply.missing) if self._ahead else None
            if proposals is None:
                budget = min(limit, deadline - time.monotonic() - MARGIN)
                with metrics.work("suggest"):
                    proposals = await self._compute(partial(suggest, history, reply.missing, first, budget))
            failpoints.hit("suggest_after_compute")
        return store_pb2.LeaseSuggestionsRequest(
            experiment_id=probe.experiment_id,
            count=probe.count,
            worker=probe.worker,
            request_id=probe.request_id,
            within_budget=probe.within_budget,
            proposals=map(wire.proposal_to_proto, proposals),
            first_ordinal=first,
        )


def _probe(request: pb.SuggestRequest) -> store_pb2.LeaseSuggestionsRequest:
    """The probe for a Suggest: take what is queued, or say how much is missing."""
    for name in ("experiment_id", "worker"):
        if not getattr(request, name):
            raise InvalidArgument.of(name, "is required")
    if not 0 <= request.count <= MAX_MANY:
        raise InvalidArgument.of("count", f"is {request.count}; it must be 1 to {MAX_MANY} (0: 1)")
    if wire.duration_from_proto(request.compute_limit) < 0:
        raise InvalidArgument.of("compute_limit", "must not be negative")
    return store_pb2.LeaseSuggestionsRequest(
        experiment_id=request.experiment_id,
        count=request.count or 1,
        worker=request.worker,
        # Probe and lease are one logical call, so that a reply lost between them is found again.
        request_id=request.request_id or new_request_id(),
        within_budget=request.within_budget,
        all_or_nothing=True,
    )
