"""How other threads steer a running trial."""

from __future__ import annotations

import os
import threading
from typing import Final

_WORDS: Final = {b"s": "stop", b"c": "cancel"}


class Steering:
    """A channel from any thread to the one that runs the trial. Thread-safe; `close` it at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self.wake, self._send = os.pipe()
        os.set_blocking(self.wake, False)
        self.cancelled = False
        self.stopped = False

    def stop_early(self) -> None:
        """Ask the workload to stop at its next step and to report what it has."""
        self.stopped = True
        self._say(b"s")

    def cancel(self) -> None:
        """Kill the trial; nothing of it is reported."""
        self.cancelled = True
        self._say(b"c")

    def _say(self, word: bytes) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._send, word)

    def take(self) -> set[str]:
        """What was said since the last call: "stop", "cancel" or both."""
        try:
            data = os.read(self.wake, 4096)
        except BlockingIOError:
            return set()
        return {word for letter, word in _WORDS.items() if letter in data}

    def close(self) -> None:
        """Say nothing any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self.wake)
                os.close(self._send)
