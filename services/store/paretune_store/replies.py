"""First replies, kept so that a retry gets them again."""

import hashlib
from typing import Any

from google.protobuf.message import Message

from paretune.access import ALL_PROJECTS
from paretune.errors import InvalidArgument
from paretune_store.transaction import Transaction


def digest_of(request: Message, project: str = ALL_PROJECTS) -> bytes:
    """SHA-256 over the request without its request_id, over which call it is, and for which project."""
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("request_id")
    text = request.DESCRIPTOR.full_name.encode() + b"\0" + bare.SerializeToString(deterministic=True)
    if project != ALL_PROJECTS:  # two projects never share a reply
        text += b"\0" + project.encode()
    return hashlib.sha256(text).digest()


def first_reply(tx: Transaction, request_id: str, digest: bytes) -> bytes | None:
    """The reply that this request got before; None when it is new.

    Raises:
        InvalidArgument: REQUEST_ID_REUSED, when another request had this id.
    """
    row: Any = tx.db.execute(
        "SELECT digest, response FROM replies WHERE request_id = ?", (request_id,)
    ).fetchone()
    if row is None:
        return None
    if row[0] != digest:
        raise InvalidArgument(
            f"The request_id {request_id!r} was used before, with another request; take a fresh one.",
            reason="REQUEST_ID_REUSED",
            metadata={"request_id": request_id},
        )
    return bytes(row[1])


def keep_reply(tx: Transaction, request_id: str, digest: bytes, response: bytes) -> None:
    """Keep the first reply, in the transaction of its effect."""
    tx.db.execute(
        "INSERT INTO replies (request_id, digest, response, created) VALUES (?, ?, ?, ?)",
        (request_id, digest, response, tx.now),
    )
