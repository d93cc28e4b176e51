"""Every limit is held at its edge, documented, and checked before anything is recorded."""

import re
from pathlib import Path

import grpc
import pytest

from paretune import limits
from paretune import parameters as p
from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, LeasePolicy, Minimize, Workload
from paretune.observation import Outcome, OutcomeKind
from paretune.space import LinearConstraint, SearchSpace
from paretune.v1 import optimizer_pb2 as op
from paretune.v1 import store_pb2 as st
from paretune.v1 import types_pb2 as ty
from paretune_store.validation import VALIDATORS, validate

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {name: value for name, value in vars(limits).items() if name.isupper()}


def experiment(**fields):
    return Experiment(
        **{"name": "e", "space": SearchSpace((p.Double("x", 0, 1),)), "metrics": (Minimize("m"),)} | fields
    )


def space(count):
    return SearchSpace(tuple(p.Double(f"x{i}", 0, 1) for i in range(count)))


def constraints(count):
    return SearchSpace((p.Double("x", 0, 1),), (LinearConstraint({"x": 1.0}, 1.0),) * count)


# What is made of a size; it is taken at the limit and refused at one more.
EDGES = {
    "MAX_NAME_BYTES": (
        lambda n: experiment(name="é" * (n // 2) + "x" * (n % 2)),
        lambda n: p.Double("x" * n, 0, 1),
        lambda n: Minimize("x" * n),
        lambda n: p.Categorical("c", ["a", "x" * n]),
        lambda n: Workload("x" * n),
        lambda n: validate(st.LeaseSuggestionsRequest(experiment_id="e", worker="w" * n)),
    ),
    "MAX_ID_BYTES": (
        lambda n: validate(st.GetExperimentRequest(experiment_id="e" * n)),
        lambda n: validate(st.GetSuggestionRequest(suggestion_id="s" * n)),
        lambda n: validate(st.HeartbeatRequest(suggestion_id="s", fence="f" * n)),
        lambda n: validate(
            st.ObserveRequest(observation=ty.Observation(experiment_id="e", suggestion_id="s" * n))
        ),
    ),
    "MAX_REQUEST_ID_BYTES": (
        lambda n: validate(st.DeleteExperimentRequest(experiment_id="e", request_id="r" * n)),
    ),
    "MAX_UNIT_BYTES": (lambda n: Minimize("m", unit="u" * n),),
    "MAX_TEXT_BYTES": (
        lambda n: experiment(metadata={"k": "v" * (n - 1)}),
        lambda n: experiment(labels={"k": "v" * (n - 1)}),
        lambda n: Workload("w", {"k": "v" * (n - 1)}),
        lambda n: Outcome(OutcomeKind.CRASHED, "r" * n),
        lambda n: validate(st.QueueSuggestionRequest(experiment_id="e", metadata={"k": "v" * (n - 1)})),
    ),
    "MAX_LOG_BYTES": (
        lambda n: validate(st.HeartbeatRequest(suggestion_id="s", fence="f", log_tail="l" * n)),
    ),
    "MAX_PARAMETERS": (space,),
    "MAX_METRICS": (lambda n: experiment(metrics=tuple(Minimize(f"m{i}") for i in range(n))),),
    "MAX_CHOICES": (lambda n: p.Categorical("c", [f"c{i}" for i in range(n)]),),
    "MAX_GRID": (
        lambda n: p.Double("x", grid=list(range(n))),
        lambda n: p.Int("x", grid=list(range(n))),
        lambda n: p.Condition("x", tuple(range(n))),
    ),
    "MAX_LINEAR_CONSTRAINTS": (constraints,),
    "INT_LIMIT": (lambda n: p.Int("x", 0, n), lambda n: p.Int("x", -n, 0)),
    "MAX_BUDGET": (lambda n: experiment(observation_budget=n),),
    "MAX_PARALLELISM": (lambda n: experiment(parallelism=n),),
    "MAX_ATTEMPTS": (lambda n: LeasePolicy(max_attempts=n),),
    "MAX_TTL": (lambda n: LeasePolicy(ttl=n),),
    "MAX_MANY": (
        lambda n: validate(st.LeaseSuggestionsRequest(experiment_id="e", worker="w", count=n)),
        lambda n: validate(
            st.LeaseSuggestionsRequest(
                experiment_id="e", worker="w", proposals=[st.Proposal()] * n, first_ordinal=1
            )
        ),
        lambda n: validate(st.ObserveBatchRequest(experiment_id="e", requests=[st.ObserveRequest()] * n)),
        lambda n: validate(
            st.RecordCheckpointsRequest(suggestion_id="s", fence="f", checkpoints=[ty.Checkpoint()] * n)
        ),
        lambda n: validate(st.ImportRequest(records=[st.Record()] * n)),
    ),
}
ELSEWHERE = {
    "MAX_MESSAGE_BYTES", "MAX_HEADER_BYTES", "MAX_STREAMS",  # test_doors.py, and gRPC's own
    "MIN_TTL", "MAX_PAGE", "MAX_PREDICTIONS", "MAX_LEVELS", "MAX_FORECAST",  # below
    "MAX_AMENDMENTS",  # tests/contract/amendments_contract.py
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
def test_a_limit_is_held_at_its_edge(name, report):
    limit = NUMBERS[name]
    wrong = 0
    for make in EDGES[name]:
        make(limit)
        try:
            make(limit + 1)
            wrong += 1
        except InvalidArgument as error:
            wrong += not error.violations[0].field
    report("limits hold at limit and limit + 1", 2 * len(EDGES[name]), wrong)
    assert not wrong


def test_every_limit_is_tested():
    assert set(EDGES) | ELSEWHERE == set(NUMBERS)


def test_a_lease_is_not_shorter_than_a_second():
    LeasePolicy(ttl=limits.MIN_TTL)
    with pytest.raises(InvalidArgument):
        LeasePolicy(ttl=limits.MIN_TTL - 0.001)


def test_a_page_is_no_longer_than_its_limit():
    from paretune_store.pages import page_size

    assert page_size(limits.MAX_PAGE) == page_size(limits.MAX_PAGE + 1) == limits.MAX_PAGE


OF_THE_OPTIMIZER = {
    "Predict": (
        "MAX_PREDICTIONS",
        lambda n: op.PredictRequest(experiment_id="none", configurations=[op.Configuration()] * n),
    ),
    "GetAttainment": (
        "MAX_LEVELS",
        lambda n: op.GetAttainmentRequest(experiment_id="none", levels=[0.5] * n),
    ),
    "ShouldStop": ("MAX_FORECAST", lambda n: op.ShouldStopRequest(experiment_id="none", trials=n)),
    "Suggest": ("MAX_MANY", lambda n: op.SuggestRequest(experiment_id="none", worker="w", count=n)),
}


@pytest.mark.parametrize("method", OF_THE_OPTIMIZER)
def test_limits_of_the_optimizer(open_suite, method):
    limit, make = OF_THE_OPTIMIZER[method]
    path = f"/paretune.v1.OptimizerService/{method}"
    assert open_suite.code(path, make(NUMBERS[limit])) == "NOT_FOUND"
    assert open_suite.code(path, make(NUMBERS[limit] + 1)) == "INVALID_ARGUMENT"


def test_the_document_lists_every_limit_as_it_is():
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE)
    assert {name: float(value) for name, value in rows} == {
        name: float(value) for name, value in NUMBERS.items()
    }


def test_every_request_of_the_store_has_a_validator():
    service = st.DESCRIPTOR.services_by_name["StoreService"]
    assert {kind.DESCRIPTOR for kind in VALIDATORS} == {method.input_type for method in service.methods}


@pytest.mark.parametrize("kind", VALIDATORS, ids=lambda kind: kind.DESCRIPTOR.name)
def test_an_empty_request_is_refused_with_a_path_or_fine(kind):
    fine = ("ListExperiments", "ListNodes", "GetInfo", "Backup", "CreateExperiment")
    if kind.DESCRIPTOR.name.removesuffix("Request") in fine:
        validate(kind())
        return
    with pytest.raises(InvalidArgument) as caught:
        validate(kind())
    assert all(violation.field for violation in caught.value.violations)


def test_refusals_name_the_path_over_the_wire(open_suite):
    broken = st.ObserveBatchRequest(
        experiment_id="e",
        requests=[
            st.ObserveRequest(),
            st.ObserveRequest(observation=ty.Observation(suggestion_id="s" * 257)),
        ],
    )
    with pytest.raises(grpc.RpcError, match=re.escape("requests[1].observation.suggestion_id")):
        open_suite.call("/paretune.v1.StoreService/ObserveBatch", broken)
