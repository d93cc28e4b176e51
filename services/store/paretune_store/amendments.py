"""Amending results: what an observation was before stays with it."""

from paretune import wire
from paretune.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from paretune.limits import MAX_AMENDMENTS
from paretune.observation import Outcome, OutcomeKind, check_values
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2
from paretune_store.transaction import Transaction, timestamp


def amend(tx: Transaction, request: pb.AmendObservationRequest) -> pb.AmendObservationResponse:
    """AmendObservation: see store.proto."""
    row = tx.db.execute(
        "SELECT key, experiment, body FROM observations WHERE id = ?", (request.observation_id,)
    ).fetchone()
    if row is None:
        raise NotFound.of("observation", request.observation_id)
    key, experiment_key, body = row
    observation = types_pb2.Observation.FromString(body)
    _check_count(observation, request.amendment_count)
    experiment = tx.experiment_by_key(experiment_key)
    outcome = _outcome(request.outcome)
    values = wire.each(wire.metric_value_from_proto, request.values, "values")
    complete = outcome.kind is OutcomeKind.OK
    check_values(tx.vocabulary.of(experiment).metrics, values, complete=complete)
    observation.amendments.add(
        former_values=observation.values,
        former_outcome=observation.outcome,
        reason=request.reason,
        author=request.author or tx.caller.name,
        token=tx.caller.token,
        create_time=timestamp(tx.now),
    )
    former = OutcomeKind(observation.outcome.kind)
    for kind, step in ((former, -1), (outcome.kind, 1)):
        experiment.counts[kind.name.lower()] += step
    del observation.values[:]
    observation.values.extend(map(wire.metric_value_to_proto, values))
    observation.outcome.CopyFrom(wire.outcome_to_proto(outcome))
    tx.db.execute(
        "UPDATE observations SET outcome = ?, body = ? WHERE key = ?",
        (observation.outcome.kind, observation.SerializeToString(deterministic=True), key),
    )
    tx.announce(experiment, observation=observation)
    return pb.AmendObservationResponse(observation=observation)


def _outcome(message: types_pb2.Outcome) -> Outcome:
    try:
        outcome = wire.outcome_from_proto(message)
    except InvalidArgument as error:
        raise error.under("outcome") from None
    if outcome.step < 0:
        raise InvalidArgument.of("outcome.step", "must not be negative")
    return outcome


def _check_count(observation: types_pb2.Observation, seen: int) -> None:
    """Refuse who amends what they have not seen, and who never stops."""
    count = len(observation.amendments)
    if seen != count:
        raise Aborted(
            f"Observation {observation.id!r} was amended {count} times, not {seen}: read it again.",
            reason="OBSERVATION_AMENDED",
            metadata={"observation": observation.id, "amendments": str(count)},
        )
    if count >= MAX_AMENDMENTS:
        raise FailedPrecondition(
            f"Observation {observation.id!r} was amended {count} times, which is the most there can be.",
            reason="TOO_MANY_AMENDMENTS",
            metadata={"observation": observation.id, "most": str(MAX_AMENDMENTS)},
        )
