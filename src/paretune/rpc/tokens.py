"""Tokens: how they look, the file that keeps their hashes, and which of them are valid now.

A token is ``pt_ID_SECRET``; the file keeps the SHA-256 of all of it. The secret has 256 random bits, so a
slow hash would protect nothing more. Why a file: docs/decisions/0019-doors.md.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from paretune.access import ALL_PROJECTS, PROJECT, Caller, Role
from paretune.errors import Unauthenticated

log = logging.getLogger("paretune")

_TOKEN = re.compile(r"pt_([0-9a-f]{10})_([A-Za-z0-9_-]{43})")
_FIELDS = ("id", "name", "role", "project", "hash", "created", "expires", "revoked")
_NOBODY = hashlib.sha256(b"").hexdigest()


class BadTokenFile(Exception):
    """The file of tokens cannot be read; the message says where and what to change."""


@dataclass(frozen=True)
class TokenRecord:
    """What the file knows about one token. Times are aware UTC.

    Attributes:
        hash: SHA-256 of the whole token, hexadecimal.
        expires: when it stops being valid; None: never.
        revoked: when it was revoked; None: it was not.
    """

    id: str
    name: str
    role: Role
    project: str
    hash: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def state(self, now: datetime) -> str:
        """``valid``, ``expired`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and now >= self.expires else "valid"


def new_token(
    role: Role, project: str, name: str = "", expires: datetime | None = None, *, now: datetime
) -> tuple[str, TokenRecord]:
    """A fresh token, which nobody can show again later, and what the file keeps of it."""
    identity = secrets.token_hex(5)
    token = f"pt_{identity}_{secrets.token_urlsafe(32)}"
    return token, TokenRecord(identity, name, role, project, _hash(token), now, expires)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def read_tokens(path: Path) -> dict[str, TokenRecord]:
    """The records of a file, by id.

    Raises:
        BadTokenFile: it is not there, or not what `write_tokens` writes.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadTokenFile(
            f"Cannot read the tokens in {path}: {error.strerror}. "
            f"`paretune token create --tokens {path}` makes it."
        ) from None
    except ValueError as error:
        raise BadTokenFile(f"{path} is not JSON: {error}. Restore it, or correct that place.") from None
    entries = document.get("tokens") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise BadTokenFile(f'{path} must hold {{"tokens": [...]}}, as `paretune token create` writes it.')
    records: dict[str, TokenRecord] = {}
    for index, entry in enumerate(entries):
        try:
            record = _record_of(entry)
        except ValueError as error:
            raise BadTokenFile(f"{path}: tokens[{index}]{error}") from None
        if record.id in records:
            raise BadTokenFile(f"{path}: tokens[{index}].id: {record.id!r} is there twice; remove one.")
        records[record.id] = record
    return records


def _record_of(entry: Any) -> TokenRecord:
    if not isinstance(entry, dict):
        raise ValueError(" must be an object in braces.")
    for unknown in sorted(set(entry) - set(_FIELDS)):
        raise ValueError(f": there is no field {unknown!r}; there are {', '.join(_FIELDS)}.")
    for missing in (field for field in ("id", "role", "project", "hash", "created") if not entry.get(field)):
        raise ValueError(f".{missing}: is missing.")
    for field, value in entry.items():
        if not isinstance(value, str) and not (value is None and field in ("expires", "revoked")):
            raise ValueError(f".{field}: must be a text in quotation marks.")
    roles = {role.word: role for role in Role}
    if entry["role"] not in roles:
        raise ValueError(f".role: {entry['role']!r} is not one of {', '.join(roles)}.")
    check_project(entry["project"], ".project: ")
    if not re.fullmatch(r"[0-9a-f]{10}", entry["id"]):
        raise ValueError(f".id: {entry['id']!r} must be 10 hexadecimal digits.")
    if not re.fullmatch(r"[0-9a-f]{64}", entry["hash"]):
        raise ValueError(".hash: must be 64 hexadecimal digits (the SHA-256 of the token).")
    times = {field: _time_of(entry.get(field), field) for field in ("created", "expires", "revoked")}
    return TokenRecord(
        entry["id"], entry.get("name", ""), roles[entry["role"]], entry["project"], entry["hash"], **times  # type: ignore[arg-type]
    )  # fmt: skip


def check_project(project: str, where: str = "") -> None:
    """Refuse what cannot be a project of a token.

    Raises:
        ValueError: it is neither ``*`` nor a name.
    """
    if project != ALL_PROJECTS and not PROJECT.fullmatch(project):
        raise ValueError(
            f"{where}{project!r} must be * (all projects) or small letters, digits and hyphens, as in vision."
        )


def _time_of(text: str | None, field: str) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f".{field}: {text!r} is not a time such as 2026-12-31T00:00:00+00:00.") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


@contextmanager
def changing_tokens(path: Path) -> Iterator[dict[str, TokenRecord]]:
    """The records, to be changed within the block; written back in one step at its end.

    Raises:
        BadTokenFile: the file cannot be read or written.
    """
    try:
        with Path(f"{path}.lock").open("a") as lock:
            flock(lock, LOCK_EX)
            records = read_tokens(path) if path.exists() else {}
            yield records
            draft = Path(f"{path}.new")
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump({"tokens": [_entry_of(record) for record in records.values()]}, file, indent=2)
                file.write("\n")
            draft.replace(path)
    except OSError as error:
        raise BadTokenFile(f"Cannot write {path}: {error.strerror}.") from None


def _entry_of(record: TokenRecord) -> dict[str, str | None]:
    entry = asdict(record) | {"role": record.role.word}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in entry.items()}


def revoked(record: TokenRecord, now: datetime) -> TokenRecord:
    """The same record, revoked now unless it was before."""
    return record if record.revoked else replace(record, revoked=now)


class TokenFile:
    """Checks tokens against a file, which is read again when it changes.

    Raises:
        BadTokenFile: the file cannot be read now. Later that is logged, and the last good state holds.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._clock = clock
        self._records = read_tokens(path)
        self._stamp = _stamp(path)

    def caller_of(self, authorization: str | None) -> Caller:
        """Who sends this `authorization` header.

        Raises:
            Unauthenticated: with what to do about it; `why` says which case it is.
        """
        if authorization is None:
            raise _closed(
                "missing",
                "This service asks for a token: give token=... (PARETUNE_TOKEN), or the file that holds it "
                "(PARETUNE_TOKEN_FILE, --token-file).",
            )
        scheme, _, token = authorization.partition(" ")
        shape = _TOKEN.fullmatch(token)
        if scheme.lower() != "bearer" or shape is None:
            raise _closed(
                "malformed",
                "That is not a token of paretune: the header is `authorization: Bearer pt_ID_SECRET`. "
                "Copy the token whole, as `paretune token create` printed it.",
            )
        self._refresh()
        record = self._records.get(shape[1])
        # The same work for an unknown id as for a known one.
        same = hmac.compare_digest(_hash(token), record.hash if record else _NOBODY)
        if record is None or not same:
            raise _closed("unknown", "This token is not known here; ask the operator for another.")
        state = record.state(self._clock())
        if state != "valid":
            since = record.revoked or record.expires
            raise _closed(
                state,
                f"The token {record.id} {'was revoked' if record.revoked else 'expired'} at "
                f"{since:%Y-%m-%d %H:%M} UTC; ask the operator for a new one (`paretune token create`).",
            )
        return Caller(record.id, record.role, record.project, record.name)

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._records = read_tokens(self._path)
            log.info("read %d tokens from %s", len(self._records), self._path)
        except BadTokenFile as error:
            log.error("%s The tokens read before stay in force until then.", error)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _closed(why: str, message: str) -> Unauthenticated:
    return Unauthenticated(message, reason="UNAUTHENTICATED", metadata={"why": why})
