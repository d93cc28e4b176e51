"""Networks and services that misbehave: every call still happens once, or ends with a clear error."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

import paretune as pt
from paretune.local import free_ports

GOOD = {"x": 0.5, "n": 2, "kind": "plain"}


class Proxy:
    """A TCP proxy that can lose replies: once armed, the next bytes from the server end the connection.

    Attributes:
        slow: seconds that it takes everything from the server to arrive.
    """

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.lost = 0
        self.slow = 0.0
        self._armed = threading.Event()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_reply(self) -> None:
        self._armed.set()

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, replies: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                # Replies are longer than the frames by which HTTP/2 acknowledges and counts.
                if replies and len(data) > 60 and self._armed.is_set():
                    self._armed.clear()
                    self.lost += 1
                    break
                time.sleep(self.slow if replies else 0.0)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(services) -> Iterator[Proxy]:
    proxy = Proxy(services.address)
    try:
        yield proxy
    finally:
        proxy.close()


def test_replies_that_get_lost_change_nothing(proxy, fields):
    with pt.Client(proxy.address) as client:
        experiment = client.create_experiment(**fields())
        for number in range(5):
            proxy.lose_next_reply()
            suggestion = experiment.suggest()
            proxy.lose_next_reply()
            observation = experiment.observe(suggestion, {"accuracy": 0.5, "cost": number})
            assert observation.ordinal == number + 1
        assert proxy.lost == 10
        assert [s.state.name for s in experiment.suggestions()] == ["OBSERVED"] * 5
        assert len(experiment.observations()) == 5


def test_a_stream_that_breaks_goes_on_where_it_was(proxy, fields):
    with pt.Client(proxy.address) as client:
        experiment = client.create_experiment(**fields())
        stream = experiment.watch()
        ordinals = [next(stream).change.observation_budget]
        for number in range(4):
            proxy.lose_next_reply()
            experiment.observe(GOOD, {"accuracy": 0.5, "cost": number})
            ordinals.append(next(stream).change.ordinal)
        stream.close()
        assert ordinals == [6, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["store", "optimizer"])
def test_a_service_that_hangs_is_waited_for(own_services, fields, name):
    """SIGSTOP for longer than a call may take: the call is sent again and happens once."""
    with pt.Client(own_services.address, timeout=0.5) as client:
        experiment = client.create_experiment(**fields())
        process = own_services._processes[name].pid
        os.kill(process, signal.SIGSTOP)
        threading.Timer(2.0, os.kill, (process, signal.SIGCONT)).start()
        (suggestion,) = client.suggest(experiment.id, patience=60)
        report = pt.Observation(
            {},
            (pt.MetricValue("accuracy", 0.5), pt.MetricValue("cost", 1.0)),
            experiment_id=experiment.id,
            suggestion_id=suggestion.id,
        )
        client.observe(report, fence=suggestion.lease.fence, patience=60)
        client.timeout = 30
        assert [s.state.name for s in experiment.suggestions()] == ["OBSERVED"]


def test_a_batch_that_is_too_large_is_refused_at_once(experiment):
    big = pt.Observation(
        GOOD,
        (pt.MetricValue("accuracy", 0.5), pt.MetricValue("cost", 1.0)),
        experiment_id=experiment.id,
        metadata={"note": "x" * 60_000},
    )
    with pytest.raises(pt.errors.InvalidArgument, match="send less at once"):
        experiment.client.observe_batch(experiment.id, [big] * 100)
    assert experiment.observations() == []


def test_services_far_away_are_reached(proxy, fields):
    """Or busy ones: a handshake takes round trips, and none is given up for taking a second and a half."""
    proxy.slow = 1.5
    with pt.Client(proxy.address) as client:
        made = client.create_experiment(**fields())
        assert made.id in {one.id for one in client.list_experiments()}


def test_connecting_waits_for_services_far_away_also_for_one_in_a_list(proxy):
    proxy.slow = 1.1
    listed = f"127.0.0.1:{free_ports(1)[0]},{proxy.address}"

    async def main() -> None:
        one, two = await asyncio.gather(asyncio.to_thread(pt.connect, proxy.address), pt.aio.connect(listed))
        one.close()
        await two.close()

    asyncio.run(main())


def test_a_suggestion_that_comes_after_its_task_was_cancelled_is_handed_back(proxy, experiment):
    proxy.slow = 0.5

    async def work(client: pt.aio.AsyncClient) -> None:
        async for _ in pt.aio.AsyncExperimentHandle(client, experiment.experiment).trials(parallelism=2):
            await asyncio.sleep(60)

    async def main() -> None:
        async with pt.aio.AsyncClient(proxy.address) as client:
            task = asyncio.create_task(work(client))
            while not await asyncio.to_thread(experiment.suggestions):
                assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert [one.state.name for one in experiment.suggestions()] == ["QUEUED"]
