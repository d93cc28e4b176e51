"""Export and Import: what came out goes in elsewhere, and comes out again the same."""

import pytest
from store_cases import Driver, checkpoint, metric_values, observation

from paretune.errors import AlreadyExists, InvalidArgument, NotFound
from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store.sqlite import SqliteStore


@pytest.fixture
def source(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "source.db", clock))
    yield driver
    driver.close()


@pytest.fixture
def target(tmp_path):
    driver = Driver(lambda clock: SqliteStore.open(tmp_path / "target.db", clock))
    yield driver
    driver.close()


def exported(driver: Driver, experiment_id: str) -> list[pb.ExportResponse]:
    async def collect() -> list[pb.ExportResponse]:
        return [
            message async for message in driver.store.export(pb.ExportRequest(experiment_id=experiment_id))
        ]

    return driver.run(collect())


def lived(driver: Driver) -> types.Experiment:
    """An experiment with suggestions in every state, observations of several outcomes, and checkpoints."""
    made = driver.create(id="digits", ttl=60, max_attempts=1)
    driver.observe(made.id)
    trained = driver.lease(made.id)
    driver.checkpoints(trained, checkpoint(1), checkpoint(2))
    driver.observe_suggestion(trained)
    driver.observe(made.id, outcome={"kind": types.OUTCOME_KIND_CRASHED, "reason": "boom"}, values=[])
    driver.let_expire(driver.lease(made.id))
    driver.do(pb.CancelSuggestionRequest(suggestion_id=driver.lease(made.id).id))
    driver.lease(made.id)
    driver.queue(made.id, 0.25)
    return made


def test_an_experiment_moves_to_another_store_and_back_unchanged(source, target):
    made = lived(source)
    source.clock.advance(5)
    target.clock.advance(5000)
    messages = exported(source, made.id)
    for message in messages:
        reply = target.do(pb.ImportRequest(records=message.records))
        assert (reply.experiment_id, reply.records) == (made.id, len(message.records))
    arrived = target.get(made.id)
    assert arrived.state == types.EXPERIMENT_STATE_PAUSED
    progress = source.get(made.id).progress
    progress.queued, progress.leased = progress.queued + progress.leased, 0
    assert arrived.progress == progress
    target.update(made.id, "state", state=types.EXPERIMENT_STATE_ACTIVE)
    again = exported(target, made.id)
    assert again == messages
    # Watching tells it all, and what comes next has the next places.
    kinds = {event.WhichOneof("change") for event in target.events(made.id)}
    assert kinds == {"experiment", "suggestion", "observation", "checkpoint"}
    assert target.observe(made.id).ordinal == progress.observations + 1


def test_an_import_that_is_sent_again_happens_once(source, target):
    made = lived(source)
    (message,) = exported(source, made.id)
    request = pb.ImportRequest(records=message.records, request_id="part-0")
    assert target.bytes_of(request) == target.bytes_of(request)
    without = pb.ImportRequest(records=message.records)
    target.refused(without, AlreadyExists)


def test_what_does_not_fit_is_refused_whole(source, target):
    made = lived(source)
    (message,) = exported(source, made.id)

    def broken(change) -> pb.ImportRequest:
        request = pb.ImportRequest(records=message.records)
        change(request.records)
        return request

    def nan(records):
        next(r for r in records if r.HasField("observation")).observation.values[0].value = float("nan")

    def gap(records):
        del records[1]

    def elsewhere(records):
        records[1].suggestion.experiment_id = "other"

    def orphan(records):
        next(r for r in records if r.observation.suggestion_id).observation.suggestion_id = "s-nowhere"

    def unknown_metric(records):
        next(r for r in records if r.HasField("checkpoint")).checkpoint.values[0].CopyFrom(
            metric_values(loss=1.0)[0]
        )

    def twice(records):
        records.add().CopyFrom(records[0])

    def nothing(records):
        records.add()

    for change, error, text in (
        (nan, InvalidArgument, "finite"),
        (gap, InvalidArgument, r"records\[1\]\.suggestion\.ordinal"),
        (elsewhere, InvalidArgument, r"records\[1\]\.suggestion\.experiment_id"),
        (orphan, NotFound, "s-nowhere"),
        (unknown_metric, InvalidArgument, "loss"),
        (twice, InvalidArgument, "comes first"),
        (nothing, InvalidArgument, "empty"),
    ):
        with pytest.raises(error, match=text):
            target.do(broken(change))
        assert target.state() == []
    target.refused(pb.ImportRequest(), InvalidArgument)
    target.refused(pb.ImportRequest(records=message.records[1:]), NotFound)


def test_a_large_experiment_comes_in_parts_that_fit_a_message(source, target):
    made = source.create(id="large")
    batch = [pb.ObserveRequest(observation=observation("large", metadata={"n": str(n)})) for n in range(800)]
    for _ in range(2):
        source.do(pb.ObserveBatchRequest(experiment_id=made.id, requests=batch))
    messages = exported(source, made.id)
    assert len(messages) > 1
    assert max(message.ByteSize() for message in messages) < 3 * 1024 * 1024
    for message in messages:
        target.do(pb.ImportRequest(records=message.records))
    assert target.get(made.id).progress.observations == 1600


def test_an_export_of_nothing(source):
    with pytest.raises(NotFound):
        exported(source, "nowhere")
    with pytest.raises(InvalidArgument):
        exported(source, "")
