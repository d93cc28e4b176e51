"""OptimizerService over the wire: check, delegate, map. How a Suggest works: docs/decisions/0003."""

import time
from concurrent.futures import Executor
from typing import Any

import grpc

from paretune import wire
from paretune.rpc.channel import new_request_id
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import store_pb2
from paretune_optimizer.service.ahead import Ahead
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.insight_servicer import CALL_LIMIT, InsightServicer
from paretune_optimizer.service.rounds import Rounds
from paretune_optimizer.service.validation import validate

COMPUTE_LIMIT = 5.0
"""Seconds that a Suggest may compute when the caller says nothing."""


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
        self._rounds = Rounds(self._call, feed, executor, ahead)

    async def Suggest(self, request: pb.SuggestRequest, context: Any) -> pb.SuggestResponse:
        """See optimizer.proto."""
        validate(request)
        probe = _probe(request)
        deadline = time.monotonic() + (context.time_remaining() or CALL_LIMIT)
        limit = wire.duration_from_proto(request.compute_limit) or COMPUTE_LIMIT
        leased = await self._rounds.lease(probe, deadline, limit)
        return pb.SuggestResponse(suggestions=leased.suggestions)


def _probe(request: pb.SuggestRequest) -> store_pb2.LeaseSuggestionsRequest:
    """The probe for a Suggest: take what is queued, or say how much is missing."""
    return store_pb2.LeaseSuggestionsRequest(
        experiment_id=request.experiment_id,
        count=request.count or 1,
        worker=request.worker,
        # Probe and lease are one logical call, so that a reply lost between them is found again.
        request_id=request.request_id or new_request_id(),
        within_budget=request.within_budget,
        all_or_nothing=True,
    )
