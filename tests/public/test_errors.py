"""Every reason that a service gives is in the contract, and the contract names none that nobody gives."""

import re
from pathlib import Path

from paretune import errors
from paretune.v1 import errors_pb2

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "ERROR_REASON_"
KNOWN = {name.removeprefix(PREFIX) for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118 - not a dict


def code_of(*folders: str) -> str:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return "".join(path.read_text() for path in paths if "v1" not in path.parts)


def test_services_give_only_reasons_of_the_contract():
    given = set(re.findall(r"reason=\"([A-Z_]+)\"", code_of("services", "src/paretune/rpc")))
    assert len(given) > 10
    assert given <= KNOWN


def test_every_reason_of_the_contract_is_given_somewhere():
    code = code_of("services", "src")
    assert {name for name in KNOWN if f'"{name}"' not in code} == {"UNSPECIFIED"}


def test_every_default_reason_is_in_the_contract():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ParetuneError)
    ]
    assert {kind.default_reason for kind in kinds} <= KNOWN
