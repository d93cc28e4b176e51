"""The audit log: who changed what, and who was turned away. One JSON object a line, no secrets, no values."""

import contextlib
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

log = logging.getLogger("paretune")


class CannotAudit(Exception):
    """The file of the audit log cannot be written."""


class _File(logging.handlers.WatchedFileHandler):
    """Raises what it cannot write, instead of printing it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - named by logging
        """Let the error that is being handled pass on."""
        raise

    def close(self) -> None:
        """Close the file; what it did not take is in the service's log."""
        with contextlib.suppress(OSError):
            super().close()


class Audit:
    """Writes one line for every audited call that was answered, and for every call that was turned away.

    The file is opened again when it was moved, so that it can be rotated. While it cannot be written, its
    lines go to the service's log: a call that was done does not fail for it.

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
                self._handler = _File(path, encoding="utf-8")
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
        try:
            self._handler.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))
        except OSError as error:
            log.error("the audit log cannot be written (%s): %s", error, text)


def _about(request: Any, scope: str) -> str:
    """The id that a request names, by the path of its rule."""
    found = request
    for name in filter(None, scope.split(".")):
        found = getattr(found, name, None)
    return "" if found is None or isinstance(found, Message) else str(found)
