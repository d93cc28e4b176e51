"""The log of a service: one record a line, as text for people or as JSON for programs."""

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from paretune.rpc import tracing

log = logging.getLogger("paretune")
calls = logging.getLogger("paretune.calls")

current_call: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("current_call")
"""Method, request_id and trace_id of the call that is being answered."""


class LogFormat(StrEnum):
    """How records are written."""

    TEXT = "text"
    JSON = "json"


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time, service, level, message, what belongs to the call, and any traceback."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "service": self._service,
            "level": record.levelname,
            "message": record.getMessage(),
            **current_call.get({}),
            **getattr(record, "call", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure_logging(service: str, level: str = "INFO", format: LogFormat = LogFormat.TEXT) -> None:
    """One line a record on standard error: time, service, level, text; or the same as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    if format is LogFormat.JSON:
        handler.setFormatter(_JsonFormatter(service))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s {service} %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def begin_call(method: str, request: Any) -> None:
    """From now on records on this task name the call."""
    request_id = getattr(request, "request_id", "")
    facts = {"method": method, "request_id": request_id, "trace_id": tracing.trace_id()}
    current_call.set({name: value for name, value in facts.items() if value})


def call_ended(method: str, request: Any, peer: str, code: str, seconds: float, text: str = "") -> None:
    """Say how a call ended: at level DEBUG; at WARNING when the caller cannot be the reason."""
    level = logging.WARNING if code in ("INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED") else logging.DEBUG
    if not calls.isEnabledFor(level):
        return
    call = {"method": method, "peer": peer, "code": code, "ms": round(seconds * 1000, 3)}
    if request_id := getattr(request, "request_id", ""):
        call["request_id"] = request_id
    calls.log(
        level,
        "%s %s in %.1f ms%s",
        method,
        code,
        seconds * 1000,
        f": {text}" if text else "",
        extra={"call": call},
    )
