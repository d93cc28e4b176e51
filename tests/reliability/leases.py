"""Workers that fall silent, come back too late, or whose Store dies while it ends their leases."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from lanes import Finding
from nursery import Nursery
from store_cases import assignments, checkpoint, experiment, observation
from store_process import free_address

from paretune.rpc.health import wait_until_serving
from paretune.v1 import store_pb2 as pb
from paretune.v1 import store_pb2_grpc
from paretune.v1 import types_pb2 as types

TTL = 2.0
SLACK = 1.0
"""Seconds after its expiry within which a lease must have ended."""


@contextmanager
def store(nursery: Nursery, folder: Path, broken: str = "", failpoints: str = "") -> Iterator["Served"]:
    served = Served(nursery, folder / f"leases{len(list(folder.iterdir()))}.db", broken)
    served.start(failpoints)
    try:
        yield served
    finally:
        served.child.kill()
        served.channel.close()


class Served:
    """A Store, and a channel to it that outlives its restarts."""

    def __init__(self, nursery: Nursery, database: Path, broken: str) -> None:
        self._nursery, self._broken = nursery, broken
        self.database, self.address = database, free_address()
        self.channel = grpc.insecure_channel(self.address, options=[("grpc.max_reconnect_backoff_ms", 100)])
        self.stub = store_pb2_grpc.StoreServiceStub(self.channel)

    def start(self, failpoints: str = "") -> None:
        words = ("--db", str(self.database), "--listen", self.address)
        self.child = self._nursery.start("paretune_store", *words, broken=self._broken, failpoints=failpoints)
        wait_until_serving(self.address, 60)

    def call(self, name: str, request: object) -> object:
        """The reply, however often the Store dies meanwhile."""
        while True:
            try:
                return getattr(self.stub, name)(request, timeout=30, wait_for_ready=True)
            except grpc.RpcError as failure:
                if failure.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(0.02)


class Case:
    """One suggestion of an experiment of its own."""

    def __init__(self, served: Served, name: str, attempts: int = 3) -> None:
        self.served, self.name, self.wrong = served, name, []
        made = experiment(id=name, ttl=TTL, max_attempts=attempts)
        served.call("CreateExperiment", pb.CreateExperimentRequest(experiment=made, request_id=f"c-{name}"))
        queue = pb.QueueSuggestionRequest(
            experiment_id=name, assignments=assignments(), request_id=f"q-{name}"
        )
        self.id = served.call("QueueSuggestion", queue).suggestion.id  # type: ignore[attr-defined]

    def lease(self, worker: str, seconds: float = 30) -> types.Suggestion:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            request = pb.LeaseSuggestionsRequest(experiment_id=self.name, worker=worker)
            given = self.served.call("LeaseSuggestions", request).suggestions  # type: ignore[attr-defined]
            if given:
                return given[0]
            time.sleep(0.05)
        raise AssertionError(f"{self.name} was never given out again")

    def now(self) -> types.Suggestion:
        request = pb.GetSuggestionRequest(suggestion_id=self.id)
        return self.served.call("GetSuggestion", request).suggestion  # type: ignore[attr-defined]

    def stale(self, held: types.Suggestion) -> None:
        """Everything that a worker with a lost lease may send is refused, and changes nothing."""
        name, fence = held.id, held.lease.fence
        result = observation(self.name, suggestion=held)
        for call, request in (
            ("Heartbeat", pb.HeartbeatRequest(suggestion_id=name, fence=fence)),
            ("Observe", pb.ObserveRequest(observation=result, fence=fence)),
            (
                "RecordCheckpoints",
                pb.RecordCheckpointsRequest(suggestion_id=name, fence=fence, checkpoints=[checkpoint(1)]),
            ),
            ("ReleaseSuggestion", pb.ReleaseSuggestionRequest(suggestion_id=name, fence=fence)),
        ):
            before = self.now()
            try:
                self.served.call(call, request)
                self.wrong.append(f"{self.name}: a stale {call} was accepted")
            except grpc.RpcError as failure:
                if failure.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                    self.wrong.append(f"{self.name}: a stale {call} ended with {failure.code().name}")
            after = self.now()
            if after.state == before.state and after.lease.fence == before.lease.fence and after != before:
                self.wrong.append(f"{self.name}: a refused {call} changed the suggestion")

    def story(self) -> list[pb.Event]:
        """What happened to the suggestion."""
        events = []
        stream = self.served.stub.Watch(pb.WatchRequest(experiment_id=self.name), timeout=30)
        for message in stream:
            events += message.events
            if message.caught_up:
                stream.cancel()
                break
        return [event for event in events if event.HasField("suggestion")]

    def check_story(self, expiries: int, *, in_time: bool = True) -> None:
        """Given out again once per expiry, in time, under fences that grow."""
        requeued, fences, lease = 0, [], None
        for event in self.story():
            now = event.suggestion
            if now.state == types.SUGGESTION_STATE_LEASED:
                fences.append(now.lease.fence)
                lease = now
            elif lease is not None and now.state in (
                types.SUGGESTION_STATE_QUEUED,
                types.SUGGESTION_STATE_LOST,
            ):
                requeued += 1
                late = event.create_time.ToNanoseconds() - lease.lease.expire_time.ToNanoseconds()
                if late < -0.1e9:
                    self.wrong.append(f"{self.name}: ended {-late / 1e9:.2f} s before its time")
                if in_time and late > (TTL + SLACK) * 1e9:  # a beat may have moved the expiry by up to a ttl
                    self.wrong.append(f"{self.name}: ended {late / 1e9:.2f} s after its time")
                lease = None
        if requeued != expiries:
            self.wrong.append(f"{self.name}: {requeued} ends of leases, {expiries} expected")
        if fences != sorted(set(fences)):
            self.wrong.append(f"{self.name}: fences do not grow: {fences}")


def silent(served: Served, number: int) -> list[str]:
    """A worker is killed; another gets the suggestion, once, and finishes it."""
    case = Case(served, f"silent-{number}")
    held = case.lease("killed")
    for _ in range(number % 3):
        time.sleep(0.3)
        served.call("Heartbeat", pb.HeartbeatRequest(suggestion_id=held.id, fence=held.lease.fence))
    again = case.lease("next")
    if again.attempt != 2 or again.lease.fence <= held.lease.fence:
        case.wrong.append(f"{case.name}: attempt {again.attempt} under fence {again.lease.fence}")
    report(served, case, again)
    case.check_story(1)
    return case.wrong


def zombie(served: Served, number: int) -> list[str]:
    """A worker sleeps past its lease and wakes up: before, while, and after another one trains."""
    case = Case(served, f"zombie-{number}")
    held = case.lease("sleeper")
    while case.now().state == types.SUGGESTION_STATE_LEASED:
        time.sleep(0.05)
    case.stale(held)
    again = case.lease("next")
    case.stale(held)
    report(served, case, again)
    case.stale(held)
    case.check_story(1)
    return case.wrong


def hopeless(served: Served, number: int) -> list[str]:
    """All attempts fall silent: the suggestion is LOST, visibly, and takes nothing more."""
    case = Case(served, f"hopeless-{number}", attempts=2)
    held = [case.lease("killed") for _ in range(2)]
    while case.now().state == types.SUGGESTION_STATE_LEASED:
        time.sleep(0.05)
    if case.now().state != types.SUGGESTION_STATE_LOST:
        case.wrong.append(f"{case.name}: {case.now().state} after its last attempt")
    case.stale(held[-1])
    case.check_story(2)
    return case.wrong


def report(served: Served, case: Case, held: types.Suggestion) -> None:
    result = observation(case.name, suggestion=held)
    request = pb.ObserveRequest(observation=result, fence=held.lease.fence, request_id=f"o-{case.name}")
    served.call("Observe", request)


def run(nursery: Nursery, folder: Path, kills: int, zombies: int, lost: int, *, broken: str = "") -> Finding:
    """Many workers at once, each with its own fate."""
    finding = Finding()
    with store(nursery, folder, broken) as served:
        work = [(silent, n) for n in range(kills)] + [(zombie, n) for n in range(zombies)]
        work += [(hopeless, n) for n in range(lost)]
        with ThreadPoolExecutor(16) as pool:
            for wrong in pool.map(lambda one: _guarded(one[0], served, one[1]), work):
                finding.violations += wrong
                finding.rounds += 1
    finding.note = f"{kills} silent, {zombies} zombies, {lost} lost for good"
    return finding


def _guarded(fate: object, served: Served, number: int) -> list[str]:
    try:
        return fate(served, number)  # type: ignore[operator]
    except (AssertionError, grpc.RpcError) as error:
        return [f"{fate.__name__} {number}: {error}"]  # type: ignore[attr-defined]


def reaper_kills(nursery: Nursery, folder: Path, rounds: int, *, broken: str = "") -> Finding:
    """The Store dies right after it ended a lease: what is left is the old state or the new one."""
    finding = Finding()
    with store(nursery, folder, broken) as served:
        for number in range(0, rounds, 4):
            served.child.kill()
            served.start("reaper_after_expire=kill@1")
            cases = [Case(served, f"reaped-{number}-{n}") for n in range(4)]
            held = [case.lease("killed") for case in cases]
            watch = threading.Thread(target=_restart_when_dead, args=(served,))
            watch.start()
            watch.join()
            for case, old in zip(cases, held, strict=True):
                again = case.lease("next")
                case.stale(old)
                report(served, case, again)
                case.check_story(1, in_time=False)  # the Store was away meanwhile
                finding.violations += case.wrong
                finding.rounds += 1
    return finding


def _restart_when_dead(served: Served) -> None:
    served.child.wait(60)
    served.start()
