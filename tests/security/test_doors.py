"""Tokens and their file, the audit log, what is closed by default, and what must never be seen anywhere."""

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial

import grpc
import pytest
from doors import METHODS, OPTIMIZER, STORE, TRAINER, bearer, mint
from samples import experiment

import paretune as pt
from paretune.access import Role
from paretune.errors import PermissionDenied, Unauthenticated
from paretune.rpc.tokens import BadTokenFile, TokenFile, changing_tokens, new_token, read_tokens, revoked
from paretune.v1 import store_pb2 as st

LIST = f"/{STORE}/ListExperiments"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.json"


# The file


def test_the_file_holds_no_secret_and_is_for_its_owner(file):
    token = mint(file, Role.WRITE, "*")
    assert token.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_written_is_read_again(file):
    _, record = new_token(Role.TRAINER, "vision", "node 7", NOW + timedelta(days=1), now=NOW)
    with changing_tokens(file) as records:
        records[record.id] = record
    assert read_tokens(file) == {record.id: record}


def entry(**changes):
    _, record = new_token(Role.READ, "*", now=NOW)
    made = {
        "id": record.id,
        "role": "read",
        "project": "*",
        "hash": record.hash,
        "created": NOW.isoformat(),
    } | changes
    return {key: value for key, value in made.items() if value != "absent"}


TYPOS = {
    "role": (entry(role="reed"), r"tokens\[1\]\.role: 'reed' is not one of read, trainer, write, admin"),
    "field": (entry(rolle="read"), r"tokens\[1\]: there is no field 'rolle'; there are id, name, role"),
    "missing": (entry(role="absent"), r"tokens\[1\]\.role: is missing"),
    "project": (entry(project="A B"), r"tokens\[1\]\.project: 'A B' must be \*"),
    "hash": (entry(hash="abc"), r"tokens\[1\]\.hash: must be 64 hexadecimal digits"),
    "id": (entry(id="x"), r"tokens\[1\]\.id: 'x' must be 10"),
    "time": (entry(expires="tomorrow"), r"tokens\[1\]\.expires: 'tomorrow' is not a time such as 2026"),
    "kind": (entry(name=7), r"tokens\[1\]\.name: must be a text"),
    "no object": ("read", r"tokens\[1\] must be an object"),
}


@pytest.mark.parametrize("case", TYPOS)
def test_a_typo_is_named_with_its_place(file, case):
    wrong, sentence = TYPOS[case]
    file.write_text(json.dumps({"tokens": [entry(), wrong]}))
    with pytest.raises(BadTokenFile, match=sentence):
        TokenFile(file)


def test_a_broken_or_missing_file_is_named(file):
    with pytest.raises(BadTokenFile, match=r"No such file.*paretune token create"):
        TokenFile(file)
    file.write_text('{"tokens": [')
    with pytest.raises(BadTokenFile, match=r"is not JSON: .* line 1"):
        TokenFile(file)
    file.write_text("[]")
    with pytest.raises(BadTokenFile, match="must hold"):
        TokenFile(file)
    same = entry()
    file.write_text(json.dumps({"tokens": [same, same]}))
    with pytest.raises(BadTokenFile, match="is there twice"):
        TokenFile(file)


def test_a_change_counts_from_the_next_call_on(file):
    token = mint(file, Role.READ, "*")
    tokens = TokenFile(file)
    assert tokens.caller_of(f"Bearer {token}").role is Role.READ
    with changing_tokens(file) as records:
        for key, record in records.items():
            records[key] = revoked(record, NOW)
    with pytest.raises(Unauthenticated, match="was revoked") as caught:
        tokens.caller_of(f"Bearer {token}")
    assert caught.value.metadata == {"why": "revoked"}


def test_a_file_that_breaks_keeps_the_last_good_state_and_says_so(file, caplog):
    token = mint(file, Role.READ, "*")
    tokens = TokenFile(file)
    file.write_text("{")
    assert tokens.caller_of(f"Bearer {token}").role is Role.READ
    assert "stay in force" in caplog.text


def test_expiry_is_to_the_second(file):
    token, record = new_token(Role.READ, "*", expires=NOW, now=NOW)
    with changing_tokens(file) as records:
        records[record.id] = record
    clock = [NOW - timedelta(seconds=1)]
    tokens = TokenFile(file, clock=lambda: clock[0])
    tokens.caller_of(f"Bearer {token}")
    clock[0] = NOW
    with pytest.raises(Unauthenticated, match="expired at 2026-01-01 00:00 UTC"):
        tokens.caller_of(f"Bearer {token}")


# Over the wire


def test_errors_say_what_to_do(suite):
    reader = mint(suite.tokens, Role.READ, "a")
    with (
        pt.connect(suite.addresses[OPTIMIZER], token=reader, wait=5) as client,
        pytest.raises(PermissionDenied, match=r"needs the role write.*--role write"),
    ):
        client.create_experiment(name="n", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Minimize("m")])
    with (
        pt.connect(suite.addresses[OPTIMIZER], wait=5) as client,
        pytest.raises(Unauthenticated, match="PARETUNE_TOKEN"),
    ):
        list(client.list_experiments())


def test_a_client_reads_its_token_from_a_file_each_time(suite, tmp_path):
    held = tmp_path / "token"
    held.write_text(mint(suite.tokens, Role.READ, "a", revoke=True) + "\n")
    with pt.connect(suite.addresses[OPTIMIZER], token_file=held, wait=5) as client:
        with pytest.raises(Unauthenticated, match="revoked"):
            list(client.list_experiments())
        held.write_text(mint(suite.tokens, Role.READ, "a") + "\n")
        list(client.list_experiments())


def test_a_stream_ends_when_its_token_does(suite):
    writer = mint(suite.tokens, Role.WRITE, "a")
    reader = mint(suite.tokens, Role.READ, "a")
    with pt.connect(suite.addresses[OPTIMIZER], token=writer, wait=5) as client:
        experiment = client.create_experiment(
            name="n", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Minimize("m")]
        )
        with pt.connect(suite.addresses[STORE], token=reader, wait=5) as watcher:
            events = watcher.watch(experiment.id)
            next(events)
            with changing_tokens(suite.tokens) as records:
                key = reader.split("_")[1]
                records[key] = revoked(records[key], NOW)
            experiment.observe({"x": 0.5}, {"m": 1.0})
            with pytest.raises(Unauthenticated, match="revoked"):
                list(zip(events, range(100), strict=False))


def test_two_authorization_headers_are_none(suite):
    token = mint(suite.tokens, Role.ADMIN, "*")
    assert suite.code(LIST, st.ListExperimentsRequest(), metadata=bearer(token)) == "OK"
    assert suite.code(LIST, st.ListExperimentsRequest(), metadata=bearer(token) * 2) == "UNAUTHENTICATED"


@pytest.mark.parametrize("service", [STORE, OPTIMIZER, TRAINER])
def test_reflection_and_channelz_are_closed_by_default(suite, open_suite, service):
    for doors in (suite, open_suite):
        for method in (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.channelz.v1.Channelz/GetServers",
        ):
            call = doors.channel(service).unary_unary(method)
            with pytest.raises(grpc.RpcError) as caught:
                call(b"", timeout=10)
            assert caught.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED)


def test_health_is_open_and_tells_only_that(suite):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    reply = health_pb2_grpc.HealthStub(suite.channel(STORE)).Check(
        health_pb2.HealthCheckRequest(), timeout=10
    )
    assert [field.name for field, _ in reply.ListFields()] == ["status"]


def test_metadata_and_messages_have_caps(suite):
    token = mint(suite.tokens, Role.ADMIN, "*")
    assert suite.code(LIST, b"x" * (4 * 1024 * 1024 + 100), metadata=bearer(token)) == "RESOURCE_EXHAUSTED"
    wide = (*bearer(token), ("x-wide", "y" * 20_000))
    assert suite.code(LIST, st.ListExperimentsRequest(), metadata=wide) == "RESOURCE_EXHAUSTED"
    assert suite.code(LIST, st.ListExperimentsRequest(), metadata=bearer(token)) == "OK"


# The audit log, and what must not be seen


def test_changes_are_written_down_with_who_and_what(suite):
    token = mint(suite.tokens, Role.WRITE, "a")
    with pt.connect(suite.addresses[OPTIMIZER], token=token, wait=5) as client:
        experiment = client.create_experiment(
            name="audited", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Minimize("m")]
        )
        experiment.observe({"x": 0.25}, {"m": 123.456})
        client.get_experiment(experiment.id)
        client.delete_experiment(experiment.id)
    lines = [json.loads(line) for line in suite.audit.read_text().splitlines()]
    mine = [line for line in lines if line["token"] == token.split("_")[1]]
    assert [line["method"] for line in mine if line["code"] == "OK"][-1] == "DeleteExperiment"
    assert {line["method"] for line in mine} == {"CreateExperiment", "Observe", "DeleteExperiment"}
    observed = next(line for line in mine if line["method"] == "Observe")
    assert observed["about"] == experiment.id
    assert observed["name"] == "write of a"
    assert observed["peer"].startswith("ipv4:127.0.0.1")
    assert "123.456" not in suite.audit.read_text(), "who and what, not the values"


def test_who_was_turned_away_is_written_down(suite):
    reader = mint(suite.tokens, Role.READ, "a")
    suite.code(f"/{STORE}/DeleteExperiment", st.DeleteExperimentRequest(), metadata=bearer(reader))
    suite.code(f"/{STORE}/GetExperiment", st.GetExperimentRequest())
    lines = [json.loads(line) for line in suite.audit.read_text().splitlines()]
    assert [(line["method"], line["code"]) for line in lines[-2:]] == [
        ("DeleteExperiment", "PERMISSION_DENIED"),
        ("GetExperiment", "UNAUTHENTICATED"),
    ]


def test_an_audit_log_that_cannot_be_opened_again_fails_no_call(suite, caplog):
    token = mint(suite.tokens, Role.WRITE, "a")
    request = st.CreateExperimentRequest(experiment=experiment(), request_id="unaudited")
    create = partial(suite.code, f"/{STORE}/CreateExperiment", request, metadata=bearer(token))
    moved = suite.audit.rename(suite.audit.with_suffix(".1"))
    suite.audit.mkdir()
    try:
        assert create() == "OK"
    finally:
        suite.audit.rmdir()
    (said,) = [
        one.message for one in caplog.records if "unaudited" in one.message and one.levelname == "ERROR"
    ]
    assert "the audit log cannot be written" in said
    assert create() == "OK"
    assert "unaudited" in suite.audit.read_text()
    assert "unaudited" not in moved.read_text()


def test_secrets_are_seen_nowhere(suite, caplog, report):
    """Canaries: a valid, a revoked and a rubbish token through every RPC; logs, files, database, errors."""
    caplog.set_level(logging.DEBUG)
    canaries = [
        mint(suite.tokens, Role.ADMIN, "*"),
        mint(suite.tokens, Role.ADMIN, "*", revoke=True),
        "pt_0123456789_" + "canary-" * 6 + "x",
    ]
    said = []
    for token in canaries:
        for method in METHODS:
            try:
                suite.call(method, b"\xff", metadata=bearer(token))
            except grpc.RpcError as error:
                said.append(f"{error.details()} {error.trailing_metadata()}")
    secrets = [token.split("_", 2)[2].encode() for token in canaries]
    places = {
        "errors": "\n".join(said).encode(),
        "log": caplog.text.encode(),
        **{path.name: path.read_bytes() for path in suite.folder.iterdir() if path.is_file()},
    }
    hits = [(name, secret) for name, content in places.items() for secret in secrets if secret in content]
    report("secrets are seen nowhere", len(canaries) * len(METHODS) * len(places), len(hits))
    assert not hits


def test_a_trial_sees_no_token():
    from paretune_trainer.config import trial_environment

    names = ("TOKEN", "TOKEN_FILE", "TOKENS", "CA", "CERT", "KEY", "TLS_KEY", "TLS_CERT")
    environment = {f"PARETUNE_{name}": "canary" for name in names} | {"PATH": "/bin"}
    assert "canary" not in trial_environment(environment).values()


def test_credentials_do_not_print_their_token():
    from paretune.rpc.credentials import Credentials

    assert "canary" not in repr(Credentials("canary"))
