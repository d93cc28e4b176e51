"""Trainers and the leases of their tokens: what each of two hears about one suggestion."""

import pytest
from store_cases import Driver, checkpoint, metric_values, observation

from paretune.access import Caller, Role
from paretune.errors import FailedPrecondition, PermissionDenied
from paretune.v1 import store_pb2 as pb
from paretune_store.sqlite import SqliteStore

FIRST, SECOND, REPLACED = (Caller(f"{name}-token", Role.TRAINER, "*", "node") for name in "abc")


@pytest.fixture
def driver(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "store.db", clock))
    yield driver
    driver.close()


@pytest.fixture
def made(driver):
    """An experiment with one queued suggestion, whose holders may be silent for 10 s."""
    made = driver.create(ttl=10.0)
    driver.queue(made.id)
    return made


def lease(driver, made, caller):
    request = pb.LeaseSuggestionsRequest(experiment_id=made.id, worker="w")
    reply = pb.LeaseSuggestionsResponse.FromString(driver.run(driver.store.write(request, caller)))
    return reply.suggestions[0]


def reports(suggestion):
    """Whatever a trainer may say of what it holds."""
    fence = suggestion.lease.fence
    held = {"suggestion_id": suggestion.id, "fence": fence}
    result = observation(suggestion.experiment_id, suggestion=suggestion, values=metric_values())
    observed = pb.ObserveRequest(observation=result, fence=fence)
    return [
        pb.HeartbeatRequest(**held),
        pb.RecordCheckpointsRequest(**held, checkpoints=[checkpoint(1)]),
        pb.ReleaseSuggestionRequest(**held, request_id=f"released {fence}"),
        pb.ObserveRequest(observation=result, fence=fence, request_id=f"observed {fence}"),
        pb.ObserveBatchRequest(experiment_id=suggestion.experiment_id, requests=[observed]),
    ]


def all_refused(driver, suggestion, caller, error, reason):
    before = driver.state()
    for request in reports(suggestion):
        with pytest.raises(error) as caught:
            driver.run(driver.store.write(request, caller))
        assert caught.value.reason == reason, request
    assert driver.state() == before


def test_who_lost_a_lease_to_another_token_hears_so(driver, made):
    lost = lease(driver, made, FIRST)
    driver.clock.advance(11)
    driver.expire()
    all_refused(driver, lost, FIRST, FailedPrecondition, "STALE_LEASE")
    held = lease(driver, made, SECOND)
    assert held.id == lost.id
    all_refused(driver, lost, FIRST, FailedPrecondition, "STALE_LEASE")
    driver.run(driver.store.write(reports(held)[3], SECOND))
    all_refused(driver, lost, FIRST, FailedPrecondition, "SUGGESTION_FINISHED")


def test_the_fence_of_a_live_lease_is_of_no_use_with_another_token(driver, made):
    held = lease(driver, made, FIRST)
    all_refused(driver, held, SECOND, PermissionDenied, "PERMISSION_DENIED")


def test_a_trainer_reports_no_result_of_what_nobody_holds(driver, made):
    (queued,) = driver.pages(pb.ListSuggestionsRequest(experiment_id=made.id), "suggestions")
    with pytest.raises(PermissionDenied):
        driver.run(driver.store.write(reports(queued)[3], FIRST))


def test_a_release_that_is_repeated_gets_its_first_reply_whoever_holds_it_now(driver, made):
    release = reports(lease(driver, made, FIRST))[2]
    first = driver.run(driver.store.write(release, FIRST))
    lease(driver, made, SECOND)
    before = driver.state()
    assert driver.run(driver.store.write(release, FIRST)) == first
    assert driver.state() == before


def test_with_a_replaced_token_a_lease_lasts_as_long_as_its_ttl_and_a_report_made_stays_made(driver, made):
    held = lease(driver, made, FIRST)
    observed = reports(held)[3]
    all_refused(driver, held, REPLACED, PermissionDenied, "PERMISSION_DENIED")
    first = driver.run(driver.store.write(observed, FIRST))
    assert driver.run(driver.store.write(observed, REPLACED)) == first
    driver.queue(made.id)
    held = lease(driver, made, FIRST)
    driver.clock.advance(11)
    driver.expire()
    all_refused(driver, held, REPLACED, FailedPrecondition, "STALE_LEASE")
