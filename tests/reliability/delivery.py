"""Clocks that jump, messages that come twice, late and out of order: simulated, one Store, no waiting."""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lanes import Finding
from store_cases import Driver, observation

from paretune.errors import FailedPrecondition
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store.sqlite import SqliteStore

TTL = 10.0
JUMPS = (-86400, -3600, -30, 30, 3600, 86400)


@dataclass
class Held:
    """A lease as its worker knows it: when it may end, at the earliest and latest, in steady seconds."""

    suggestion: types.Suggestion
    earliest: float
    latest: float
    done: bool = False


def run(folder: Path, steps: int, seed: int = 1, break_it=lambda: None) -> Finding:
    """So many random steps, and after each the question: did a lease end early, late, or twice?"""
    break_it()
    # In memory: nothing here is about the disk.
    place = Path("/dev/shm") if Path("/dev/shm").is_dir() else folder
    with tempfile.TemporaryDirectory(prefix="paretune-delivery-", dir=place) as home:
        return _run(Path(home) / "store.db", steps, random.Random(seed))


def _run(path: Path, steps: int, rng: random.Random) -> Finding:
    driver, finding = Driver(lambda clock: SqliteStore.open(path, clock)), Finding()
    driver.create(id="digits", ttl=TTL, max_attempts=100)
    held: list[Held] = []
    sent: list[tuple[pb.ObserveRequest, bytes]] = []
    last_fence = ""
    number = 0

    def now() -> float:
        return driver.clock.steady() / 1e6

    for _ in range(steps):
        finding.rounds += 1
        choice = rng.random()
        if choice < 0.25 and len(held) < 12:
            if rng.random() < 0.5:
                driver.queue("digits", rng.random())
            reply = driver.do(pb.LeaseSuggestionsRequest(experiment_id="digits", worker="w"))
            for given in reply.suggestions:
                if given.lease.fence <= last_fence:
                    finding.violations.append(f"fence {given.lease.fence} after {last_fence}")
                last_fence = given.lease.fence
                held.append(Held(given, now() + TTL, now() + TTL))
        elif choice < 0.5 and held:
            one = rng.choice(held)
            beat = pb.HeartbeatRequest(suggestion_id=one.suggestion.id, fence=one.suggestion.lease.fence)
            for _ in range(rng.choice([1, 1, 3])):  # delivered more than once
                if _accepted(driver, beat):
                    if one.done:
                        finding.violations.append("a heartbeat for a finished lease was accepted")
                    one.earliest = one.latest = now() + TTL
        elif choice < 0.65 and held:
            one = rng.choice(held)
            number += 1
            result = observation("digits", suggestion=one.suggestion)
            request = pb.ObserveRequest(
                observation=result, fence=one.suggestion.lease.fence, request_id=f"r{number}"
            )
            try:
                sent.append((request, driver.bytes_of(request)))
                if one.done:
                    finding.violations.append("a result for a finished lease was accepted")
                one.done = True
            except FailedPrecondition:
                pass
        elif choice < 0.75 and sent:
            request, answer = rng.choice(sent)
            if driver.bytes_of(request) != answer:
                finding.violations.append("a repeated result got another answer")
        elif choice < 0.8:
            driver.clock.jump(rng.choice(JUMPS))
        elif choice < 0.81:
            driver.restart()
            for (
                one
            ) in held:  # the clock of the machine may have jumped: early is allowed, its whole ttl the most
                one.earliest, one.latest = 0.0, now() + TTL
        else:
            driver.clock.advance(rng.uniform(0, TTL / 3))
            driver.expire()
            _check_leases(driver, held, now(), finding)
    driver.close()
    return finding


def _check_leases(driver: Driver, held: list[Held], now: float, finding: Finding) -> None:
    for one in list(held):
        state = driver.suggestion(one.suggestion.id)
        mine = (
            state.state == types.SUGGESTION_STATE_LEASED and state.lease.fence == one.suggestion.lease.fence
        )
        if mine and now > one.latest + 1.0:
            finding.violations.append(f"a lease lived {now - one.latest:.1f} s too long")
        if not mine and not one.done and now < one.earliest - 0.1:
            finding.violations.append(f"a lease ended {one.earliest - now:.1f} s early")
        if not mine:
            one.done = True
            held.remove(one)


def _accepted(driver: Driver, request: pb.HeartbeatRequest) -> bool:
    try:
        driver.do(request)
    except FailedPrecondition:
        return False
    return True


def reapers(folder: Path, rounds: int) -> Finding:
    """Sixteen reapers at once: every lease ends once."""
    import asyncio

    finding = Finding()
    driver = Driver(lambda clock: SqliteStore.open(folder / "reapers.db", clock))
    for number in range(rounds):
        name = f"round-{number}"
        driver.create(id=name, ttl=TTL)
        held = [driver.lease(name) for _ in range(8)]
        driver.clock.advance(TTL + 0.5)

        async def all_at_once() -> None:
            await asyncio.gather(*(driver.store.expire() for _ in range(16)))

        driver.run(all_at_once())
        ends = [
            event.suggestion.id
            for event in driver.events(name)
            if event.suggestion.state == types.SUGGESTION_STATE_QUEUED and event.suggestion.attempt == 1
        ]
        if sorted(ends) != sorted(one.id for one in held):
            finding.violations.append(f"{name}: {len(ends)} ends of {len(held)} leases")
        finding.rounds += 1
    driver.close()
    return finding
