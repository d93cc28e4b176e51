"""What a trial writes: lines of results with a limit on each, and a log with a limit on the whole."""

from __future__ import annotations

import threading
from typing import Final

LOG_BYTES: Final = 1024 * 1024
"""Bytes kept of one trial's log: half from its beginning, half from its end."""

LINE_BYTES: Final = 4 * 1024 * 1024
"""Longest line accepted on the result channel."""


class Log:
    """Standard output, standard error and log lines of one trial: its head and its tail. Thread-safe."""

    def __init__(self, limit: int = LOG_BYTES) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Append; what no longer fits is dropped from the middle."""
        with self._lock:
            room = self._half - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            # Trimmed only at twice the size, so that many small writes cost linear time.
            if len(self._tail) > 2 * self._half:
                self._trim()

    def _trim(self) -> None:
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    def text(self) -> str:
        """All that was kept, as text; undecodable bytes are replaced."""
        with self._lock:
            self._trim()
            gap = f"\n[... {self._dropped} bytes left out ...]\n".encode() if self._dropped else b""
            return (bytes(self._head) + gap + bytes(self._tail)).decode(errors="replace")

    def tail(self, size: int) -> str:
        """The last `size` bytes, as text."""
        with self._lock:
            kept = bytes(self._head[-size:] + self._tail[-size:])
        return kept[-size:].decode(errors="replace")


class LineTooLong(Exception):
    """A line of the result channel has more than `LINE_BYTES` bytes."""


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends.

        Raises:
            LineTooLong: an unfinished line passed the limit.
        """
        self._rest += data
        *lines, rest = bytes(self._rest).split(b"\n") if b"\n" in data else [self._rest]
        self._rest = bytearray(rest)
        if len(self._rest) > self._limit:
            raise LineTooLong
        return [bytes(line) for line in lines if line]
