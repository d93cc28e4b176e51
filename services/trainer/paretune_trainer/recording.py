"""Recording a result, however long that takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol

from paretune.errors import FailedPrecondition, InvalidArgument, NotFound, ParetuneError
from paretune.observation import FailureReason, Observation, Outcome, OutcomeKind, Suggestion
from paretune.rpc.channel import new_request_id

log = logging.getLogger("paretune.trainer")

CALL_SECONDS: Final = 10.0
"""Time that one call may take, before it is tried again."""

_BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class RecordClient(Protocol):
    """What is needed of `paretune.client.Client` to record a result."""

    def observe(
        self,
        observation: Observation,
        *,
        fence: str = "",
        request_id: str | None = None,
        patience: float | None = None,
    ) -> Observation:
        """Record a result."""
        ...


def backoff() -> Iterator[float]:
    """Seconds to wait after the first, second, ... failed call, without end."""
    yield from _BACKOFF_SECONDS
    while True:
        yield _BACKOFF_SECONDS[-1]


def record(
    client: RecordClient, observation: Observation, suggestion: Suggestion, give_up: threading.Event
) -> Observation | None:
    """Record the result of a leased suggestion: a finished training is never dropped for an outage.

    Sent with one request id until it is answered, it is recorded at most once. A result that the Store
    refuses as invalid is recorded as a crash that says why, so that the suggestion does not come back.

    Args:
        client: how the Store is reached.
        observation: the result.
        suggestion: with the lease.
        give_up: set when the node has to stop.

    Returns:
        What was recorded; None when it is not wanted any more, or when `give_up` came first.
    """
    fence = suggestion.lease.fence if suggestion.lease else ""
    request_id, refused = new_request_id(), False
    for pause in backoff():
        try:
            client.observe(observation, fence=fence, request_id=request_id, patience=CALL_SECONDS)
        except (FailedPrecondition, NotFound) as error:
            log.warning("the result of %s is not wanted any more: %s", suggestion.id, error)
            return None
        except InvalidArgument as error:
            log.error("the result of %s was refused: %s", suggestion.id, error)
            if refused:
                return None
            refused, request_id = True, new_request_id()
            observation = replace(observation, values=(), metadata={}, outcome=_refused(error))
        except ParetuneError as error:
            log.warning("the result of %s waits to be recorded: %s", suggestion.id, error)
            if give_up.wait(pause):
                log.error("the result of %s is lost: the node has to stop", suggestion.id)
                return None
        else:
            return observation
    return None


def _refused(error: InvalidArgument) -> Outcome:
    reason = f"The Store refused the result: {error}"[:1000]
    return Outcome(OutcomeKind.CRASHED, reason, FailureReason.NO_RESULT)
