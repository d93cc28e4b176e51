"""Clients that report results, one after the other, and write down what they asked and heard."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from history import LABEL, History
from store_cases import experiment, metric_values, observation

from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc

EXPERIMENT = "digits"
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
FAST = [("grpc.max_reconnect_backoff_ms", 100), ("grpc.initial_reconnect_backoff_ms", 20)]


def create(address: str) -> None:
    """The experiment that all write into."""
    wait_until_serving(address, 60)
    with grpc.insecure_channel(address) as channel:
        request = pb.CreateExperimentRequest(experiment=experiment(id=EXPERIMENT), request_id="create")
        store_pb2_grpc.StoreServiceStub(channel).CreateExperiment(request, timeout=30)


def request_of(name: str, value: float) -> pb.ObserveRequest:
    result = observation(EXPERIMENT, metadata={LABEL: name}, values=metric_values(accuracy=value, ms=1.0))
    return pb.ObserveRequest(observation=result, request_id=name)


class Writers:
    """So many clients; each tries a request again, with the same id, until it hears something."""

    def __init__(self, address: str, history: History, clients: int, seed: int, timeout: float = 5) -> None:
        self.address = address
        self.history = history
        self.late: list[str] = []
        self._timeout = timeout
        self._halt = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(f"{seed}-{n}", random.Random(seed + n)))
            for n in range(clients)
        ]

    @contextmanager
    def writing(self) -> Iterator["Writers"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._halt.set()
            for thread in self._threads:
                thread.join()

    def wait_for_progress(self, seconds: float) -> bool:
        """Whether anything was acknowledged within so many seconds from now."""
        before, end = self.history.acknowledged, time.monotonic() + seconds
        while self.history.acknowledged == before:
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def _write(self, name: str, rng: random.Random) -> None:
        number = 0
        with grpc.insecure_channel(self.address, options=FAST) as channel:
            call = store_pb2_grpc.StoreServiceStub(channel).Observe
            while not self._halt.is_set():
                request_id = f"{name}-{number}"
                request = request_of(request_id, rng.random())
                self.history.add("invoke", request_id)
                while not self._halt.is_set() and not self._send(call, request):
                    pass
                number += 1

    def _send(self, call: grpc.UnaryUnaryMultiCallable, request: pb.ObserveRequest) -> bool:
        begin = time.monotonic()
        try:
            reply = call(request, timeout=self._timeout, wait_for_ready=True)
        except grpc.RpcError as failure:
            away = failure.code() in AWAY
            self.history.add("unknown" if away else "refused", request.request_id, code=failure.code().name)
            if time.monotonic() - begin > self._timeout + 10:
                self.late.append(f"a call with a deadline of {self._timeout} s ended much later")
            if failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                time.sleep(0.05)
            return not away
        told = reply.observation
        self.history.add("ok", request.request_id, id=told.id, value=told.values[0].value)
        return True
