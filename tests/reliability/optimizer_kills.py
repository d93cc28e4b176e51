"""The Optimizer, or the Store behind it, dies in the middle of a Suggest."""

import random
import threading
import time
from pathlib import Path

import grpc
from lanes import Finding
from nursery import Child, Nursery
from store_cases import experiment
from store_process import free_address

from paretune.rpc.health import wait_until_serving
from paretune.v1 import optimizer_pb2, store_pb2_grpc, types_pb2
from paretune.v1 import store_pb2 as pb

CLIENTS = 8
PATIENCE = 60.0
"""Seconds that a client goes on asking in a round; who has no answer then is stuck."""


class Suite:
    """Store and Optimizer."""

    def __init__(self, nursery: Nursery, folder: Path, broken: str) -> None:
        self._nursery, self._broken = nursery, broken
        self.database = folder / "suite.db"
        self.addresses = {"paretune_store": free_address(), "paretune_optimizer": free_address()}
        self.children: dict[str, Child] = {}

    def start(self, module: str, failpoints: str = "") -> None:
        words = {
            "paretune_store": ("--db", str(self.database)),
            "paretune_optimizer": ("--store", self.addresses["paretune_store"]),
        }[module]
        self.children[module] = self._nursery.start(
            module, *words, "--listen", self.addresses[module], broken=self._broken, failpoints=failpoints
        )
        if not failpoints:  # else the first question may kill it before it says that it serves
            wait_until_serving(self.addresses[module], 60)

    def restart(self, module: str, failpoints: str = "") -> None:
        self.children[module].kill()
        self.start(module, failpoints)

    def stop(self) -> None:
        for child in self.children.values():
            child.kill()


def run(nursery: Nursery, folder: Path, rounds: int, *, broken: str = "", seed: int = 1) -> Finding:
    """Eight clients ask, each with one request_id until it hears something; then all ask once more."""
    finding, rng = Finding(), random.Random(seed)
    suite = Suite(nursery, folder, broken)
    suite.start("paretune_store")
    suite.start("paretune_optimizer")
    waits: list[float] = []
    try:
        channel = grpc.insecure_channel(
            suite.addresses["paretune_optimizer"], options=[("grpc.max_reconnect_backoff_ms", 100)]
        )
        for number in range(rounds):
            name = f"round-{number}"
            made = experiment(id=name, policy=types_pb2.POLICY_RANDOM)
            store_pb2_grpc.StoreServiceStub(channel).CreateExperiment(
                pb.CreateExperimentRequest(experiment=made, request_id=name), timeout=60, wait_for_ready=True
            )
            finding.violations += _round(
                suite, channel, name, ("compute", "reply", "random")[number % 3], rng, waits
            )
            finding.rounds += 1
        channel.close()
    finally:
        suite.stop()
    finding.note = f"longest wait after the port was back {max(waits, default=0):.1f} s"
    return finding


def _round(
    suite: Suite, channel: grpc.Channel, name: str, how: str, rng: random.Random, waits: list[float]
) -> list[str]:
    victim = "paretune_store" if how == "reply" else "paretune_optimizer"
    place = {
        # Those who ask at once are answered together, and recorded by one commit or two.
        "compute": f"suggest_after_compute=kill@{rng.randint(1, 2)}",
        "reply": f"after_commit_before_reply=kill@{rng.randint(1, 2)}",
        "random": "",
    }[how]
    suite.restart(victim, place)
    answers: dict[str, bytes] = {}
    ask = channel.unary_unary("/paretune.v1.OptimizerService/Suggest")
    threads = [
        threading.Thread(target=_ask, args=(ask, name, f"{name}-{n}", 1 + n % 2, answers))
        for n in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    if how == "random":
        time.sleep(rng.uniform(0.0, 0.3))
        suite.children[victim].kill()
    else:
        while suite.children[victim].alive() and any(thread.is_alive() for thread in threads):
            time.sleep(0.005)
    suite.restart(victim)
    back = time.monotonic()
    for thread in threads:
        thread.join()
    waits.append(time.monotonic() - back)
    wrong = [f"{name}-{n} is stuck" for n in range(CLIENTS) if f"{name}-{n}" not in answers]
    for module in ("paretune_optimizer", "paretune_store"):
        if rng.random() < 0.3:
            suite.restart(module)
    again: dict[str, bytes] = {}
    for n in range(CLIENTS):
        _ask(ask, name, f"{name}-{n}", 1 + n % 2, again)
    wrong += [f"another answer to {key}" for key in answers if again.get(key) != answers[key]]
    listed = store_pb2_grpc.StoreServiceStub(channel).ListSuggestions(
        pb.ListSuggestionsRequest(experiment_id=name, page_size=1000), timeout=60, wait_for_ready=True
    )
    given = [
        s.id for data in again.values() for s in optimizer_pb2.SuggestResponse.FromString(data).suggestions
    ]
    found = [s.id for s in listed.suggestions]
    if sorted(found) != sorted(given) or len(found) != CLIENTS * 3 // 2:
        wrong.append(f"{name}: {len(found)} suggestions for {CLIENTS} questions, {len(given)} of them given")
    return wrong


def _ask(call: object, experiment_id: str, request_id: str, count: int, answers: dict[str, bytes]) -> None:
    request = optimizer_pb2.SuggestRequest(
        experiment_id=experiment_id, worker=request_id, count=count, request_id=request_id
    )
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answers[request_id] = call(  # type: ignore[operator]
                request.SerializeToString(), timeout=20, wait_for_ready=True
            )
            return
        except grpc.RpcError as failure:
            if failure.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return
            time.sleep(0.05)
