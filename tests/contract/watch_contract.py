"""The contract of the Store: the stream of events."""

import asyncio

import pytest
from store_cases import (
    Driver,
    checkpoint,
    observation,
    proposal,
)

from paretune.errors import InvalidArgument, NotFound
from paretune.v1 import store_pb2 as pb


class WatchContract:
    """Part of `store_contract.StoreContract`."""

    # Watching

    def test_a_watch_tells_everything_in_order(self, driver: Driver):
        made = driver.create()
        leased = driver.lease(made.id)
        driver.checkpoints(leased, checkpoint(1))
        driver.create()  # another experiment's events are not told
        driver.observe_suggestion(leased)
        driver.update(made.id, "name", name="later")
        events = driver.events(made.id)
        assert [event.WhichOneof("change") for event in events] == [
            "experiment",
            "suggestion",
            "checkpoint",
            "observation",
            "suggestion",
            "experiment",
        ]
        assert [e.sequence for e in events] == sorted({e.sequence for e in events})
        assert events[-1].experiment.name == "later"

    def test_a_watch_resumes_anywhere(self, driver: Driver):
        made = driver.create()
        tokens = []
        for _ in range(5):
            driver.observe(made.id)
            message = driver.watched(pb.WatchRequest(experiment_id=made.id), caught_up=True)[-1]
            tokens.append((message.resume_token, message.events[-1].sequence))
        everything = driver.events(made.id)
        for token, sequence in tokens:
            rest = driver.watched(pb.WatchRequest(experiment_id=made.id, resume_token=token), caught_up=True)
            got = [event for message in rest for event in message.events]
            assert got == [event for event in everything if event.sequence > sequence]

    def test_a_watch_begins_after_what_was_read(self, driver: Driver):
        made = driver.create()
        driver.observe(made.id)
        read = driver.do(pb.GetExperimentRequest(experiment_id=made.id)).event_sequence
        begun = pb.WatchRequest(experiment_id=made.id, after_sequence=read)
        driver.observe(made.id)
        seen = [event for message in driver.watched(begun, caught_up=True) for event in message.events]
        assert [event.observation.ordinal for event in seen if event.HasField("observation")] == [2]
        for refused in (
            pb.WatchRequest(experiment_id=made.id, after_sequence=-1),
            pb.WatchRequest(experiment_id=made.id, after_sequence=read + 1000),
        ):
            with pytest.raises(InvalidArgument, match="after_sequence"):
                driver.watched(refused, caught_up=True)

    def test_a_resume_token_outlives_a_restart(self, driver: Driver):
        made = driver.create()
        token = driver.watched(pb.WatchRequest(experiment_id=made.id), caught_up=True)[-1].resume_token
        driver.restart()
        seen = driver.observe(made.id)
        (message,) = driver.watched(
            pb.WatchRequest(experiment_id=made.id, resume_token=token), caught_up=True
        )
        assert [event.observation for event in message.events] == [seen]

    def test_tokens_of_others_are_refused(self, driver: Driver):
        made, other = driver.create(), driver.create()
        token = driver.watched(pb.WatchRequest(experiment_id=made.id), caught_up=True)[-1].resume_token
        for bad in (
            pb.WatchRequest(experiment_id=other.id, resume_token=token),
            pb.WatchRequest(experiment_id=made.id, resume_token="x"),
        ):
            with pytest.raises(InvalidArgument) as caught:
                driver.watched(bad, caught_up=True)
            assert caught.value.reason == "INVALID_TOKEN"
        with pytest.raises(NotFound):
            driver.watched(pb.WatchRequest(experiment_id="nobody"), caught_up=True)
        with pytest.raises(InvalidArgument):
            driver.watched(pb.WatchRequest(), caught_up=True)

    def test_checkpoints_can_be_left_out(self, driver: Driver):
        made = driver.create()
        leased = driver.lease(made.id)
        driver.checkpoints(leased, *(checkpoint(step) for step in range(50)))
        request = pb.WatchRequest(experiment_id=made.id, skip_checkpoints=True)
        messages = driver.watched(request, caught_up=True)
        kinds = [event.WhichOneof("change") for message in messages for event in message.events]
        assert "checkpoint" not in kinds
        # What the Optimizer waits for: the last event that such a watcher sees.
        sequence = driver.do(pb.GetExperimentRequest(experiment_id=made.id)).event_sequence
        assert sequence == messages[-1].events[-1].sequence

    def test_a_watch_goes_on_live(self, driver: Driver):
        made = driver.create()

        async def watch_and_write() -> list[int]:
            seen: list[int] = []
            stream = driver.store.watch(pb.WatchRequest(experiment_id=made.id))
            async for message in stream:
                seen += [event.observation.ordinal for event in message.events if event.observation.id]
                if len(seen) >= 10:
                    break
                if message.caught_up:
                    await driver.store.write(pb.ObserveRequest(observation=observation(made.id)))
            await stream.aclose()
            return seen

        assert driver.run(asyncio.wait_for(watch_and_write(), 20)) == [*range(1, 11)]

    def test_replies_say_how_current_they_are(self, driver: Driver):
        made = driver.create()
        driver.observe(made.id)
        reply = driver.do(pb.GetExperimentRequest(experiment_id=made.id))
        assert reply.event_sequence == driver.events(made.id)[-1].sequence
        probe = pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w", all_or_nothing=True)
        assert driver.do(probe).event_sequence == reply.event_sequence
        probe.proposals.append(proposal(0.5))
        probe.first_ordinal = 1
        assert driver.do(probe).event_sequence == driver.events(made.id)[-1].sequence

    def test_deleting_ends_the_watch(self, driver: Driver):
        made = driver.create()

        async def watch_and_delete() -> None:
            async for message in driver.store.watch(pb.WatchRequest(experiment_id=made.id)):
                assert message.caught_up
                await driver.store.write(pb.DeleteExperimentRequest(experiment_id=made.id))

        with pytest.raises(NotFound):
            driver.run(asyncio.wait_for(watch_and_delete(), 20))
