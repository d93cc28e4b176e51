"""The Store over a real channel."""

import asyncio
import os
import threading
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from store_cases import assignments, experiment, observation, proposal
from store_process import running

from paretune.errors import FailedPrecondition, InvalidArgument, NotFound
from paretune.rpc.channel import open_async_channel, open_channel
from paretune.rpc.status import error_of
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune_store.commands import COMMANDS, QUERIES
from paretune_store.schema import VERSION

SERVICE = pb.DESCRIPTOR.services_by_name["StoreService"]
UNARY = [m for m in SERVICE.methods if not m.server_streaming]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(tmp_path_factory.mktemp("store") / "store.db") as address:
        yield address


@pytest.fixture
def channel(address):
    with open_channel(address) as channel:
        yield channel


@pytest.fixture
def stub(channel):
    return store_pb2_grpc.StoreServiceStub(channel)


def failure(call, *arguments):
    """The error that a call ends with, as the service raised it."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=10)
    return error_of(caught.value)


def test_every_rpc_is_answered_by_a_command_or_a_query():
    known = {kind.DESCRIPTOR.full_name for kind in (*COMMANDS, *QUERIES, pb.LeaseSuggestionsBatchRequest)}
    assert known == {method.input_type.full_name for method in UNARY}


@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
def test_empty_requests_and_garbage_are_the_callers_fault(channel, method):
    call = channel.unary_unary(f"/{SERVICE.full_name}/{method.name}")
    if method.name in ("ListExperiments", "ListNodes", "GetInfo"):
        call(b"", timeout=10)
    else:
        assert isinstance(failure(call, b""), InvalidArgument)
    for number in range(20):
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff" + os.urandom(number), timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error_of(caught.value).reason == "MALFORMED_MESSAGE"


def test_a_trial_over_the_wire(stub):
    made = stub.CreateExperiment(pb.CreateExperimentRequest(experiment=experiment()), timeout=10).experiment
    lease = pb.LeaseSuggestionsRequest(
        experiment_id=made.id, worker="w", proposals=[proposal(0.5)], first_ordinal=1, request_id="trial"
    )
    (suggestion,) = stub.LeaseSuggestions(lease, timeout=10).suggestions
    report = pb.ObserveRequest(
        observation=observation(made.id, suggestion=suggestion), fence=suggestion.lease.fence
    )
    assert stub.Observe(report, timeout=10).observation.ordinal == 1
    late = failure(stub.Observe, report)
    assert isinstance(late, FailedPrecondition)
    assert (late.reason, late.metadata["state"]) == ("SUGGESTION_FINISHED", "OBSERVED")
    assert isinstance(failure(stub.GetObservation, pb.GetObservationRequest(observation_id="o")), NotFound)
    wrong = pb.ObserveRequest(observation=observation(made.id, assignments=assignments(float("nan"))))
    refused = failure(stub.Observe, wrong)
    assert [v.field for v in refused.violations] == ["assignments['lr']"]


def test_retries_get_the_same_bytes(channel):
    request = pb.CreateExperimentRequest(
        experiment=experiment(labels={str(n): "x" for n in range(40)}), request_id="bytes"
    ).SerializeToString()
    call = channel.unary_unary(f"/{SERVICE.full_name}/CreateExperiment")
    assert len({call(request, timeout=10) for _ in range(5)}) == 1


def test_a_watch_follows_what_others_do(stub):
    made = stub.CreateExperiment(pb.CreateExperimentRequest(experiment=experiment()), timeout=10).experiment
    stream = stub.Watch(pb.WatchRequest(experiment_id=made.id), timeout=20)
    assert next(stream).events[0].experiment.id == made.id

    def write() -> None:
        for _ in range(30):
            stub.Observe(pb.ObserveRequest(observation=observation(made.id)), timeout=10)

    writing = threading.Thread(target=write)
    writing.start()
    seen: list[int] = []
    while len(seen) < 30:
        seen += [event.observation.ordinal for event in next(stream).events]
    writing.join()
    stream.cancel()
    assert seen == [*range(1, 31)]


def test_deleting_ends_a_watch_with_not_found(stub):
    made = stub.CreateExperiment(pb.CreateExperimentRequest(experiment=experiment()), timeout=10).experiment
    stream = stub.Watch(pb.WatchRequest(experiment_id=made.id), timeout=20)
    assert next(stream).caught_up
    stub.DeleteExperiment(pb.DeleteExperimentRequest(experiment_id=made.id), timeout=10)
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert isinstance(error_of(caught.value), NotFound)


def test_many_workers_never_share_a_suggestion_nor_pass_the_budget(address):
    async def work() -> tuple[int, int]:
        async with open_async_channel(address) as channel:
            stub = store_pb2_grpc.StoreServiceStub(channel)
            create = pb.CreateExperimentRequest(experiment=experiment(observation_budget=40))
            name = (await stub.CreateExperiment(create)).experiment.id
            for number in range(60):
                await stub.QueueSuggestion(
                    pb.QueueSuggestionRequest(experiment_id=name, assignments=assignments(number / 60))
                )

            async def worker(number: int) -> list[str]:
                done = []
                while True:
                    lease = pb.LeaseSuggestionsRequest(
                        experiment_id=name, worker=f"w{number}", within_budget=True
                    )
                    try:
                        (suggestion,) = (await stub.LeaseSuggestions(lease)).suggestions
                    except grpc.aio.AioRpcError as end:
                        if error_of(end).reason == "BUDGET_EXHAUSTED":
                            return done
                        raise
                    result = observation(name, suggestion=suggestion)
                    await stub.Observe(pb.ObserveRequest(observation=result, fence=suggestion.lease.fence))
                    done.append(suggestion.id)

            done = [name for names in await asyncio.gather(*map(worker, range(16))) for name in names]
            found = await stub.GetExperiment(pb.GetExperimentRequest(experiment_id=name))
            return len(done), len(set(done)), found.experiment.progress.observations

    assert asyncio.run(work()) == (40, 40, 40)


def test_the_store_says_what_it_is_and_how_much_room_it_has(stub):
    info = stub.GetInfo(pb.GetInfoRequest(), timeout=10)
    assert info.schema_version == VERSION
    assert abs(info.time.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(minutes=1)
    assert info.database_bytes > 0
    assert info.free_bytes > 0
    assert info.version
