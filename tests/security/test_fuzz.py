"""No bytes bring out INTERNAL or UNKNOWN, and no refused call changes anything."""

import asyncio
import hashlib
import os
import random
from collections import Counter

import fuzz
import grpc
import inside
import pytest
from doors import METHODS, SERVICES
from lane import FULL, SEED, rounds
from samples import requests_for

from paretune.rpc.interceptor import CallInterceptor
from paretune.rpc.policy import POLICY

RANDOM = rounds(25, int(os.environ.get("PARETUNE_RANDOM", "5000")))
MUTATED = rounds(25, int(os.environ.get("PARETUNE_MUTATED", "10000")))
CHANGELESS = rounds(15, 300)
AT_ONCE = 32
BUGS = ("INTERNAL", "UNKNOWN")
QUIET_FIRST = sorted(METHODS, key=lambda method: POLICY[method].audited)
"""Before what fills the lists that they read."""


@pytest.fixture(scope="module")
def valid(open_suite):
    """A valid request for every RPC."""
    return requests_for(open_suite, Everybody())("write")


class Everybody(dict):
    def __missing__(self, who):
        return ()


async def send(channel, method: str, raw: bytes) -> str:
    """The code that a call ends with; of a stream, its first answer counts."""
    if METHODS[method].server_streaming:
        call = channel.unary_stream(method)(raw, timeout=60)
        try:
            await call.read()
            if not call.done():
                call.cancel()
                return "OK"
            return (await call.code()).name
        except grpc.aio.AioRpcError as error:
            return error.code().name
    try:
        await channel.unary_unary(method)(raw, timeout=60)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def send_all(send, raws) -> tuple[Counter, list[bytes]]:
    """Codes of all calls, and what brought out a bug."""
    codes: Counter = Counter()
    guilty: list[bytes] = []
    raws = iter(raws)

    async def worker():
        for raw in raws:
            code = await send(raw)
            codes[code] += 1
            if code in BUGS:
                guilty.append(raw)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return codes, guilty


async def send_over(address: str, method: str, raws):
    async with grpc.aio.insecure_channel(address) as channel:
        return await send_all(lambda raw: send(channel, method, raw), raws)


async def send_inside(handlers, method: str, raws):
    interceptor = CallInterceptor()
    return await send_all(lambda raw: inside.call(interceptor, handlers, method, raw), raws)


@pytest.mark.parametrize("method", QUIET_FIRST)
@pytest.mark.timeout(3600)
def test_no_bytes_bring_out_a_bug(open_suite, valid, method, report, caplog):
    service, name = method[1:].split("/")
    raws = fuzz.cases(f"{SEED} {method}", [valid[name]], RANDOM, MUTATED)
    if FULL:
        codes, guilty = open_suite.run(send_inside(open_suite.inside.handlers, method, raws))
    else:
        codes, guilty = asyncio.run(send_over(open_suite.addresses[service], method, raws))
    report("no bytes bring out INTERNAL or UNKNOWN", codes.total(), len(guilty))
    assert codes.total() == RANDOM + MUTATED
    assert not guilty, f"seed {SEED}: {guilty[0].hex()} of {len(guilty)}; {caplog.text[-3000:]}"
    assert codes["INVALID_ARGUMENT"], "mutations that nobody refuses show nothing"


def digest(suite) -> bytes:
    """Everything that is recorded."""
    db = suite.store._connections.reader
    tables = ("experiments", "suggestions", "observations", "checkpoints", "events", "replies", "nodes")
    found = [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
    return hashlib.sha256(repr(found).encode()).digest()


STORE_METHODS = [method for method in METHODS if method.startswith("/paretune.v1.Store")]


@pytest.mark.parametrize("method", STORE_METHODS)
@pytest.mark.timeout(1800)
def test_a_refused_call_changes_nothing(open_suite, valid, method, report):
    rng = random.Random(f"{SEED} {method}")
    raw = valid[method.rpartition("/")[2]].SerializeToString()
    refused = changed = 0
    before = digest(open_suite)
    for _ in range(CHANGELESS):
        code = open_suite.code(method, fuzz.mutated(rng, raw))
        after = digest(open_suite)
        refused += code != "OK"
        changed += code != "OK" and after != before
        before = after
    report("a refused call changes nothing", refused, changed)
    assert not changed, f"seed {SEED}"


def test_what_is_refused_says_nothing_of_the_inside(open_suite, valid, report):
    """No traceback, statement or path of ours in the text of an error."""
    told = []
    rng = random.Random(SEED)
    for method in METHODS:
        raw = valid[method.rpartition("/")[2]].SerializeToString()
        for _ in range(rounds(6, 200)):
            try:
                open_suite.call(method, fuzz.mutated(rng, raw))
            except grpc.RpcError as error:
                told.append(error.details() or "")
    inside = ("Traceback", 'File "', "SELECT ", "INSERT ", "sqlite", "site-packages", str(open_suite.folder))
    leaks = [text for text in told if any(word in text for word in inside)]
    report("errors say nothing of the inside", len(told), len(leaks))
    assert not leaks


def test_every_service_is_covered():
    assert {method.split("/")[1] for method in METHODS} == {service.full_name for service in SERVICES}
