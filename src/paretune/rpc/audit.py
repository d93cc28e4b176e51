"""The audit log: who changed what, and who was turned away. One JSON object a line, no secrets, no values."""

import json
import logging
import logging.handlers
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from paretune.access import Caller
from paretune.errors import ParetuneError, PermissionDenied, Unauthenticated
from paretune.rpc.policy import POLICY
from paretune.rpc.status import code_of


class CannotAudit(Exception):
    """The file of the audit log cannot be written."""


class Audit:
    """Writes one line for every audited call that was answered, and for every call that was turned away.

    The file is opened again when it was moved, so that it can be rotated.

    Args:
        path: where to append; None: nowhere.
        clock: the time of a line.

    Raises:
        CannotAudit: the file cannot be written.
    """

    def __init__(
        self, path: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._clock = clock
        self._handler: logging.Handler | None = None
        if path is not None:
            try:
                self._handler = logging.handlers.WatchedFileHandler(path, encoding="utf-8")
            except OSError as error:
                raise CannotAudit(f"Cannot write the audit log {path}: {error.strerror}.") from None
            weakref.finalize(self, self._handler.close)

    def note(self, method: str, who: Caller | None, peer: str, request: Any, error: Exception | None) -> None:
        """Write down one call, if it is one to write down.

        Args:
            method: path of the RPC.
            who: the caller; None: nobody that is known.
            peer: address of the caller, as gRPC gives it.
            request: the parsed request; None: it was not read.
            error: why the call failed; None: it did not.
        """
        if self._handler is None:
            return
        rule = POLICY.get(method)
        turned_away = isinstance(error, Unauthenticated | PermissionDenied)
        if not turned_away and (rule is None or not rule.audited):
            return
        code = grpc.StatusCode.OK if error is None else code_of(error)
        line = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            "method": method.rpartition("/")[2],
            "token": who.token if who else "",
            "name": who.name if who else "",
            "peer": peer,
            "about": _about(request, rule.scope if rule else ""),
            "request_id": getattr(request, "request_id", ""),
            "code": code.name,
            "reason": error.reason if isinstance(error, ParetuneError) else "",
        }
        text = json.dumps(line, ensure_ascii=True)
        self._handler.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))


def _about(request: Any, scope: str) -> str:
    """The id that a request names, by the path of its rule."""
    found = request
    for name in filter(None, scope.split(".")):
        found = getattr(found, name, None)
    return "" if found is None or isinstance(found, Message) else str(found)
