"""The contract of the Store: suggestions, who holds them, and for how long."""

import math

import pytest
from store_cases import (
    Driver,
    assignments,
    checkpoint,
    proposal,
    value,
)

from paretune.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from paretune.v1 import store_pb2 as pb
from paretune.v1 import trainer_pb2
from paretune.v1 import types_pb2 as types


class LeasesContract:
    """Part of `store_contract.StoreContract`."""

    # Giving out suggestions

    def test_a_probe_says_what_is_missing_and_changes_nothing(self, driver: Driver):
        made = driver.create()
        driver.queue(made.id)
        before = driver.state()
        probe = driver.do(
            pb.LeaseSuggestionsRequest(experiment_id=made.id, count=3, worker="w", all_or_nothing=True)
        )
        assert (probe.missing, len(probe.suggestions)) == (2, 0)
        assert driver.state() == before

    def test_probe_and_lease_share_a_request_id(self, driver: Driver):
        made = driver.create()
        request = pb.LeaseSuggestionsRequest(
            experiment_id=made.id, worker="w", all_or_nothing=True, request_id="suggest"
        )
        assert driver.do(request).missing == 1
        request.proposals.append(proposal(0.25))
        request.first_ordinal = 1
        first = driver.bytes_of(request)
        assert [s.ordinal for s in pb.LeaseSuggestionsResponse.FromString(first).suggestions] == [1]
        request.proposals[0].CopyFrom(proposal(0.75))
        request.first_ordinal, request.all_or_nothing = 7, False
        assert driver.bytes_of(request) == first
        request.count = 2
        driver.refused(request, InvalidArgument, "REQUEST_ID_REUSED")

    def test_the_queue_comes_before_proposals(self, driver: Driver):
        made = driver.create()
        queued = driver.queue(made.id, 0.9)
        reply = driver.do(
            pb.LeaseSuggestionsRequest(
                experiment_id=made.id, count=2, worker="w", proposals=[proposal(0.1)], first_ordinal=2
            )
        )
        assert [s.ordinal for s in reply.suggestions] == [1, 2]
        assert reply.suggestions[0].id == queued.id
        assert all(s.state == types.SUGGESTION_STATE_LEASED and s.attempt == 1 for s in reply.suggestions)
        assert driver.get(made.id).progress == types.Progress(leased=2)

    def test_what_a_person_queued_comes_before_what_failed(self, driver: Driver):
        made = driver.create()
        failed = driver.lease(made.id)
        driver.let_expire(failed)
        queued = driver.queue(made.id)
        assert driver.lease(made.id).id == queued.id
        assert driver.lease(made.id).id == failed.id

    def test_proposals_take_their_place_or_none(self, driver: Driver):
        made = driver.create()
        lease = pb.LeaseSuggestionsRequest(
            experiment_id=made.id, count=2, worker="w", proposals=[proposal(0.1), proposal(0.2)]
        )
        driver.refused(lease, InvalidArgument)  # no first_ordinal
        for wrong in (2, 7):
            lease.first_ordinal = wrong
            driver.refused(lease, Aborted, "ORDINAL_TAKEN")
        lease.first_ordinal = 1
        assert [s.ordinal for s in driver.do(lease).suggestions] == [1, 2]
        driver.refused(lease, Aborted, "ORDINAL_TAKEN")

    def test_all_proposals_are_checked(self, driver: Driver):
        made = driver.create()
        lease = pb.LeaseSuggestionsRequest(
            experiment_id=made.id,
            count=2,
            worker="w",
            proposals=[proposal(0.1), proposal(7.0)],
            first_ordinal=1,
        )
        error = driver.refused(lease, InvalidArgument)
        assert error.violations[0].field == "proposals[1].assignments['lr']"

    def test_lease_requests_are_checked(self, driver: Driver):
        made = driver.create()
        lease = pb.LeaseSuggestionsRequest
        driver.refused(lease(worker="w"), InvalidArgument)
        driver.refused(lease(experiment_id=made.id), InvalidArgument)
        driver.refused(lease(experiment_id=made.id, worker="a\nb"), InvalidArgument)
        driver.refused(lease(experiment_id=made.id, worker="w", count=-1), InvalidArgument)
        driver.refused(lease(experiment_id=made.id, worker="w", count=1001), InvalidArgument)
        driver.refused(lease(experiment_id="nobody", worker="w"), NotFound)

    @pytest.mark.parametrize("state", ["PAUSED", "FINISHED", "ARCHIVED"])
    def test_only_active_experiments_give_suggestions(self, driver: Driver, state: str):
        made = driver.create()
        leased = driver.lease(made.id)
        driver.update(made.id, "state", state=types.ExperimentState.Value(f"EXPERIMENT_STATE_{state}"))
        request = pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w")
        error = driver.refused(request, FailedPrecondition, "EXPERIMENT_NOT_ACTIVE")
        assert error.metadata["state"] == state
        assert driver.heartbeat(leased).directive == pb.DIRECTIVE_PAUSE
        assert driver.observe_suggestion(leased).ordinal == 1

    def test_the_budget_limits_what_is_given(self, driver: Driver):
        made = driver.create(observation_budget=3)
        driver.observe(made.id)
        reply = driver.do(
            pb.LeaseSuggestionsRequest(
                experiment_id=made.id,
                count=5,
                worker="w",
                within_budget=True,
                all_or_nothing=True,
                proposals=[proposal(0.1), proposal(0.2)],
                first_ordinal=1,
            )
        )
        assert (len(reply.suggestions), reply.missing) == (2, 0)
        more = pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w", within_budget=True)
        error = driver.refused(more, FailedPrecondition, "BUDGET_EXHAUSTED")
        assert error.metadata == {"budget": "3", "observed": "1", "open": "2"}
        more.within_budget = False
        more.proposals.append(proposal(0.3))
        more.first_ordinal = 3
        assert len(driver.do(more).suggestions) == 1

    def test_a_lost_or_cancelled_trial_gives_its_place_back(self, driver: Driver):
        made = driver.create(observation_budget=1)
        driver.do(pb.CancelSuggestionRequest(suggestion_id=driver.lease(made.id, within_budget=True).id))
        assert driver.lease(made.id, within_budget=True)

    def test_the_budget_holds_under_concurrency(self, driver: Driver):
        made = driver.create(observation_budget=5)
        for _ in range(30):
            driver.queue(made.id)
        request = pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w", within_budget=True)
        replies = driver.at_once([request] * 40)
        given = [reply for reply in replies if isinstance(reply, bytes)]
        refused = [reply for reply in replies if not isinstance(reply, bytes)]
        assert (len(given), len(refused)) == (5, 35)
        assert {error.reason for error in refused} == {"BUDGET_EXHAUSTED"}

    def test_no_suggestion_is_given_twice(self, driver: Driver):
        made = driver.create()
        for _ in range(20):
            driver.queue(made.id)
        replies = driver.at_once([pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w")] * 30)
        given = [s.id for r in replies for s in pb.LeaseSuggestionsResponse.FromString(r).suggestions]
        assert len(given) == len(set(given)) == 20

    def test_a_batch_is_its_requests_one_after_the_other(self, driver: Driver):
        made = driver.create()
        queued = driver.queue(made.id)
        requests = [
            pb.LeaseSuggestionsRequest(experiment_id=made.id, worker=f"w{n}", request_id=f"r{n}")
            for n in range(4)
        ]
        for n, request in enumerate(requests[1:], 1):
            request.proposals.append(proposal(n / 10))
            request.first_ordinal = n + 1
        requests[2].first_ordinal = 17  # somebody else was faster, it seems
        requests[3].first_ordinal = 3
        batch = pb.LeaseSuggestionsBatchRequest(experiment_id=made.id, requests=requests)
        outcomes = driver.do(batch).outcomes
        assert [one.HasField("response") for one in outcomes] == [True, True, False, True]
        given = [one.response.suggestions[0] for one in outcomes if one.HasField("response")]
        assert [s.ordinal for s in given] == [1, 2, 3]
        assert [s.lease.worker for s in given] == ["w0", "w1", "w3"]
        assert given[0].id == queued.id
        for n in (0, 1, 3):  # each has a reply of its own
            assert driver.do(requests[n]) == outcomes[n].response
        driver.refused(requests[2], Aborted, "ORDINAL_TAKEN")

    def test_a_batch_of_which_nothing_can_be_done_is_refused_as_its_first(self, driver: Driver):
        made = driver.create(observation_budget=1)
        driver.queue(made.id)
        lease = pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w", within_budget=True)
        driver.do(lease)
        batch = pb.LeaseSuggestionsBatchRequest(experiment_id=made.id, requests=[lease, lease])
        driver.refused(batch, FailedPrecondition, "BUDGET_EXHAUSTED")
        batch.requests[1].experiment_id = "elsewhere"
        assert driver.refused(batch, InvalidArgument).violations[0].field == "requests[1].experiment_id"

    def test_queued_configurations_are_checked(self, driver: Driver):
        made = driver.create()
        queue = pb.QueueSuggestionRequest
        for wrong in (
            {},
            {"lr": value(0.5)},
            assignments() | {"momentum": value(0.5)},
            assignments() | {"layers": value(1.5)},
            assignments() | {"activation": value("tanh")},
            assignments(math.nan),
            assignments() | {"lr": types.Value()},
        ):
            driver.refused(queue(experiment_id=made.id, assignments=wrong), InvalidArgument)
        whole = queue(experiment_id=made.id, assignments=assignments() | {"layers": value(2.0)})
        assert driver.do(whole).suggestion.assignments["layers"] == value(2)

    # Leases

    def test_a_heartbeat_extends_the_lease(self, driver: Driver):
        leased = driver.lease(driver.create(ttl=10).id)
        driver.clock.advance(8)
        beat = driver.heartbeat(leased)
        assert (beat.directive, beat.ttl.seconds) == (pb.DIRECTIVE_CONTINUE, 10)
        driver.clock.advance(8)
        driver.expire()
        assert driver.suggestion(leased.id).lease.expire_time == beat.expire_time
        driver.clock.advance(2)
        driver.expire()
        assert driver.suggestion(leased.id).state == types.SUGGESTION_STATE_QUEUED

    def test_an_expired_lease_is_worth_nothing(self, driver: Driver):
        made = driver.create()
        old = driver.lease(made.id)
        driver.let_expire(old)
        for stale in driver.reports(old):
            error = driver.refused(stale, FailedPrecondition, "STALE_LEASE")
            assert error.metadata == {"suggestion": old.id, "attempt": "1"}
        new = driver.lease(made.id)
        assert (new.id, new.attempt) == (old.id, 2)
        assert new.lease.fence > old.lease.fence
        for stale in driver.reports(old):
            driver.refused(stale, FailedPrecondition, "STALE_LEASE")
        assert driver.observe_suggestion(new).attempt == 2

    def test_a_late_report_before_anybody_noticed_is_taken(self, driver: Driver):
        leased = driver.lease(driver.create(ttl=1).id)
        driver.clock.advance(3600)
        assert driver.observe_suggestion(leased).suggestion_id == leased.id

    def test_attempts_are_limited(self, driver: Driver):
        made = driver.create(max_attempts=2)
        for state in (types.SUGGESTION_STATE_QUEUED, types.SUGGESTION_STATE_LOST):
            leased = driver.lease(made.id)
            driver.let_expire(leased)
            assert driver.suggestion(leased.id).state == state
        assert driver.get(made.id).progress == types.Progress(lost=1)
        for late in driver.reports(leased):
            error = driver.refused(late, FailedPrecondition, "SUGGESTION_FINISHED")
            assert error.metadata["state"] == "LOST"

    def test_a_release_is_no_failed_attempt(self, driver: Driver):
        made = driver.create(max_attempts=1)
        for attempt in (1, 2, 3):
            leased = driver.lease(made.id)
            assert leased.attempt == attempt
            release = pb.ReleaseSuggestionRequest(suggestion_id=leased.id, fence=leased.lease.fence)
            assert driver.do(release).suggestion.state == types.SUGGESTION_STATE_QUEUED
            driver.refused(release, FailedPrecondition, "STALE_LEASE")

    def test_a_cancelled_trial_is_told_with_its_heartbeat(self, driver: Driver):
        made = driver.create()
        leased = driver.lease(made.id)
        driver.do(pb.CancelSuggestionRequest(suggestion_id=leased.id))
        assert driver.heartbeat(leased).directive == pb.DIRECTIVE_CANCEL
        assert driver.get(made.id).progress == types.Progress(cancelled=1)
        impostor = pb.HeartbeatRequest(suggestion_id=leased.id, fence="x")
        driver.refused(impostor, FailedPrecondition, "SUGGESTION_FINISHED")
        driver.refused(driver.reports(leased)[1], FailedPrecondition, "SUGGESTION_FINISHED")
        again = pb.CancelSuggestionRequest(suggestion_id=leased.id)
        driver.refused(again, FailedPrecondition, "SUGGESTION_FINISHED")

    def test_who_is_asked_to_stop_early_is_told(self, driver: Driver):
        made = driver.create()
        leased = driver.lease(made.id)
        stop = pb.StopSuggestionRequest(suggestion_id=leased.id, attempt=1, reason="dominated")
        stopped = driver.do(stop).suggestion
        assert (stopped.state, stopped.stop_reason) == (types.SUGGESTION_STATE_LEASED, "dominated")
        again = pb.StopSuggestionRequest(suggestion_id=leased.id, reason="again")
        assert driver.do(again).suggestion == stopped
        assert driver.heartbeat(leased).directive == pb.DIRECTIVE_STOP_EARLY
        steps = pb.RecordCheckpointsRequest(
            suggestion_id=leased.id, fence=leased.lease.fence, checkpoints=[checkpoint(3)]
        )
        assert driver.do(steps).directive == pb.DIRECTIVE_STOP_EARLY
        driver.observe_suggestion(leased)
        assert driver.suggestion(leased.id).stop_reason == ""
        driver.refused(again, FailedPrecondition, "SUGGESTION_FINISHED")

    def test_the_next_attempt_is_not_asked_to_stop(self, driver: Driver):
        made = driver.create()
        old = driver.lease(made.id)
        stop = pb.StopSuggestionRequest(suggestion_id=old.id, attempt=1, reason="slow")
        driver.do(stop)
        driver.let_expire(old)
        driver.refused(stop, FailedPrecondition, "STALE_LEASE")
        new = driver.lease(made.id)
        assert new.stop_reason == ""
        assert driver.heartbeat(new).directive == pb.DIRECTIVE_CONTINUE
        driver.refused(stop, FailedPrecondition, "STALE_LEASE")
        for wrong in (
            pb.StopSuggestionRequest(suggestion_id=new.id),
            pb.StopSuggestionRequest(reason="slow"),
            pb.StopSuggestionRequest(suggestion_id=new.id, reason="x" * 1001),
        ):
            driver.refused(wrong, InvalidArgument)

    def test_nodes_are_known_as_they_said_last(self, driver: Driver):
        for slots in (1, 2):
            node = trainer_pb2.GetNodeResponse(worker="b", slots=slots)
            driver.do(pb.ReportNodeRequest(node=node))
        driver.do(pb.ReportNodeRequest(node=trainer_pb2.GetNodeResponse(worker="a")))
        listed = [(one.node.worker, one.node.slots) for one in driver.do(pb.ListNodesRequest()).nodes]
        assert listed == [("a", 0), ("b", 2)]
        driver.do(pb.ReportNodeRequest(node=trainer_pb2.GetNodeResponse(worker="a"), leaving=True))
        assert [one.node.worker for one in driver.do(pb.ListNodesRequest()).nodes] == ["b"]
        driver.refused(pb.ReportNodeRequest(), InvalidArgument)

    def test_a_queued_suggestion_can_be_cancelled(self, driver: Driver):
        made = driver.create()
        driver.do(pb.CancelSuggestionRequest(suggestion_id=driver.queue(made.id).id))
        assert not driver.do(pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w")).suggestions

    def test_fences_grow_over_restarts(self, driver: Driver):
        made = driver.create()
        fences = []
        for _ in range(3):
            fences += [driver.lease(made.id).lease.fence, driver.lease(made.id).lease.fence]
            driver.restart()
        assert fences == sorted(set(fences))

    def test_leases_outlive_a_restart(self, driver: Driver):
        leased = driver.lease(driver.create(ttl=10).id)
        driver.clock.advance(9)
        driver.restart()
        driver.expire()
        assert driver.observe_suggestion(leased).attempt == 1

    def test_leases_that_ended_while_the_store_was_down_are_queued_again(self, driver: Driver):
        leased = driver.lease(driver.create(ttl=10).id)
        driver.clock.advance(11)
        driver.restart()
        driver.expire()
        assert driver.suggestion(leased.id).state == types.SUGGESTION_STATE_QUEUED

    @pytest.mark.parametrize("jump", [-86400, -3600, -30, 30, 3600, 86400])
    def test_a_jump_of_the_clock_moves_no_lease(self, driver: Driver, jump: int):
        leased = driver.lease(driver.create(ttl=10).id)
        driver.clock.jump(jump)
        driver.clock.advance(9)
        driver.expire()
        assert driver.suggestion(leased.id).state == types.SUGGESTION_STATE_LEASED
        driver.clock.advance(2)
        driver.expire()
        assert driver.suggestion(leased.id).state == types.SUGGESTION_STATE_QUEUED

    def test_no_lease_is_immortal_after_the_clock_was_set_back(self, driver: Driver):
        leased = driver.lease(driver.create(ttl=10).id)
        driver.clock.jump(-86400)
        driver.restart()
        driver.clock.advance(11)
        driver.expire()
        assert driver.suggestion(leased.id).state == types.SUGGESTION_STATE_QUEUED

    def test_expire_says_when_to_come_again(self, driver: Driver):
        assert driver.expire() == math.inf
        made = driver.create(ttl=10)
        driver.lease(made.id)
        driver.clock.advance(4)
        driver.lease(made.id)
        assert driver.expire() == pytest.approx(6)
