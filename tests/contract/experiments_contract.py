"""The contract of the Store: experiments, and calls that are sent twice."""

import math

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from store_cases import (
    Driver,
    assignments,
    checkpoint,
    experiment,
    observation,
)

from paretune.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types


class ExperimentsContract:
    """Part of `store_contract.StoreContract`."""

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


def _update(experiment_id: str, *paths: str, **fields) -> pb.UpdateExperimentRequest:
    return pb.UpdateExperimentRequest(
        experiment=types.Experiment(id=experiment_id, **fields), update_mask=FieldMask(paths=paths)
    )
