"""The folder of one node, found again and removed should the node die without tidying up."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_PREFIX: Final = "node-"
_HELD: Final = "held"


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
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._held = os.open(self.path / _HELD, os.O_CREAT | os.O_WRONLY, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)

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
