"""A client without a service behind it: it keeps what a Store would keep, and fails on demand."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

from paretune.client.calls import Heartbeat
from paretune.errors import FailedPrecondition
from paretune.experiment import ExperimentState
from paretune.observation import Directive, Lease, Suggestion, SuggestionState


class FakeClient:
    """One experiment whose suggestions are x = 0.1, 0.2, ...

    Attributes:
        directive: what heartbeats and checkpoints bring back.
        failing: verb -> errors to raise next, the first one first.
        log: (verb, details) of every call, failed ones too.
    """

    def __init__(self, experiment, *, ttl=60.0):
        self.experiment = experiment
        self.ttl = ttl
        self.directive = Directive.CONTINUE
        self.failing = {}
        self.log = []
        self.suggestions = {}
        self.replies = {}
        self.observations = []
        self.checkpoints = []
        self.released = []
        self.tails = []
        self._lock = threading.RLock()

    def _called(self, verb, *details):
        with self._lock:
            self.log.append((verb, *details))
            errors = self.failing.get(verb, [])
            if errors:
                raise errors.pop(0)

    def count(self, verb):
        return sum(entry[0] == verb for entry in self.log)

    def get_experiment(self, name):
        return self._current()

    def list_experiments(self, states=()):
        self._called("list")
        return iter([self._current()])

    def _current(self):
        leased = sum(s.state is SuggestionState.LEASED for s in self.suggestions.values())
        progress = replace(self.experiment.progress, observations=len(self.observations), leased=leased)
        return replace(self.experiment, progress=progress)

    def suggest(
        self, experiment_id, count=1, *, worker=None, within_budget=False, request_id=None, patience=None
    ):
        with self._lock:
            if request_id not in self.replies:
                current = self._current()
                if current.state is not ExperimentState.ACTIVE:
                    raise FailedPrecondition("It is not active.", reason="EXPERIMENT_NOT_ACTIVE")
                done = current.progress.observations + current.progress.leased
                if within_budget and done >= current.observation_budget:
                    self.log.append(("suggest", request_id))
                    raise FailedPrecondition("The budget is used up.", reason="BUDGET_EXHAUSTED")
                queued = [s for s in self.suggestions.values() if s.state is SuggestionState.QUEUED]
                number = len(self.suggestions) + 1
                chosen = (
                    queued[0]
                    if queued
                    else Suggestion(f"s-{number}", experiment_id, number, {"x": round(number / 10, 1)})
                )
                lease = Lease(worker, f"f-{len(self.replies)}", datetime.now(UTC))
                chosen = replace(
                    chosen, state=SuggestionState.LEASED, attempt=chosen.attempt + 1, lease=lease
                )
                self.suggestions[chosen.id] = chosen
                self.replies[request_id] = [chosen]
            self._called("suggest", request_id)  # after the effect: the reply may get lost
            return self.replies[request_id]

    def heartbeat(self, suggestion_id, fence, *, log_tail="", patience=None):
        self._called("heartbeat", suggestion_id)
        if log_tail:
            self.tails.append(log_tail)
        return Heartbeat(self.directive, self.ttl)

    def record_checkpoints(self, suggestion_id, fence, checkpoints, *, patience=None):
        self._called("checkpoints", len(checkpoints))
        self.checkpoints += checkpoints
        return self.directive

    def release(self, suggestion_id, fence, *, patience=None):
        self._called("release", suggestion_id)
        with self._lock:
            self.released.append(suggestion_id)
            held = self.suggestions[suggestion_id]
            self.suggestions[suggestion_id] = replace(
                held, state=SuggestionState.QUEUED, attempt=held.attempt - 1, lease=None
            )

    def observe(self, observation, *, fence="", request_id=None, patience=None):
        with self._lock:
            if request_id not in self.replies:
                self._called("observe", request_id)
                held = self.suggestions[observation.suggestion_id]
                assert held.lease.fence == fence
                assert held.state is SuggestionState.LEASED
                self.suggestions[held.id] = replace(held, state=SuggestionState.OBSERVED)
                self.observations.append(observation)
                self.replies[request_id] = observation
            self._called("observed", request_id)
            return self.replies[request_id]
