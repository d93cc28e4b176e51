"""Tests of the tests: with a part of the doors broken on purpose, a check of this folder must fail."""

import logging

import fuzz
import grpc
import pytest
from doors import SERVICES, STORE, bearer, mint
from samples import requests_for

from paretune.access import EVERYBODY, Caller, Role
from paretune.rpc import gate, interceptor, policy, tokens
from paretune.v1 import store_pb2 as st
from paretune_store import scope, sqlite, validation

GET, CREATE, BEAT = (f"/{STORE}/{name}" for name in ("GetExperiment", "CreateExperiment", "Heartbeat"))


@pytest.fixture(scope="module")
def ready(suite):
    """Requests about objects of project a, and tokens."""
    headers = {role.word: bearer(mint(suite.tokens, role, "a")) for role in Role}
    headers |= {
        "elsewhere": bearer(mint(suite.tokens, Role.ADMIN, "b")),
        "other trainer": bearer(mint(suite.tokens, Role.TRAINER, "a")),
        "expired": bearer(mint(suite.tokens, Role.ADMIN, "*", days=-1)),
    }
    forged = headers["admin"][0][1][:-4] + "AAAA"
    headers["forged"] = (("authorization", forged),)
    requests = requests_for(suite, headers)("trainer")
    suite.call(f"/{STORE}/QueueSuggestion", requests["QueueSuggestion"], metadata=headers["write"])
    ask = requests["LeaseSuggestions"]
    (held,) = suite.call(f"/{STORE}/LeaseSuggestions", ask, metadata=headers["trainer"]).suggestions
    requests["Heartbeat"] = st.HeartbeatRequest(suggestion_id=held.id, fence=held.lease.fence)
    return requests, headers


def code(suite, ready, method: str, who: str) -> str:
    requests, headers = ready
    return suite.code(method, requests[method.rpartition("/")[2]], metadata=headers[who])


# The check that fails when the part is broken: method, caller, honest answer.
CHECKS = {
    "projects are not looked at": (GET, "elsewhere", "NOT_FOUND"),
    "roles are not looked at": (CREATE, "read", "PERMISSION_DENIED"),
    "expiry is not looked at": (GET, "expired", "UNAUTHENTICATED"),
    "the secret is not compared": (GET, "forged", "UNAUTHENTICATED"),
    "leases belong to everybody": (BEAT, "other trainer", "PERMISSION_DENIED"),
    "the gate is open": (GET, "expired", "UNAUTHENTICATED"),
}


def broken(monkeypatch, what: str) -> None:
    if what == "projects are not looked at":
        monkeypatch.setattr(sqlite, "check_scope", lambda *_: None)
    elif what == "roles are not looked at":
        everything = {
            path: policy.Rule(Role.READ, rule.scope, rule.cost) for path, rule in gate.POLICY.items()
        }
        monkeypatch.setattr(gate, "POLICY", everything)
    elif what == "expiry is not looked at":
        monkeypatch.setattr(tokens.TokenRecord, "state", lambda self, now: "valid")
    elif what == "the secret is not compared":
        monkeypatch.setattr(tokens.hmac, "compare_digest", lambda *_: True)
    elif what == "leases belong to everybody":
        monkeypatch.setattr(scope, "_check_own", lambda *_: None)
    elif what == "the gate is open":
        monkeypatch.setattr(gate.Gate, "admit", lambda *_: EVERYBODY)


@pytest.mark.parametrize("what", CHECKS)
def test_a_broken_door_is_noticed(suite, ready, monkeypatch, what, report):
    method, who, honest = CHECKS[what]
    assert code(suite, ready, method, who) == honest
    broken(monkeypatch, what)
    caught = code(suite, ready, method, who) != honest
    report("broken builds of the doors are caught", 1, int(not caught))
    assert caught


def test_bytes_that_reach_the_parser_unguarded_are_noticed(open_suite, monkeypatch, report):
    monkeypatch.setattr(interceptor, "_parse", lambda parse, raw: parse(raw))
    raws = list(fuzz.cases("broken", [st.GetExperimentRequest(experiment_id="e")], 50, 50))
    codes = [open_suite.code(GET, raw) for raw in raws]
    report("broken builds of the doors are caught", 1, int("INTERNAL" not in codes))
    assert "INTERNAL" in codes


def test_a_validator_that_is_off_is_noticed(monkeypatch, report):
    from test_limits import test_an_empty_request_is_refused_with_a_path_or_fine as check

    monkeypatch.setitem(validation.VALIDATORS, st.HeartbeatRequest, lambda request: None)
    with pytest.raises(pytest.fail.Exception):
        check(st.HeartbeatRequest)
    report("broken builds of the doors are caught", 1, 0)


def test_an_rpc_without_a_row_is_noticed(report):
    table = {path: rule for path, rule in policy.POLICY.items() if not path.endswith("/Observe")}
    with pytest.raises(policy.PolicyGap):
        policy.check_policy(SERVICES, table)
    report("broken builds of the doors are caught", 1, 0)


def test_a_token_in_a_log_is_noticed(suite, monkeypatch, caplog, report):
    from test_doors import test_secrets_are_seen_nowhere as check

    honest = tokens.TokenFile.caller_of

    def careless(self, authorization: str | None) -> Caller:
        logging.getLogger("paretune").info("somebody sent %s", authorization)
        return honest(self, authorization)

    monkeypatch.setattr(tokens.TokenFile, "caller_of", careless)
    with pytest.raises(AssertionError):
        check(suite, caplog, lambda *_: None)
    report("broken builds of the doors are caught", 1, 0)


def test_a_bug_in_a_method_is_noticed(open_suite, monkeypatch, report):
    """What fuzzing looks for: any error of Python that reaches the caller."""
    monkeypatch.setitem(sqlite.QUERIES, st.GetExperimentRequest, lambda db, request: 1 // 0)
    with pytest.raises(grpc.RpcError) as caught:
        open_suite.call(GET, st.GetExperimentRequest(experiment_id="e"))
    report("broken builds of the doors are caught", 1, int(caught.value.code().name != "INTERNAL"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
