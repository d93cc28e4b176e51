"""What becomes of suggestions whose place the Store refuses."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import optimizer_cases as cases
import pytest
from scripted_store import ScriptedStore, channel_to, message

from paretune.errors import Aborted, DeadlineExceeded
from paretune.experiment import Policy
from paretune.observation import Event, Suggestion, SuggestionState
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_optimizer.service.feed import Feed
from paretune_optimizer.service.rounds import Rounds

AT = {"x0": 0.1, "x1": 0.2, "x2": 0.3}


def events(leased: int) -> list[Event]:
    """An experiment with so many suggestions in training."""
    changes = [cases.experiment(policy=Policy.SOBOL)]
    changes += [
        Suggestion(f"s{n}", "case", n, AT, state=SuggestionState.LEASED) for n in range(1, leased + 1)
    ]
    return [Event(n, change) for n, change in enumerate(changes, 1)]


def lease(store: ScriptedStore, following: int, seconds: float = 10.0) -> tuple[int, list[int]]:
    """Ask for a suggestion where the Store's next place is `following`; the place got, and all tried."""
    tried = []

    async def call(name, request, deadline):
        if not request.proposals:
            return pb.LeaseSuggestionsResponse(missing=1, event_sequence=1)
        tried.append(request.first_ordinal)
        if request.first_ordinal != following:
            raise Aborted("not the next one", reason="ORDINAL_TAKEN", metadata={"next": str(following)})
        return pb.LeaseSuggestionsResponse(suggestions=[types.Suggestion(ordinal=following)])

    async def main():
        async with channel_to(store) as channel:
            with ThreadPoolExecutor(1) as executor:
                feed = Feed(channel)
                probe = pb.LeaseSuggestionsRequest(experiment_id="case", count=1, request_id="r")
                try:
                    reply = await Rounds(call, feed, executor).lease(probe, time.monotonic() + seconds, 1.0)
                finally:
                    await feed.close()
        return reply.suggestions[0].ordinal

    try:
        return asyncio.run(main()), tried
    except DeadlineExceeded:
        return 0, tried


def test_a_view_that_is_ahead_of_the_store_is_read_anew():
    store = ScriptedStore([message("one", *events(5))], [message("two", *events(4))])
    assert lease(store, 5) == (5, [6, 5])
    assert store.tokens == ["", ""]


@pytest.mark.parametrize("following", [9, 3])
def test_whoever_is_refused_again_and_again_takes_a_rest_in_between(following):
    place, tried = lease(ScriptedStore([message("one", *events(5))]), following, 1.0)
    assert place == 0
    assert len(tried) < 15
