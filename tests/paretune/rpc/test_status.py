"""What a service raises is what its caller sees, over a real channel."""

import asyncio

import grpc
import pytest

from paretune import errors
from paretune.local import free_ports
from paretune.rpc.channel import open_async_channel, open_channel
from paretune.rpc.interceptor import CallInterceptor
from paretune.rpc.status import TABLE, error_from, translated
from paretune.v1 import store_pb2, store_pb2_grpc

EVERY = [kind for kind in TABLE if kind not in (errors.InvalidArgument, errors.ResourceExhausted)]


class Raises(store_pb2_grpc.StoreServiceServicer):
    def __init__(self, error):
        self.error = error

    async def GetExperiment(self, request, context):
        raise self.error

    async def Watch(self, request, context):
        yield store_pb2.WatchResponse(resume_token="1")
        raise self.error


def over_the_wire(error, *, stream=False, raw=None):
    """The error that a caller gets when the service raises `error`."""

    async def run():
        server = grpc.aio.server(interceptors=(CallInterceptor(),))
        store_pb2_grpc.add_StoreServiceServicer_to_server(Raises(error), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with open_async_channel(f"127.0.0.1:{port}", retries=False) as channel:
                stub = store_pb2_grpc.StoreServiceStub(channel)
                with translated():
                    if raw is not None:
                        await channel.unary_unary("/paretune.v1.StoreService/GetExperiment")(raw, timeout=10)
                    elif stream:
                        async for _ in stub.Watch(store_pb2.WatchRequest(), timeout=10):
                            pass
                    else:
                        await stub.GetExperiment(store_pb2.GetExperimentRequest(), timeout=10)
        finally:
            await server.stop(None)

    with pytest.raises(errors.ParetuneError) as caught:
        asyncio.run(run())
    return caught.value


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("stream", [False, True])
def test_every_error_keeps_class_text_reason_and_metadata(kind, stream):
    found = over_the_wire(kind("Étage 3.", reason="NOT_FOUND", metadata={"id": "e-1"}), stream=stream)
    assert type(found) is kind
    assert (str(found), found.reason, found.metadata) == ("Étage 3.", "NOT_FOUND", {"id": "e-1"})


def test_invalid_fields_keep_their_paths():
    violations = [errors.Violation("a[0].b", "is wrong"), errors.Violation("c", "too")]
    found = over_the_wire(errors.InvalidArgument(violations=violations))
    assert isinstance(found, errors.InvalidArgument)
    assert list(found.violations) == violations
    assert str(found) == "a[0].b: is wrong; c: too"


def test_overload_keeps_when_to_come_back():
    found = over_the_wire(errors.ResourceExhausted("Full.", retry_after=2.5))
    assert isinstance(found, errors.ResourceExhausted)
    assert found.retry_after == 2.5


def test_a_message_that_is_too_large_is_the_callers_fault():
    found = over_the_wire(None, raw=b"x" * (5 * 1024 * 1024))
    assert isinstance(found, errors.InvalidArgument)
    assert "send less at once" in str(found)


def test_a_bug_shows_nothing_of_itself(caplog):
    found = over_the_wire(ZeroDivisionError("secret path /home/me"))
    assert type(found) is errors.InternalError
    assert "secret" not in str(found)
    assert "secret" in caplog.text


def test_bytes_that_are_no_message_are_the_callers_fault():
    found = over_the_wire(None, raw=b"\xff\xff\xff")
    assert isinstance(found, errors.InvalidArgument)
    assert found.reason == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("letter", ["e", "é", "%", "\U0001f600", "\ud800", "\n"])
def test_long_texts_are_cut_but_arrive(letter):
    long = letter * 50_000
    found = over_the_wire(errors.NotFound(long, metadata={"id": long}))
    assert isinstance(found, errors.NotFound)
    assert str(found).endswith("[...]")
    assert len(str(found)) > 150
    assert len(found.metadata["id"]) > 20


def test_many_violations_arrive_as_far_as_they_fit():
    violations = [errors.Violation(f"parameters[{index}].min", "é" * 70) for index in range(1000)]
    found = over_the_wire(errors.InvalidArgument(violations=violations))
    assert isinstance(found, errors.InvalidArgument)
    assert 3 <= len(found.violations) <= 20
    assert list(found.violations)[:3] == violations[:3]


def test_a_status_of_somebody_else_is_named():
    found = over_the_wire(None, raw=b"")  # a handler that returns None: grpc itself answers
    assert isinstance(found, errors.ParetuneError)


def test_a_service_that_another_needs_is_named_only_when_nobody_answered_there():
    said = over_the_wire(errors.Unavailable("No file.", reason="STORAGE_UNAVAILABLE"))
    assert said.answered
    assert error_from("Store", said.__cause__).reason == "STORAGE_UNAVAILABLE"
    (port,) = free_ports(1)
    with (
        pytest.raises(errors.Unavailable) as caught,
        open_channel(f"127.0.0.1:{port}", retries=False) as channel,
        translated(),
    ):
        store_pb2_grpc.StoreServiceStub(channel).GetExperiment(store_pb2.GetExperimentRequest(), timeout=5)
    assert not caught.value.answered
    named = error_from("Store", caught.value.__cause__)
    assert (named.answered, named.metadata) == (True, {"service": "store"})
    assert str(named).startswith("The Store does not answer (")
