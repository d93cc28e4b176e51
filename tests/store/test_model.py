"""Random histories against a model small enough to be obviously right."""

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from store_cases import Driver, observation, proposal

from paretune.errors import FailedPrecondition
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store.sqlite import SqliteStore

TTL, MAX_ATTEMPTS, BUDGET = 10, 2, 6


@dataclass
class Trial:
    """What the model knows of a suggestion."""

    state: str = "QUEUED"
    fence: str = ""
    expires: int = 0
    attempts: int = 0
    expirations: int = 0


@dataclass
class Model:
    """What the model knows of the experiment."""

    trials: dict[str, Trial] = field(default_factory=dict)
    observed: int = 0
    fences: list[str] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(trial.state == state for trial in self.trials.values())


class Histories(RuleBasedStateMachine):
    leases = Bundle("leases")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "store.db"
        self.driver = Driver(lambda clock: SqliteStore.open(path, clock))
        self.model = Model()
        self.name = self.driver.create(ttl=TTL, max_attempts=MAX_ATTEMPTS, observation_budget=BUDGET).id

    def teardown(self) -> None:
        self.driver.close()
        self.folder.cleanup()

    @rule()
    def queue(self) -> None:
        self.model.trials[self.driver.queue(self.name).id] = Trial()

    @rule(target=leases, within_budget=st.booleans(), propose=st.booleans())
    def lease(self, within_budget: bool, propose: bool):
        model, request = self.model, pb.LeaseSuggestionsRequest(experiment_id=self.name, worker="w")
        request.within_budget = within_budget
        if propose:
            request.proposals.append(proposal(0.5))
            request.first_ordinal = len(model.trials) + 1
        if within_budget and model.observed + model.count("LEASED") >= BUDGET:
            with pytest.raises(FailedPrecondition, match="budget"):
                self.driver.do(request)
            return ("none", "none")
        given = self.driver.do(request).suggestions
        if not model.count("QUEUED") and not propose:
            assert not given
            return ("none", "none")
        (suggestion,) = given
        trial = model.trials.setdefault(suggestion.id, Trial())
        assert trial.state == "QUEUED"
        trial.attempts += 1
        assert suggestion.attempt == trial.attempts
        trial.state, trial.fence = "LEASED", suggestion.lease.fence
        trial.expires = self.driver.clock.now + TTL * 10**6
        model.fences.append(trial.fence)
        return (suggestion.id, trial.fence)

    def allowed(self, lease: tuple[str, str]) -> bool:
        trial = self.model.trials.get(lease[0])
        return trial is not None and trial.state == "LEASED" and trial.fence == lease[1]

    def tell(self, request, lease: tuple[str, str]) -> bool:
        """Send a report; whether it was taken, which must be as the model says."""
        if lease[0] == "none":
            return False
        if self.allowed(lease):
            self.driver.do(request)
            return True
        with pytest.raises(FailedPrecondition) as caught:
            self.driver.do(request)
        final = self.model.trials[lease[0]].state not in ("QUEUED", "LEASED")
        assert caught.value.reason == ("SUGGESTION_FINISHED" if final else "STALE_LEASE")
        return False

    @rule(lease=leases)
    def observe(self, lease) -> None:
        report = observation(self.name, suggestion=types.Suggestion(id=lease[0]))
        if self.tell(pb.ObserveRequest(observation=report, fence=lease[1]), lease):
            self.model.trials[lease[0]].state = "OBSERVED"
            self.model.observed += 1

    @rule(lease=leases)
    def heartbeat(self, lease) -> None:
        trial = self.model.trials.get(lease[0])
        request = pb.HeartbeatRequest(suggestion_id=lease[0], fence=lease[1])
        if trial and trial.state == "CANCELLED" and trial.fence == lease[1]:
            assert self.driver.do(request).directive == pb.DIRECTIVE_CANCEL
        elif self.tell(request, lease):
            trial.expires = self.driver.clock.now + TTL * 10**6

    @rule(lease=consumes(leases))
    def release(self, lease) -> None:
        request = pb.ReleaseSuggestionRequest(suggestion_id=lease[0], fence=lease[1])
        if self.tell(request, lease):
            self.model.trials[lease[0]].state = "QUEUED"
            self.model.trials[lease[0]].fence = ""

    @rule(lease=leases)
    def cancel(self, lease) -> None:
        trial = self.model.trials.get(lease[0])
        if not trial:
            return
        open_ = trial.state in ("QUEUED", "LEASED")
        with contextlib.nullcontext() if open_ else pytest.raises(FailedPrecondition):
            self.driver.do(pb.CancelSuggestionRequest(suggestion_id=lease[0]))
        trial.state = "CANCELLED" if open_ else trial.state

    @rule(seconds=st.sampled_from([1, 4, 11]), jump=st.sampled_from([0, 0, -3600, 3600]))
    def wait(self, seconds: int, jump: int) -> None:
        self.driver.clock.jump(jump)
        for trial in self.model.trials.values():
            trial.expires += jump * 10**6  # a jump is not time
        self.driver.clock.advance(seconds)
        self.reap()

    @rule()
    def restart(self) -> None:
        # Leases are anchored to the wall clock as it is at the start; see leases.anchor.
        gone = self.driver.clock.offset
        self.driver.restart()
        latest = self.driver.clock.now + TTL * 10**6
        for trial in self.model.trials.values():
            trial.expires = min(trial.expires - gone, latest)
        self.reap()

    def reap(self) -> None:
        self.driver.expire()
        for trial in self.model.trials.values():
            if trial.state == "LEASED" and trial.expires <= self.driver.clock.now:
                trial.expirations += 1
                trial.fence = ""
                trial.state = "LOST" if trial.expirations >= MAX_ATTEMPTS else "QUEUED"

    @invariant()
    def the_store_agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        model = self.model
        assert model.fences == sorted(set(model.fences))
        request = pb.ListSuggestionsRequest(experiment_id=self.name)
        found = self.driver.pages(request, "suggestions")
        assert [s.ordinal for s in found] == [*range(1, len(found) + 1)]
        states = {s.id: types.SuggestionState.Name(s.state).removeprefix("SUGGESTION_STATE_") for s in found}
        assert states == {name: trial.state for name, trial in model.trials.items()}
        assert self.driver.get(self.name).progress == types.Progress(
            observations=model.observed,
            ok=model.observed,
            queued=model.count("QUEUED"),
            leased=model.count("LEASED"),
            lost=model.count("LOST"),
            cancelled=model.count("CANCELLED"),
        )
        told = {e.suggestion.id: e.suggestion for e in self.driver.events(self.name) if e.suggestion.id}
        assert {n: s.state for n, s in told.items()} == {s.id: s.state for s in found}


Histories.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestHistories = Histories.TestCase
