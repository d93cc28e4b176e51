"""Run the conformance cases with nothing but Python's gRPC and the generated messages.

    python clients/python/conformance.py HOST:PORT CASES.json...

PARETUNE_CA (a PEM file) turns TLS on, PARETUNE_TOKEN is sent with every call. Prints TAP; exits with 1 when a
case failed. The format of the cases is described in clients/conformance/README.md.
"""

import json
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from paretune.v1 import optimizer_pb2, store_pb2

SERVICES = {
    service.full_name: service
    for file in (store_pb2.DESCRIPTOR, optimizer_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
}
DEADLINE_MS = 30_000
# Every call here carries a request_id or changes nothing, so sending it again is safe. The delay that an
# overloaded service asks for (RetryInfo) arrives as grpc-retry-pushback-ms and is honoured by the channel.
RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2.5,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}
OPTIONS = [("grpc.service_config", json.dumps(RETRIES))]


class Mismatch(Exception):
    """A reply is not what the case expects."""


def filled(value: Any, known: dict[str, str]) -> Any:
    """The value with `${name}` replaced in every string."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], value)
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, known) for key, item in value.items()}
    return value


def compare(path: str, expected: Any, actual: Any) -> None:
    """Objects may have more keys than expected; lists are of equal length; null is absent; "$any" is present.

    Raises:
        Mismatch: naming the path.
    """
    if expected is None or expected == "$any":
        if (expected is None) != (actual is None):
            raise Mismatch(
                f"{path}: expected {'nothing' if expected is None else 'something'}, got {actual!r}"
            )
    elif isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            compare(f"{path}.{key}", value, actual.get(key))
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, value in enumerate(expected):
            compare(f"{path}[{number}]", value, actual[number])
    elif expected != actual:
        raise Mismatch(f"{path}: expected {expected!r}, got {actual!r}")


def encoded(step: dict[str, Any], kind: Any, known: dict[str, str]) -> bytes:
    """The bytes to send."""
    if "request_hex" in step:
        return bytes.fromhex(step["request_hex"])
    message: Message = json_format.ParseDict(filled(step["request"], known), kind())
    return message.SerializeToString()


def error_of(failure: grpc.RpcError) -> dict[str, Any]:
    """Status, reason, metadata, field paths and the delay asked for of a failed call."""
    error: dict[str, Any] = {"status": failure.code().name, "metadata": {}, "fields": []}
    status = rpc_status.from_call(failure)
    for detail in status.details if status else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            error |= {"reason": info.reason, "domain": info.domain, "metadata": dict(info.metadata)}
        elif detail.Unpack(bad):
            error["fields"] = [violation.field for violation in bad.field_violations]
        elif detail.Unpack(retry):
            error["retry_ms"] = retry.retry_delay.ToMilliseconds()
    return error


def run_step(
    channel: grpc.Channel, step: dict[str, Any], known: dict[str, str], kept: dict[str, bytes]
) -> None:
    """Make one call and compare what comes back.

    Raises:
        Mismatch: it is not what was expected.
    """
    service, _, name = step["call"].partition("/")
    method = SERVICES[service].methods_by_name.get(name)
    kind = message_factory.GetMessageClass(method.input_type) if method else None
    token = step.get("token", os.environ.get("PARETUNE_TOKEN"))
    metadata = [("authorization", f"Bearer {token}")] if token else []
    stream = method is not None and method.server_streaming
    invoke = (channel.unary_stream if stream else channel.unary_unary)(f"/{step['call']}")
    try:
        reply = invoke(
            encoded(step, kind, known), timeout=step.get("deadline_ms", DEADLINE_MS) / 1000, metadata=metadata
        )
        if stream:
            wanted, call = step.get("replies"), reply
            for number, reply in enumerate(call, 1):  # noqa: B007
                if number == wanted:
                    call.cancel()
                    break
    except grpc.RpcError as failure:
        error = error_of(failure)
        for key in ("status", "reason", "metadata", "retry_ms"):
            compare(key, filled(step.get(key), known) if key in step else error.get(key), error.get(key))
        if "status" not in step:
            raise Mismatch(f"expected OK, got {failure.code().name}: {failure.details()}") from None
        if missing := set(step.get("fields", ())) - set(error["fields"]):
            raise Mismatch(f"fields: {sorted(missing)} are not among {error['fields']}") from None
        return
    if "status" in step:
        raise Mismatch(f"expected {step['status']}, got OK")
    if "equals" in step and reply != kept[step["equals"]]:
        raise Mismatch("the reply differs from the first one")
    if "remember" in step:
        kept[step["remember"]] = reply
    assert method is not None
    message = message_factory.GetMessageClass(method.output_type).FromString(reply)
    document = json_format.MessageToDict(message, preserving_proto_field_name=True)
    compare("reply", filled(step.get("reply", {}), known), document)
    for variable, path in step.get("save", {}).items():
        value: Any = document
        for key in path.split("."):
            value = value[int(key)] if key.isdigit() else value[key]
        known[variable] = value


def main(address: str, *files: str) -> int:
    """Run every case; the exit code."""
    if certificate := os.environ.get("PARETUNE_CA"):
        credentials = grpc.ssl_channel_credentials(Path(certificate).read_bytes())
        channel = grpc.secure_channel(address, credentials, OPTIONS)
    else:
        channel = grpc.insecure_channel(address, OPTIONS)
    known, kept = {"run": secrets.token_hex(4)}, {}
    number = failed = 0
    with channel:
        for file in files:
            for case in json.loads(Path(file).read_text()):
                number += 1
                try:
                    for step in case["steps"]:
                        run_step(channel, step, known, kept)
                    print(f"ok {number} - {case['name']}")
                except (Mismatch, KeyError) as error:
                    failed += 1
                    print(f"not ok {number} - {case['name']}\n# {step['call']}: {error}")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
