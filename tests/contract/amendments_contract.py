"""The contract of the Store: amending observations."""

import math

import pytest
from store_cases import Driver, metric_values

from paretune.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from paretune.limits import MAX_AMENDMENTS
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types

CRASHED = types.Outcome(kind=types.OUTCOME_KIND_CRASHED, reason="the wrong data set")


class AmendmentsContract:
    """Part of `store_contract.StoreContract`."""

    def test_an_amendment_replaces_the_vector_and_keeps_what_it_was(self, driver: Driver):
        made = driver.create()
        first = driver.observe(made.id, metadata={"device": "cpu"})
        driver.clock.advance(60)
        amended = driver.do(driver.amendment(first, author="ada")).observation
        assert driver.do(pb.GetObservationRequest(observation_id=first.id)).observation == amended
        (former,) = amended.amendments
        assert list(former.former_values) == list(first.values)
        assert former.former_outcome == first.outcome
        assert (former.reason, former.author, former.token) == ("measured again", "ada", "")
        assert former.create_time.seconds == first.create_time.seconds + 60
        assert {value.metric: value.value for value in amended.values} == {"accuracy": 0.8, "ms": 3.0}
        kept = ("id", "ordinal", "assignments", "metadata", "worker", "create_time")
        assert all(getattr(amended, field) == getattr(first, field) for field in kept)
        driver.restart()
        assert driver.do(pb.GetObservationRequest(observation_id=first.id)).observation == amended

    def test_the_outcome_is_counted_anew_and_watchers_hear_of_it(self, driver: Driver):
        made = driver.create()
        seen = driver.observe(made.id)
        driver.observe(made.id)
        amended = driver.do(driver.amendment(seen, outcome=CRASHED, values=[])).observation
        assert driver.get(made.id).progress == types.Progress(observations=2, ok=1, crashed=1)
        crashed = pb.ListObservationsRequest(experiment_id=made.id, outcomes=[types.OUTCOME_KIND_CRASHED])
        assert list(driver.do(crashed).observations) == [amended]
        event = driver.events(made.id)[-1]
        assert event.observation == amended
        known = driver.do(pb.GetExperimentRequest(experiment_id=made.id)).event_sequence
        assert event.sequence == known
        back = driver.do(driver.amendment(amended)).observation
        assert [former.former_outcome.kind for former in back.amendments] == [1, 3]
        assert driver.get(made.id).progress == types.Progress(observations=2, ok=2)

    @pytest.mark.parametrize(
        ("field", "broken"),
        [
            ("values[1].value", {"values": metric_values(accuracy=1, ms=math.nan)}),
            ("values", {"values": metric_values(accuracy=1)}),
            ("values[1].metric", {"values": metric_values(accuracy=1, speed=1)}),
            ("outcome.reason", {"outcome": types.Outcome(kind=3)}),
            ("outcome.kind", {"outcome": types.Outcome(kind=9)}),
            ("outcome.step", {"outcome": types.Outcome(kind=4, step=-1)}),
            ("reason", {"reason": ""}),
            ("reason", {"reason": "r" * 1001}),
            ("author", {"author": "a" * 257}),
            ("observation_id", {"observation_id": ""}),
        ],
    )
    def test_wrong_amendments_are_refused_with_the_path(self, driver: Driver, field: str, broken: dict):
        seen = driver.observe(driver.create().id)
        assert driver.refused(driver.amendment(seen, **broken), InvalidArgument).violations[0].field == field

    def test_nobody_amends_what_they_have_not_seen(self, driver: Driver):
        seen = driver.observe(driver.create().id)
        driver.refused(driver.amendment(seen, observation_id="nothing"), NotFound)
        driver.refused(driver.amendment(seen, amendment_count=1), Aborted, "OBSERVATION_AMENDED")
        replies = driver.at_once([driver.amendment(seen)] * 5)
        assert sum(isinstance(reply, bytes) for reply in replies) == 1
        assert {r.reason for r in replies if not isinstance(r, bytes)} == {"OBSERVATION_AMENDED"}

    def test_amendments_end(self, driver: Driver):
        seen = driver.observe(driver.create().id)
        for _ in range(MAX_AMENDMENTS):
            seen = driver.do(driver.amendment(seen)).observation
        driver.refused(driver.amendment(seen), FailedPrecondition, "TOO_MANY_AMENDMENTS")

    def test_a_report_brings_no_amendments_of_its_own(self, driver: Driver):
        made = driver.create()
        forged = types.Amendment(reason="nothing to see", former_values=metric_values(ms=1.0))
        assert not driver.observe(made.id, amendments=[forged]).amendments

    # What happened to a suggestion

    def test_a_suggestion_tells_its_history_and_the_end_of_its_log(self, driver: Driver):
        made = driver.create()
        other, lost = driver.lease(made.id, "w1"), driver.lease(made.id, "w2")
        beat = {"suggestion_id": lost.id, "fence": lost.lease.fence}
        driver.do(pb.HeartbeatRequest(**beat, log_tail="epoch 1"))
        driver.do(pb.HeartbeatRequest(**beat, log_tail="epoch 2"))
        driver.do(pb.HeartbeatRequest(**beat))
        driver.observe_suggestion(other)
        driver.let_expire(lost)
        again = driver.lease(made.id, "w3")
        assert again.id == lost.id
        told = driver.do(pb.GetSuggestionRequest(suggestion_id=lost.id, with_history=True))
        states = [(e.suggestion.state, e.suggestion.attempt, e.suggestion.lease.worker) for e in told.history]
        assert states == [(2, 1, "w2"), (1, 1, ""), (2, 2, "w3")]
        assert told.log_tail == "epoch 2"
        assert told.log_time.seconds
        plain = driver.do(pb.GetSuggestionRequest(suggestion_id=lost.id))
        assert (len(plain.history), plain.log_tail) == (0, "")
