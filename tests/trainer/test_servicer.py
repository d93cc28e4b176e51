"""TrainerService over a real channel, with the stubs alone."""

import threading
import time

import grpc
import pytest

from paretune.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from paretune.rpc.channel import open_channel
from paretune.rpc.status import translated
from paretune.v1 import trainer_pb2, trainer_pb2_grpc, types_pb2
from paretune_trainer.workload import builtin_workloads


@pytest.fixture(scope="module")
def stub(start_trainer):
    trainer = start_trainer("--slots", "2", "--time-limit", "60")
    with open_channel(trainer.address) as channel:
        yield trainer_pb2_grpc.TrainerServiceStub(channel)


def request(function, seed=3, settings=None, **assignments):
    name = f"sample_workloads:{function}" if ":" not in function and function != "digits" else function
    values = {
        key: types_pb2.Value(string_value=value)
        if isinstance(value, str)
        else types_pb2.Value(int_value=value)
        if isinstance(value, int)
        else types_pb2.Value(double_value=value)
        for key, value in assignments.items()
    }
    workload = types_pb2.Workload(name=name, settings=settings or {})
    return trainer_pb2.RunRequest(workload=workload, assignments=values, seed=seed)


def running(stub):
    return list(stub.ListRuns(trainer_pb2.ListRunsRequest()).runs)


def eventually(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


def test_the_node_describes_itself(stub):
    node = stub.GetNode(trainer_pb2.GetNodeRequest())
    assert node.worker.startswith("test-")
    assert node.cpu_count >= 1
    assert node.memory_bytes > 2**20
    assert node.devices[0].id == "cpu"
    assert node.frameworks["numpy"]
    assert (node.slots, node.running, node.draining) == (2, 0, False)
    assert node.version


def test_the_builtin_workloads_are_listed_with_their_schemas(stub):
    listed = {w.name: w for w in stub.ListWorkloads(trainer_pb2.ListWorkloadsRequest()).workloads}
    assert set(listed) == set(builtin_workloads())
    digits = listed["digits"]
    assert {m.name: m.goal for m in digits.metrics} == {
        "accuracy": types_pb2.GOAL_MAXIMIZE,
        "inference_ms": types_pb2.GOAL_MINIMIZE,
    }
    kinds = {p.name: p.WhichOneof("domain") for p in digits.parameters}
    assert kinds["conv_1_filters"] == "int_domain"
    assert kinds["learning_rate"] == "double_domain"
    assert kinds["activation"] == "categorical_domain"
    assert "epochs" in digits.settings


def test_a_run_streams_its_progress_and_ends_with_the_observation(stub):
    replies = list(stub.Run(request("ok", x=0.125)))
    kinds = [reply.WhichOneof("progress") for reply in replies]
    assert kinds[0] == "run"
    assert kinds[-1] == "observation"
    assert [reply.checkpoint.step for reply in replies if reply.HasField("checkpoint")] == [1, 2, 3]
    log = "".join(reply.log for reply in replies)
    assert "hello" in log
    assert "printed" in log
    observation = replies[-1].observation
    assert observation.outcome.kind == types_pb2.OUTCOME_KIND_OK
    assert [(v.metric, v.value) for v in observation.values] == [("accuracy", 0.875), ("latency", 2.0)]
    assert observation.values[0].stddev.value == 0.01
    assert observation.metadata["seed"] == "3"
    assert replies[0].run.workload.name == "sample_workloads:ok"


def test_a_crash_is_an_observation_not_an_error(stub):
    *_, last = stub.Run(request("crash"))
    assert last.observation.outcome.kind == types_pb2.OUTCOME_KIND_CRASHED
    assert last.observation.outcome.failure == types_pb2.FAILURE_REASON_EXCEPTION


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (trainer_pb2.RunRequest(), "workload.name: is required"),
        (request("digits", epochs=3), "no parameter epochs"),
        (request("digits", settings={"epoch": "1"}), "no setting epoch"),
        (request("no_such_module:f"), "No module named"),
        (request("ok", seed=-1), "seed: must be from 0"),
        (request("ok", seed=2**40), "seed: must be from 0"),
        (
            trainer_pb2.RunRequest(
                workload=types_pb2.Workload(name="sample_workloads:ok"), assignments={"x": types_pb2.Value()}
            ),
            "has no value",
        ),
    ],
)
def test_what_cannot_run_is_an_invalid_argument(stub, wrong, words):
    with pytest.raises(InvalidArgument, match=words), translated():
        list(stub.Run(wrong))


def test_a_full_node_is_busy_and_ending_the_call_ends_the_run(stub):
    streams = [stub.Run(request("forever")) for _ in range(2)]
    for stream in streams:
        assert next(stream).HasField("run")
    with pytest.raises(FailedPrecondition) as caught, translated():
        list(stub.Run(request("ok")))
    assert caught.value.reason == "NODE_BUSY"
    assert stub.GetNode(trainer_pb2.GetNodeRequest()).running == 2
    for stream in streams:
        stream.cancel()
    eventually(lambda: not running(stub))
    assert list(stub.Run(request("ok")))[-1].HasField("observation")


def test_runs_are_listed_and_can_be_cancelled(stub):
    stream = stub.Run(request("forever"))
    run = next(stream).run
    eventually(lambda: [r.step for r in running(stub)] == [1])
    assert running(stub)[0].id == run.id
    stub.Cancel(trainer_pb2.CancelRequest(run_id=run.id))
    with pytest.raises(Aborted, match="was cancelled"), translated():
        list(stream)
    with pytest.raises(NotFound), translated():
        stub.Cancel(trainer_pb2.CancelRequest(run_id=run.id))


def test_a_flood_of_output_reaches_the_caller_in_part(stub):
    replies = list(stub.Run(request("flood", mib=16)))
    assert sum(len(reply.log) for reply in replies) <= 2 * 1024 * 1024
    assert replies[-1].observation.outcome.kind == types_pb2.OUTCOME_KIND_OK


def test_malformed_bytes_are_an_invalid_argument(stub, start_trainer):
    with open_channel(start_trainer.last.address) as channel:
        call = channel.unary_unary("/paretune.v1.TrainerService/Cancel")
        with pytest.raises(InvalidArgument), translated():
            call(b"\xff\xff\xff")


def test_draining_lets_runs_end_and_takes_no_more(start_trainer):
    trainer = start_trainer("--slots", "1")
    with open_channel(trainer.address) as channel:
        stub = trainer_pb2_grpc.TrainerServiceStub(channel)
        stream = stub.Run(request("sleep", settings={"seconds": "1"}))
        next(stream)
        assert stub.Drain(trainer_pb2.DrainRequest()).running == 1
        with pytest.raises(FailedPrecondition, match="draining"), translated():
            list(stub.Run(request("ok")))
        assert list(stream)[-1].observation.outcome.kind == types_pb2.OUTCOME_KIND_OK
        assert stub.GetNode(trainer_pb2.GetNodeRequest()).draining


def test_two_callers_do_not_disturb_each_other(stub):
    ends = []
    threads = [
        threading.Thread(target=lambda x=x: ends.append((x, list(stub.Run(request("sleep", x=x)))[-1])))
        for x in (0.25, 0.75)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {x: last.observation.values[0].value for x, last in ends} == {0.25: 0.25, 0.75: 0.75}


def test_the_health_service_answers(start_trainer):
    from paretune.rpc.health import is_serving

    assert is_serving(start_trainer.last.address, timeout=5.0)
    assert grpc  # the stubs need nothing else
