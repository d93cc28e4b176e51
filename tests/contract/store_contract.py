"""The suite that every engine of the Store must pass, whatever it keeps its rows in.

An engine's test module derives from `StoreContract` and gives a fixture `driver`. Every refusal goes through
`Driver.refused`, which also checks that nothing changed.
"""

import asyncio
import math

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from store_cases import (
    Driver,
    assignments,
    checkpoint,
    experiment,
    metric_values,
    observation,
    proposal,
    value,
)

from paretune.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types


class StoreContract:
    """Inherit, give a `driver` fixture, and every test here runs on that engine."""

    # Experiments

    def test_an_experiment_reads_as_it_was_created(self, driver: Driver):
        made = driver.do(pb.CreateExperimentRequest(experiment=experiment(id="digits"))).experiment
        assert driver.get("digits") == made
        assert made.create_time == made.update_time
        assert made.state == types.EXPERIMENT_STATE_ACTIVE
        assert made.etag

    def test_fields_of_the_store_are_ignored_in_create(self, driver: Driver):
        asked = experiment(etag="mine", progress=types.Progress(observations=7))
        asked.create_time.seconds = 10**15  # not even a time
        made = driver.do(pb.CreateExperimentRequest(experiment=asked)).experiment
        assert made.etag != "mine"
        assert made.progress.observations == 0
        assert made.create_time.seconds == driver.clock.wall() // 10**6

    def test_a_taken_id_is_refused(self, driver: Driver):
        driver.create(id="digits")
        driver.refused(pb.CreateExperimentRequest(experiment=experiment(id="digits")), AlreadyExists)

    @pytest.mark.parametrize("bad", ["Digits", "1st", "a_b", "a-", "-a", "a" * 64, "ä", "a b"])
    def test_ids_have_a_form(self, driver: Driver, bad: str):
        error = driver.refused(pb.CreateExperimentRequest(experiment=experiment(id=bad)), InvalidArgument)
        assert error.violations[0].field == "id"

    @pytest.mark.parametrize(
        ("field", "broken"),
        [
            (
                "parameters[0].min",
                {"parameters": [types.Parameter(name="x", double_domain={"min": 2, "max": 1})]},
            ),
            (
                "parameters[0].max",
                {"parameters": [types.Parameter(name="x", double_domain={"max": math.nan})]},
            ),
            ("parameters", {"parameters": []}),
            ("metrics", {"metrics": []}),
            ("metrics[0].goal", {"metrics": [types.Metric(name="a")]}),
            ("name", {"name": ""}),
            ("observation_budget", {"observation_budget": -1}),
            ("state", {"state": 77}),
        ],
    )
    def test_invalid_experiments_are_refused_with_the_path(self, driver: Driver, field: str, broken: dict):
        request = pb.CreateExperimentRequest(experiment=experiment(**broken))
        assert driver.refused(request, InvalidArgument).violations[0].field == field

    def test_a_relative_threshold_needs_its_baseline(self, driver: Driver):
        relative = types.Threshold(relative={"baseline_observation_id": "o-1", "factor": 0.9})
        metrics = [types.Metric(name="accuracy", goal=1), types.Metric(name="ms", goal=2, threshold=relative)]
        driver.refused(pb.CreateExperimentRequest(experiment=experiment(metrics=metrics)), InvalidArgument)
        made = driver.create()
        baseline = driver.observe(made.id)
        metrics[1].threshold.relative.baseline_observation_id = baseline.id
        changed = driver.update(made.id, "metrics", metrics=metrics)
        assert changed.metrics[1].threshold.relative.baseline_observation_id == baseline.id
        elsewhere = driver.create()
        driver.refused(_update(elsewhere.id, "metrics", metrics=metrics), InvalidArgument)

    def test_experiments_are_listed_newest_first_in_pages(self, driver: Driver):
        ids = [driver.create().id for _ in range(5)]
        seen, request = [], pb.ListExperimentsRequest(page_size=2)
        while True:
            page = driver.do(request)
            assert len(page.experiments) <= 2
            seen += [found.id for found in page.experiments]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert seen == ids[::-1]

    def test_lists_of_experiments_can_be_filtered(self, driver: Driver):
        plain = driver.create(name="one")
        labelled = driver.create(name="two", labels={"team": "vision", "kind": 'x"]'})
        archived = driver.create(name="three", state=types.EXPERIMENT_STATE_ARCHIVED)

        def found(**filters) -> list[str]:
            return [e.id for e in driver.do(pb.ListExperimentsRequest(**filters)).experiments]

        assert found() == [labelled.id, plain.id]
        assert found(states=[types.EXPERIMENT_STATE_ARCHIVED]) == [archived.id]
        assert found(labels={"team": "vision"}) == [labelled.id]
        assert found(labels={"team": "vision", "kind": 'x"]'}) == [labelled.id]
        assert found(labels={"team": "Vision"}) == []
        assert found(labels={"team": "vision", "more": ""}) == []
        assert found(name="one") == [plain.id]
        assert found(name="on") == []

    def test_page_sizes_and_tokens_are_checked(self, driver: Driver):
        for _ in range(3):
            driver.create()
        token = driver.do(pb.ListExperimentsRequest(page_size=1)).next_page_token
        driver.refused(pb.ListExperimentsRequest(page_size=-1), InvalidArgument)
        for bad in ("nonsense", token[:-2], token + "AA", "ä"):
            driver.refused(pb.ListExperimentsRequest(page_token=bad), InvalidArgument, "INVALID_TOKEN")
        bound = pb.ListExperimentsRequest(page_token=token, name="other")
        driver.refused(bound, InvalidArgument, "INVALID_TOKEN")
        resized = driver.do(pb.ListExperimentsRequest(page_token=token, page_size=2000))
        assert len(resized.experiments) == 2

    def test_update_changes_what_the_mask_names_and_nothing_else(self, driver: Driver):
        made = driver.create(name="before", observation_budget=5, labels={"a": "b"})
        driver.observe(made.id)
        driver.clock.advance(1)
        changed = driver.update(made.id, "name", "labels", name="after", observation_budget=9)
        assert (changed.name, changed.observation_budget, dict(changed.labels)) == ("after", 5, {})
        assert changed.etag != made.etag
        assert changed.progress.observations == 1
        assert changed.create_time == made.create_time
        assert changed.update_time != made.update_time
        assert driver.get(made.id) == changed

    def test_update_refuses_what_cannot_change(self, driver: Driver):
        made = driver.create()
        for path in ("parameters", "seed", "id", "progress", "lease_policy.ttl", "*", "nothing"):
            driver.refused(_update(made.id, path), InvalidArgument)
        driver.refused(_update(made.id), InvalidArgument)
        driver.refused(_update("", "name", name="x"), InvalidArgument)
        driver.refused(_update("nobody", "name", name="x"), NotFound)
        driver.refused(_update(made.id, "name", name=""), InvalidArgument)
        flipped = [types.Metric(name="accuracy", goal=2), types.Metric(name="ms", goal=2)]
        driver.refused(_update(made.id, "metrics", metrics=flipped), InvalidArgument)

    def test_a_stale_etag_is_refused(self, driver: Driver):
        made = driver.create()
        driver.update(made.id, "name", name="by somebody else")
        driver.refused(_update(made.id, "name", name="mine", etag=made.etag), Aborted, "ETAG_MISMATCH")
        delete = pb.DeleteExperimentRequest(experiment_id=made.id, etag=made.etag)
        driver.refused(delete, Aborted, "ETAG_MISMATCH")
        driver.update(made.id, "name", name="mine", etag=driver.get(made.id).etag)

    def test_delete_takes_everything_along(self, driver: Driver):
        made = driver.create(id="gone")
        leased = driver.lease(made.id)
        driver.checkpoints(leased, checkpoint(1))
        seen = driver.observe_suggestion(leased)
        queued = driver.queue(made.id)
        driver.do(pb.DeleteExperimentRequest(experiment_id=made.id))
        driver.refused(pb.GetExperimentRequest(experiment_id=made.id), NotFound)
        driver.refused(pb.GetSuggestionRequest(suggestion_id=leased.id), NotFound)
        driver.refused(pb.GetSuggestionRequest(suggestion_id=queued.id), NotFound)
        driver.refused(pb.GetObservationRequest(observation_id=seen.id), NotFound)
        driver.refused(pb.ListCheckpointsRequest(suggestion_id=leased.id), NotFound)
        again = driver.create(id="gone")
        assert again.progress == types.Progress()
        assert driver.lease(again.id).ordinal == 1

    # Idempotency

    def test_every_retry_gets_the_bytes_of_the_first_reply(self, driver: Driver):
        for request in driver.one_of_each_mutation():
            first = driver.bytes_of(request)
            state = driver.state()
            assert driver.bytes_of(request) == first, type(request).__name__
            assert driver.state() == state

    def test_also_after_a_restart(self, driver: Driver):
        replies = [(request, driver.bytes_of(request)) for request in driver.one_of_each_mutation()]
        driver.clock.advance(5)
        driver.restart()
        state = driver.state()
        for request, first in replies:
            assert driver.bytes_of(request) == first, type(request).__name__
        assert driver.state() == state

    def test_an_id_with_another_request_is_refused(self, driver: Driver):
        made = driver.create()
        driver.do(pb.QueueSuggestionRequest(experiment_id=made.id, assignments=assignments(), request_id="r"))
        other = pb.QueueSuggestionRequest(experiment_id=made.id, assignments=assignments(0.9), request_id="r")
        error = driver.refused(other, InvalidArgument, "REQUEST_ID_REUSED")
        assert error.metadata == {"request_id": "r"}
        create = pb.CreateExperimentRequest(experiment=experiment(), request_id="r")
        driver.refused(create, InvalidArgument, "REQUEST_ID_REUSED")

    def test_a_refusal_leaves_the_id_free(self, driver: Driver):
        made = driver.create(state=types.EXPERIMENT_STATE_PAUSED)
        request = pb.QueueSuggestionRequest(
            experiment_id=made.id, assignments=assignments(), request_id="later"
        )
        driver.refused(request, FailedPrecondition, "EXPERIMENT_NOT_ACTIVE")
        driver.update(made.id, "state", state=types.EXPERIMENT_STATE_ACTIVE)
        assert driver.do(request).suggestion.ordinal == 1

    def test_the_length_of_ids_is_limited(self, driver: Driver):
        driver.do(pb.CreateExperimentRequest(experiment=experiment(), request_id="r" * 128))
        for long in ("r" * 129, "ä" * 65):
            driver.refused(
                pb.CreateExperimentRequest(experiment=experiment(), request_id=long), InvalidArgument
            )

    def test_without_an_id_every_call_counts(self, driver: Driver):
        made = driver.create()
        driver.observe(made.id)
        driver.observe(made.id)
        assert driver.get(made.id).progress.observations == 2

    def test_concurrent_retries_have_one_effect(self, driver: Driver):
        made = driver.create()
        request = pb.ObserveRequest(observation=observation(made.id), request_id="same")
        replies = driver.at_once([request] * 20)
        assert len(set(replies)) == 1
        assert driver.get(made.id).progress.observations == 1

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

    # Observing

    def test_an_observation_reads_as_it_was_recorded(self, driver: Driver):
        made = driver.create()
        leased = driver.lease(made.id, worker="node-1")
        asked = observation(made.id, suggestion=leased, metadata={"device": "cpu"})
        asked.values[0].stddev.value = 0.01
        seen = driver.do(pb.ObserveRequest(observation=asked, fence=leased.lease.fence)).observation
        assert driver.do(pb.GetObservationRequest(observation_id=seen.id)).observation == seen
        assert (seen.ordinal, seen.worker, seen.attempt) == (1, "node-1", 1)
        assert seen.assignments == leased.assignments
        assert seen.values == asked.values
        assert driver.suggestion(leased.id).state == types.SUGGESTION_STATE_OBSERVED
        assert not driver.suggestion(leased.id).HasField("lease")

    @pytest.mark.parametrize(
        ("field", "broken"),
        [
            ("values[1].value", metric_values(accuracy=1, ms=math.nan)),
            ("values[0].value", metric_values(accuracy=-math.inf, ms=1)),
            ("values[0].stddev", [types.MetricValue(metric="accuracy", stddev={"value": -1})]),
            ("values[0].stddev", [types.MetricValue(metric="accuracy", stddev={"value": math.inf})]),
            ("values", metric_values(accuracy=1)),
            ("values", []),
            ("values[1].metric", metric_values(accuracy=1, milliseconds=1)),
            ("values[1].metric", [*metric_values(accuracy=1), *metric_values(accuracy=1, ms=1)]),
        ],
    )
    def test_wrong_values_are_refused_with_the_path(self, driver: Driver, field: str, broken: list):
        made = driver.create()
        leased = driver.lease(made.id)
        asked = observation(made.id, suggestion=leased, values=broken)
        request = pb.ObserveRequest(observation=asked, fence=leased.lease.fence)
        assert driver.refused(request, InvalidArgument).violations[0].field == field

    def test_wrong_observations_are_refused(self, driver: Driver):
        made, other = driver.create(), driver.create()
        foreign = driver.queue(other.id)
        for error, asked in (
            (InvalidArgument, observation("")),
            (NotFound, observation("nobody")),
            (InvalidArgument, types.Observation(experiment_id=made.id, values=metric_values())),
            (NotFound, types.Observation(experiment_id=made.id, suggestion_id="s", values=metric_values())),
            (NotFound, observation(made.id, suggestion=foreign)),
            (InvalidArgument, observation(made.id, assignments=assignments(2.0))),
            (InvalidArgument, observation(made.id, outcome=types.Outcome(kind=2))),
            (InvalidArgument, observation(made.id, outcome=types.Outcome(kind=9))),
            (InvalidArgument, observation(made.id, outcome=types.Outcome(kind=4, step=-1))),
            (InvalidArgument, observation(made.id, metadata={"log": "x" * 70_000})),
            (InvalidArgument, observation(made.id, worker="\0")),
            (InvalidArgument, observation(made.id, start_time={"seconds": 10**15})),
        ):
            driver.refused(pb.ObserveRequest(observation=asked), error)

    def test_a_suggestion_has_one_observation(self, driver: Driver):
        leased = driver.lease(driver.create().id)
        driver.observe_suggestion(leased)
        for late in driver.reports(leased):
            error = driver.refused(late, FailedPrecondition, "SUGGESTION_FINISHED")
            assert error.metadata == {"suggestion": leased.id, "state": "OBSERVED"}

    @pytest.mark.parametrize("state", ["OBSERVED", "CANCELLED", "LOST"])
    def test_finished_suggestions_take_no_report_without_a_fence_either(self, driver: Driver, state: str):
        made = driver.create(max_attempts=1)
        leased = driver.lease(made.id)
        if state == "OBSERVED":
            driver.observe_suggestion(leased)
        elif state == "CANCELLED":
            driver.do(pb.CancelSuggestionRequest(suggestion_id=leased.id))
        else:
            driver.let_expire(leased)
        report = pb.ObserveRequest(observation=observation(made.id, suggestion=leased))
        error = driver.refused(report, FailedPrecondition, "SUGGESTION_FINISHED")
        assert error.metadata["state"] == state

    def test_concurrent_reports_record_one(self, driver: Driver):
        leased = driver.lease(driver.create().id)
        replies = driver.at_once([driver.reports(leased)[0]] * 10)
        assert sum(isinstance(reply, bytes) for reply in replies) == 1
        assert {r.reason for r in replies if not isinstance(r, bytes)} == {"SUGGESTION_FINISHED"}

    def test_a_free_worker_may_answer_what_is_queued(self, driver: Driver):
        made = driver.create()
        queued = driver.queue(made.id)
        pretended = pb.ObserveRequest(observation=observation(made.id, suggestion=queued), fence="f")
        driver.refused(pretended, FailedPrecondition, "STALE_LEASE")
        seen = driver.do(pb.ObserveRequest(observation=observation(made.id, suggestion=queued))).observation
        assert seen.assignments == queued.assignments
        assert driver.get(made.id).progress == types.Progress(observations=1, ok=1)

    def test_a_leased_one_only_with_its_fence(self, driver: Driver):
        leased = driver.lease(driver.create().id)
        request = pb.ObserveRequest(observation=observation(leased.experiment_id, suggestion=leased))
        driver.refused(request, FailedPrecondition, "STALE_LEASE")

    def test_assignments_must_agree_with_the_suggestion(self, driver: Driver):
        leased = driver.lease(driver.create().id)
        request = pb.ObserveRequest(
            observation=observation(leased.experiment_id, suggestion=leased, assignments=assignments(0.99)),
            fence=leased.lease.fence,
        )
        assert driver.refused(request, InvalidArgument).violations[0].field == "assignments"
        for name, one in leased.assignments.items():
            request.observation.assignments[name].CopyFrom(one)
        assert driver.do(request).observation.assignments == leased.assignments

    def test_every_outcome_is_counted(self, driver: Driver):
        made = driver.create()
        driver.observe(made.id)
        driver.observe(made.id, values=[], outcome=types.Outcome(kind=2, reason="out of memory", failure=3))
        driver.observe(
            made.id, values=metric_values(ms=3), outcome=types.Outcome(kind=3, reason="broken pipe")
        )
        driver.observe(made.id, values=metric_values(ms=3), outcome=types.Outcome(kind=4, step=7))
        counted = types.Progress(observations=4, ok=1, infeasible=1, crashed=1, stopped_early=1)
        assert driver.get(made.id).progress == counted
        crashed = pb.ListObservationsRequest(experiment_id=made.id, outcomes=[types.OUTCOME_KIND_CRASHED])
        assert [o.ordinal for o in driver.do(crashed).observations] == [3]

    def test_a_batch_is_recorded_whole_or_not_at_all(self, driver: Driver):
        made = driver.create()
        leased = driver.lease(made.id)
        good = pb.ObserveRequest(observation=observation("", suggestion=leased), fence=leased.lease.fence)
        free = pb.ObserveRequest(observation=observation(made.id))
        nan = pb.ObserveRequest(observation=observation(made.id, values=metric_values(ms=math.nan)))

        def batch(*requests: pb.ObserveRequest) -> pb.ObserveBatchRequest:
            return pb.ObserveBatchRequest(experiment_id=made.id, requests=requests)

        error = driver.refused(batch(good, free, nan), InvalidArgument)
        assert error.violations[0].field == "requests[2].values[0].value"
        driver.refused(batch(good, good), FailedPrecondition, "SUGGESTION_FINISHED")
        driver.refused(batch(), InvalidArgument)
        driver.refused(batch(*[free] * 1001), InvalidArgument)
        driver.refused(
            batch(pb.ObserveRequest(observation=free.observation, request_id="r")), InvalidArgument
        )
        driver.refused(batch(pb.ObserveRequest(observation=observation("other"))), InvalidArgument)
        assert [o.ordinal for o in driver.do(batch(good, free)).observations] == [1, 2]

    def test_observations_and_suggestions_are_listed_by_ordinal(self, driver: Driver):
        made, other = driver.create(), driver.create()
        for number in range(7):
            driver.observe(made.id)
            driver.observe(other.id)
            driver.queue(made.id, number / 10)
        driver.lease(made.id)
        assert driver.ordinals(pb.ListObservationsRequest(experiment_id=made.id, page_size=3)) == [
            *range(1, 8)
        ]
        assert driver.ordinals(pb.ListSuggestionsRequest(experiment_id=made.id, page_size=2)) == [
            *range(1, 8)
        ]
        leased = pb.ListSuggestionsRequest(experiment_id=made.id, states=[types.SUGGESTION_STATE_LEASED])
        assert driver.ordinals(leased) == [1]
        for kind in (pb.ListSuggestionsRequest, pb.ListObservationsRequest):
            driver.refused(kind(), InvalidArgument)
            driver.refused(kind(experiment_id="nobody"), NotFound)
            token = driver.do(kind(experiment_id=made.id, page_size=1)).next_page_token
            driver.refused(kind(experiment_id=other.id, page_token=token), InvalidArgument, "INVALID_TOKEN")
        driver.refused(pb.ListSuggestionsRequest(experiment_id=made.id, states=[0]), InvalidArgument)

    # Checkpoints

    def test_checkpoints_are_listed_by_attempt_and_step(self, driver: Driver):
        made = driver.create()
        first = driver.lease(made.id)
        driver.checkpoints(first, checkpoint(3), checkpoint(1))
        driver.let_expire(first)
        second = driver.lease(made.id)
        driver.checkpoints(second, checkpoint(1, ms=5))
        driver.checkpoints(second, checkpoint(1, ms=6), checkpoint(2))
        seen, request = [], pb.ListCheckpointsRequest(suggestion_id=first.id, page_size=1)
        while not seen or request.page_token:
            page = driver.do(request)
            seen += page.checkpoints
            request.page_token = page.next_page_token
        assert [(c.attempt, c.step) for c in seen] == [(1, 1), (1, 3), (2, 1), (2, 2)]
        assert seen[2].values[0].value == 6

    def test_checkpoints_are_checked(self, driver: Driver):
        leased = driver.lease(driver.create().id)
        request = pb.RecordCheckpointsRequest(suggestion_id=leased.id, fence=leased.lease.fence)
        driver.refused(request, InvalidArgument)
        for wrong in (checkpoint(-1), checkpoint(1, ms=math.nan), checkpoint(1, loss=3)):
            del request.checkpoints[:]
            request.checkpoints.extend([checkpoint(0), wrong])
            path = driver.refused(request, InvalidArgument).violations[0].field
            assert path.startswith("checkpoints[1].")
        del request.checkpoints[1:]
        request.fence = ""
        driver.refused(request, InvalidArgument)

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


def _update(experiment_id: str, *paths: str, **fields) -> pb.UpdateExperimentRequest:
    return pb.UpdateExperimentRequest(
        experiment=types.Experiment(id=experiment_id, **fields), update_mask=FieldMask(paths=paths)
    )
