"""Who may call what: every RPC with every kind of token, each answer pinned. New RPCs must be added here."""

import re

import grpc
import pytest
from doors import METHODS, OPTIMIZER, STORE, TRAINER, bearer, mint
from samples import ROLES, M, X, experiment, requests_for

from paretune.access import Role
from paretune.v1 import optimizer_pb2 as op
from paretune.v1 import store_pb2 as st
from paretune.v1 import trainer_pb2 as tr
from paretune.v1 import types_pb2 as ty

# Smallest role; whether it names an object of one project ("object"), lists what the caller sees or names
# nothing ("any"), or concerns all projects ("all"); the answer to who may call it.
EXPECTED = {
    "StoreService/CreateExperiment": ("write", "any", "OK"),
    "StoreService/GetExperiment": ("read", "object", "OK"),
    "StoreService/ListExperiments": ("read", "any", "OK"),
    "StoreService/UpdateExperiment": ("write", "object", "OK"),
    "StoreService/DeleteExperiment": ("write", "object", "ABORTED"),
    "StoreService/LeaseSuggestions": ("trainer", "object", "OK"),
    "StoreService/LeaseSuggestionsBatch": ("trainer", "object", "OK"),
    "StoreService/QueueSuggestion": ("write", "object", "OK"),
    "StoreService/Heartbeat": ("trainer", "object", "FAILED_PRECONDITION"),
    "StoreService/ReleaseSuggestion": ("trainer", "object", "FAILED_PRECONDITION"),
    "StoreService/CancelSuggestion": ("write", "object", "FAILED_PRECONDITION"),
    "StoreService/StopSuggestion": ("write", "object", "FAILED_PRECONDITION"),
    "StoreService/GetSuggestion": ("read", "object", "OK"),
    "StoreService/ListSuggestions": ("read", "object", "OK"),
    "StoreService/Observe": ("trainer", "object", "FAILED_PRECONDITION"),
    "StoreService/ObserveBatch": ("trainer", "object", "FAILED_PRECONDITION"),
    "StoreService/AmendObservation": ("write", "object", "ABORTED"),
    "StoreService/GetObservation": ("read", "object", "OK"),
    "StoreService/ListObservations": ("read", "object", "OK"),
    "StoreService/RecordCheckpoints": ("trainer", "object", "FAILED_PRECONDITION"),
    "StoreService/ListCheckpoints": ("read", "object", "OK"),
    "StoreService/ReportNode": ("trainer", "any", "OK"),
    "StoreService/ListNodes": ("read", "any", "OK"),
    "StoreService/GetInfo": ("read", "any", "OK"),
    "StoreService/Watch": ("read", "object", "OK"),
    "StoreService/Export": ("read", "object", "OK"),
    "StoreService/Import": ("write", "any", "INVALID_ARGUMENT"),
    "StoreService/Backup": ("admin", "all", "OK"),
    "OptimizerService/Suggest": ("trainer", "object", "OK"),
    "OptimizerService/GetParetoFront": ("read", "object", "OK"),
    "OptimizerService/GetHypervolumeHistory": ("read", "object", "OK"),
    "OptimizerService/Predict": ("read", "object", "FAILED_PRECONDITION"),
    "OptimizerService/GetAttainment": ("read", "object", "OK"),
    "OptimizerService/GetImportance": ("read", "object", "FAILED_PRECONDITION"),
    "OptimizerService/GetRobustness": ("read", "object", "FAILED_PRECONDITION"),
    "OptimizerService/Recommend": ("read", "object", "OK"),
    "OptimizerService/ShouldStop": ("read", "object", "OK"),
    "TrainerService/GetNode": ("read", "any", "OK"),
    "TrainerService/ListWorkloads": ("read", "any", "OK"),
    "TrainerService/ListRuns": ("read", "all", "OK"),
    "TrainerService/Run": ("write", "all", "INVALID_ARGUMENT"),
    "TrainerService/Cancel": ("write", "all", "NOT_FOUND"),
    "TrainerService/Drain": ("admin", "all", "OK"),
}
CLOSED = ("none", "malformed", "unknown", "expired", "revoked")
CALLERS = (*CLOSED, *ROLES, *(f"{role} elsewhere" for role in ROLES), *(f"{role} of all" for role in ROLES))


@pytest.fixture(scope="module")
def headers(suite):
    made = {role.word: mint(suite.tokens, role, "a") for role in Role}
    made |= {f"{role.word} elsewhere": mint(suite.tokens, role, "b") for role in Role}
    made |= {f"{role.word} of all": mint(suite.tokens, role, "*") for role in Role}
    made["expired"] = mint(suite.tokens, Role.ADMIN, "*", days=-1)
    made["revoked"] = mint(suite.tokens, Role.ADMIN, "*", revoke=True)
    made["unknown"] = made["admin"][:-3] + ("AAA" if not made["admin"].endswith("AAA") else "BBB")
    made["malformed"] = "admin"
    return {"none": ()} | {who: bearer(token) for who, token in made.items()}


@pytest.fixture(scope="module")
def requests(suite, headers):
    made = requests_for(suite, headers)
    mine = made("read")["GetExperiment"]
    reply = suite.call(f"/{STORE}/GetExperiment", mine, metadata=headers["read"])
    assert reply.experiment.project == "a"
    return made


def expected(rpc: str, who: str) -> str:
    role, scope, answer = EXPECTED[rpc]
    if who in CLOSED:
        return "UNAUTHENTICATED"
    if ROLES.index(who.split()[0]) < ROLES.index(role):
        return "PERMISSION_DENIED"
    if scope == "all":
        return answer if "of all" in who else "PERMISSION_DENIED"
    if scope == "object" and "elsewhere" in who:
        return "NOT_FOUND"
    return answer


def test_every_rpc_is_in_the_matrix():
    assert {f"/paretune.v1.{rpc}" for rpc in EXPECTED} == set(METHODS)


@pytest.mark.parametrize("rpc", EXPECTED)
def test_every_kind_of_token(suite, headers, requests, rpc, report):
    method, name = f"/paretune.v1.{rpc}", rpc.rpartition("/")[2]
    wanted = {who: expected(rpc, who) for who in CALLERS}
    found = {who: suite.code(method, requests(who)[name], metadata=headers[who]) for who in CALLERS}
    if rpc.startswith("StoreService/"):
        through = {
            who: suite.code(method, requests(who)[name], metadata=headers[who], through=OPTIMIZER)
            for who in CALLERS
        }
        assert through == found, "the Optimizer's port is the same door"
    wrong = {who: code for who, code in found.items() if code != wanted[who]}
    report("who may call what: every cell exact", len(found), len(wrong))
    assert found == wanted


def test_other_projects_speak_of_missing_objects(suite, headers, requests, report):
    wrong = 0
    for rpc, (_, scope, _) in EXPECTED.items():
        if scope != "object":
            continue
        name = rpc.rpartition("/")[2]
        request = requests("write")[name]
        texts = []
        for who in ("admin elsewhere", "admin of all"):
            if who == "admin of all":
                request = without_object(request)
            with pytest.raises(grpc.RpcError) as caught:
                suite.call(f"/paretune.v1.{rpc}", request, metadata=headers[who])
            texts.append((caught.value.code(), mask(caught.value.details())))
        wrong += texts[0] != texts[1]
        assert texts[0] == texts[1], rpc
    report("another project looks like a missing object", len(EXPECTED), wrong)


def without_object(request):
    """The same request about something that never existed."""
    made = type(request)()
    made.CopyFrom(request)
    for one in getattr(made, "requests", ()):
        (one.observation if hasattr(one, "observation") else one).experiment_id = "never"
    for path in ("experiment_id", "suggestion_id", "observation_id"):
        if path in made.DESCRIPTOR.fields_by_name:
            setattr(made, path, "never")
            return made
    part = made.experiment if "experiment" in made.DESCRIPTOR.fields_by_name else made.observation
    setattr(part, "id" if isinstance(part, ty.Experiment) else "experiment_id", "never")
    return made


def mask(text: str) -> str:
    return re.sub(r"'[^']*'", "'...'", text)


def test_lists_hold_nothing_of_another_project(suite, headers, requests):
    mine = requests("read")["GetExperiment"].experiment_id
    for who, sees in (("read", True), ("read elsewhere", False), ("read of all", True)):
        reply = suite.call(f"/{STORE}/ListExperiments", st.ListExperimentsRequest(), metadata=headers[who])
        assert (mine in [e.id for e in reply.experiments]) is sees
    asked = st.ListExperimentsRequest(project="a")
    reply = suite.call(f"/{STORE}/ListExperiments", asked, metadata=headers["read elsewhere"])
    assert not reply.experiments


def test_a_token_of_one_project_makes_nothing_in_another(suite, headers):
    request = st.CreateExperimentRequest(experiment=experiment(project="a"))
    assert suite.code(f"/{STORE}/CreateExperiment", request, metadata=headers["admin elsewhere"]) == (
        "PERMISSION_DENIED"
    )


def test_nothing_is_imported_into_another_project(suite, headers, requests):
    wanted = experiment(id="imported", project="a")
    request = st.ImportRequest(records=[st.Record(experiment=wanted)])
    assert suite.code(f"/{STORE}/Import", request, metadata=headers["write elsewhere"]) == "PERMISSION_DENIED"
    late = ty.Suggestion(experiment_id=requests("read")["GetExperiment"].experiment_id, id="s", ordinal=9)
    request = st.ImportRequest(records=[st.Record(suggestion=late)])
    assert suite.code(f"/{STORE}/Import", request, metadata=headers["write elsewhere"]) == "NOT_FOUND"


def test_two_projects_never_share_a_reply(suite, headers):
    request = st.CreateExperimentRequest(experiment=experiment(), request_id="same in both")
    first = suite.call(f"/{STORE}/CreateExperiment", request, metadata=headers["write"])
    again = suite.call(f"/{STORE}/CreateExperiment", request, metadata=headers["write"])
    assert first == again
    code = suite.code(f"/{STORE}/CreateExperiment", request, metadata=headers["write elsewhere"])
    assert code == "INVALID_ARGUMENT"


def test_a_trainer_touches_its_own_leases_only(suite, headers, requests, report):
    """Two trainers of one project: what one leased, the other can neither end, extend nor answer."""
    other = bearer(mint(suite.tokens, Role.TRAINER, "a"))
    asked = op.SuggestRequest(experiment_id=requests("read")["GetExperiment"].experiment_id, worker="w")
    given = suite.call(f"/{OPTIMIZER}/Suggest", asked, metadata=headers["trainer"]).suggestions[0]
    report_ = ty.Observation(experiment_id=given.experiment_id, suggestion_id=given.id, values=M)
    fence = given.lease.fence
    attempts = {
        "Heartbeat": st.HeartbeatRequest(suggestion_id=given.id, fence=fence),
        "ReleaseSuggestion": st.ReleaseSuggestionRequest(suggestion_id=given.id, fence=fence),
        "Observe": st.ObserveRequest(observation=report_, fence=fence),
        "ObserveBatch": st.ObserveBatchRequest(
            experiment_id=given.experiment_id, requests=[st.ObserveRequest(observation=report_, fence=fence)]
        ),
        "RecordCheckpoints": st.RecordCheckpointsRequest(
            suggestion_id=given.id, fence=fence, checkpoints=[ty.Checkpoint(step=1, values=M)]
        ),
    }
    look = st.GetSuggestionRequest(suggestion_id=given.id)
    before = suite.call(f"/{STORE}/GetSuggestion", look, metadata=other)
    codes = {name: suite.code(f"/{STORE}/{name}", r, metadata=other) for name, r in attempts.items()}
    after = suite.call(f"/{STORE}/GetSuggestion", look, metadata=other)
    crossed = sum(code != "PERMISSION_DENIED" for code in codes.values()) + (before != after)
    report("a trainer touches its own leases only", len(codes), crossed)
    assert set(codes.values()) == {"PERMISSION_DENIED"}
    assert before == after
    assert suite.code(f"/{STORE}/Observe", attempts["Observe"], metadata=headers["trainer"]) == "OK"


def test_a_free_result_needs_the_role_write(suite, headers, requests):
    e = requests("read")["GetExperiment"].experiment_id
    request = st.ObserveRequest(observation=ty.Observation(experiment_id=e, assignments=X, values=M))
    assert suite.code(f"/{STORE}/Observe", request, metadata=headers["trainer"]) == "PERMISSION_DENIED"
    assert suite.code(f"/{STORE}/Observe", request, metadata=headers["write"]) == "OK"


def test_nothing_is_told_before_the_token_is_seen(suite):
    for method in METHODS:
        assert suite.code(method, b"\xff\xff\xff") == "UNAUTHENTICATED"


def test_trainer_service_is_no_way_around(suite, headers):
    assert suite.code(f"/{TRAINER}/ListRuns", tr.ListRunsRequest(), metadata=headers["admin"]) == (
        "PERMISSION_DENIED"
    )
