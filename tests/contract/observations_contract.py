"""The contract of the Store: observations and checkpoints."""

import math

import pytest
from store_cases import (
    Driver,
    assignments,
    checkpoint,
    metric_values,
    observation,
)

from paretune.errors import FailedPrecondition, InvalidArgument, NotFound
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types


class ObservationsContract:
    """Part of `store_contract.StoreContract`."""

    # Observing

    def test_numbers_are_recorded_in_the_kind_of_their_parameter(self, driver: Driver):
        made = driver.create()
        sent = assignments() | {"lr": types.Value(int_value=1), "layers": types.Value(double_value=3.0)}
        recorded = driver.observe(made.id, assignments=sent).assignments
        assert (recorded["lr"].WhichOneof("kind"), recorded["lr"].double_value) == ("double_value", 1.0)
        assert (recorded["layers"].WhichOneof("kind"), recorded["layers"].int_value) == ("int_value", 3)
        for name, value in (("layers", 1.5), ("layers", math.inf), ("layers", 1e300)):
            sent[name] = types.Value(double_value=value)
            wrong = pb.ObserveRequest(observation=observation(made.id, assignments=sent))
            error = driver.refused(wrong, InvalidArgument)
            assert [violation.field for violation in error.violations] == [f"assignments[{name!r}]"]

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
