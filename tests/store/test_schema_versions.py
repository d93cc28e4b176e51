"""A file of every earlier schema opens, and says what it said then.

When a release changes the schema, add a file that it made: tests/store/schemas/README.md.
"""

import gzip
from pathlib import Path

import pytest
from store_cases import Driver

from paretune.v1 import store_pb2 as pb
from paretune.v1 import types_pb2 as types
from paretune_store import schema
from paretune_store.sqlite import SqliteStore

SCHEMAS = Path(__file__).parent / "schemas"


def test_every_earlier_version_has_a_file():
    assert sorted(int(p.name.split(".")[0]) for p in SCHEMAS.glob("*.db.gz")) == [*range(1, schema.VERSION)]


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_a_file_of_this_version_opens_with_all_it_held(tmp_path, version):
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress((SCHEMAS / f"{version}.db.gz").read_bytes()))
    driver = Driver(lambda clock: SqliteStore.open(path, clock))
    assert {e.id for e in driver.pages(pb.ListExperimentsRequest(), "experiments")} == {"digits", "second"}
    (observed,) = driver.pages(pb.ListObservationsRequest(experiment_id="digits"), "observations")
    assert {value.metric: value.value for value in observed.values} == {"accuracy": 0.9, "ms": 2.0}
    leased, queued = driver.pages(pb.ListSuggestionsRequest(experiment_id="digits"), "suggestions")
    assert (leased.state, queued.state) == (types.SUGGESTION_STATE_LEASED, types.SUGGESTION_STATE_QUEUED)
    steps = driver.pages(pb.ListCheckpointsRequest(suggestion_id=leased.id), "checkpoints")
    assert [step.step for step in steps] == [1, 2]
    assert driver.observe_suggestion(leased).ordinal == 2
    driver.close()
