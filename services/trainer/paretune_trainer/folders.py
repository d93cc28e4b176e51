"""The folder of one node, found again and removed should the node die without tidying up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Final

_PREFIX: Final = "node-"
_HELD: Final = "held"
_ROOM: Final = 64 * 1024
"""Bytes that must find room before anything is begun here."""


class NodeFolder:
    """A private folder that lasts as long as its node; making one removes those of dead nodes.

    A live node holds a lock on a file in its folder. The kernel frees the lock with the process, which a
    process id in the name could not tell as surely: ids come again, and differ between containers.

    Args:
        parent: made when missing.

    Attributes:
        path: the folder.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in parent.glob(f"{_PREFIX}*"):
            _remove_if_dead(other)
        self._owner = parent.lstat().st_uid
        self._lock = threading.Lock()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._held = self._hold()

    def _hold(self) -> int:
        held = os.open(self.path / _HELD, os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        return held

    def ensure(self) -> None:
        """Make it again if somebody removed it, such as a cleaner of /tmp, and see that it can be written.

        Raises:
            OSError: it cannot.
        """
        with self._lock:
            if not (self.path / _HELD).exists():
                self._make_again()
        with tempfile.TemporaryFile(dir=self.path) as probe:
            probe.write(bytes(_ROOM))
            probe.flush()

    def _make_again(self) -> None:
        parent = self.path.parent
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if parent.lstat().st_uid != self._owner:
            raise PermissionError(f"{parent} belongs to another user now")
        self.path.mkdir(mode=0o700, exist_ok=True)
        os.close(self._held)
        self._held = self._hold()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_if_dead(folder: Path) -> None:
    # One without the file belongs to a node that is just starting.
    with contextlib.suppress(OSError):
        held = os.open(folder / _HELD, os.O_WRONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)
