"""The verbs that record results and read them, as a part of the client."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from paretune.client import calls
from paretune.client.call import Call, Pages
from paretune.observation import Checkpoint, Directive, Observation, Outcome, OutcomeKind

T = TypeVar("T")


class RecordVerbs:
    """What a client can record, and read of what was recorded."""

    def run(self, call: Call[T], *, patience: float | None = None) -> T:
        """As `Client.run`."""
        raise NotImplementedError

    def _all(self, pages: Pages[T]) -> Iterator[T]:
        raise NotImplementedError

    def observe(
        self,
        observation: Observation,
        *,
        fence: str = "",
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Observation:
        """Record a result: `experiment_id`, a `suggestion_id` (with its fence) or assignments, the values.

        Raises:
            InvalidArgument: unknown, missing or repeated metrics, or assignments outside the space.
            FailedPrecondition: STALE_LEASE or SUGGESTION_FINISHED; nothing was recorded.
        """
        return self.run(calls.observe(observation, fence, request_id), patience=patience)

    def observe_batch(
        self,
        experiment_id: str,
        observations: Sequence[Observation | tuple[Observation, str]],
        *,
        request_id: str | None = None,
    ) -> list[Observation]:
        """Record 1 to 1000 results, all or none; one that answers a lease comes with its fence.

        Raises:
            InvalidArgument: as `observe`, with the index in the path.
            FailedPrecondition: as `observe`.
        """
        return self.run(calls.observe_batch(experiment_id, observations, request_id))

    def amend(
        self,
        observation: Observation,
        values: Mapping[str, Any] | None = None,
        *,
        reason: str,
        outcome: Outcome | None = None,
        author: str | None = None,
        request_id: str | None = None,
    ) -> Observation:
        """Replace values or outcome of a recorded result; what they were stays with it, in `amendments`.

        Args:
            observation: as it was read last.
            values: metric -> value, or (value, standard error); metrics that are not named keep theirs.
            reason: why, for people.
            outcome: the new one (default: as it was); CRASHED takes a result out of the search.
            author: who amends it (default: the name of this user).
            request_id: makes the call happen once, however often it is sent.

        Raises:
            InvalidArgument: unknown or missing metrics, or no reason.
            Aborted: OBSERVATION_AMENDED: somebody amended it since it was read.
            FailedPrecondition: TOO_MANY_AMENDMENTS.
        """
        return self.run(calls.amend(observation, values or {}, outcome, reason, author, request_id))

    def get_observation(self, observation_id: str) -> Observation:
        """One observation."""
        return self.run(calls.get_observation(observation_id))

    def list_observations(
        self, experiment_id: str, outcomes: Iterable[OutcomeKind] = ()
    ) -> Iterator[Observation]:
        """Observations by ordinal, with one of these outcomes (default: all)."""
        return self._all(calls.list_observations(experiment_id, outcomes))

    def record_checkpoints(
        self,
        suggestion_id: str,
        fence: str,
        checkpoints: Iterable[Checkpoint],
        *,
        patience: float | None = None,
    ) -> Directive:
        """Record intermediate metric vectors of a running training; gives what the worker should do.

        Raises:
            InvalidArgument: unknown metrics or values that are not finite.
            FailedPrecondition: STALE_LEASE or SUGGESTION_FINISHED.
        """
        return self.run(calls.record_checkpoints(suggestion_id, fence, checkpoints), patience=patience)

    def list_checkpoints(self, suggestion_id: str) -> Iterator[Checkpoint]:
        """Checkpoints of a suggestion by attempt and step."""
        return self._all(calls.list_checkpoints(suggestion_id))
