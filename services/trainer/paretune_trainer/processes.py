"""Processes and their descendants: how none outlives a trial. Linux in full, elsewhere best effort."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PROC: Final = Path("/proc")

MARKER: Final = "PARETUNE_LAUNCHER"
"""Environment variable by which the processes of one launcher are found again."""


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0)


def end_with_parent() -> None:
    """Be killed when the process that forked this one ends, from now on."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def die_with_parent(parent: int) -> None:
    """Be killed when the process `parent`, which forked this one, ends."""
    end_with_parent()
    # It may have ended before the call above.
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends, instead of process 1."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def thread_count() -> int:
    """Number of threads of this process; 1 where the system does not say."""
    try:
        return len(list((_PROC / "self" / "task").iterdir()))
    except OSError:
        return 1


def descendants(*ancestors: int) -> list[int]:
    """Process ids of all living descendants of `ancestors`; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in _processes():
        # "pid (any ) name) state ppid ..."
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(entry.name))
    found: list[int] = []
    front = list(ancestors)
    while front:
        front = [child for pid in front for child in children.get(pid, [])]
        found += front
    return found


def marked(mark: str) -> list[int]:
    """Process ids of all other processes that were started with `MARKER` set to `mark`."""
    wanted = f"{MARKER}={mark}".encode()
    found: list[int] = []
    for entry in _processes():
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def _processes() -> list[Path]:
    if not _PROC.is_dir():
        return []
    return [entry for entry in _PROC.iterdir() if entry.name.isdigit()]


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal; a process that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to the process group that `pid` leads; a group that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def pause(ancestors: Sequence[int]) -> None:
    """Stop all descendants of these processes, those that they fork meanwhile too."""
    stopped: set[int] = set()
    while new := set(descendants(*ancestors)) - stopped:
        for pid in new:
            kill(pid, signal.SIGSTOP)
        stopped |= new


def resume(ancestors: Sequence[int]) -> None:
    """Let what `pause` stopped go on."""
    for pid in descendants(*ancestors):
        kill(pid, signal.SIGCONT)


def end_descendants(limit: float = 5.0) -> int:
    """Kill and reap every descendant of this process, which must have called `adopt_orphans`.

    Repeats until none is left, because a process can fork faster than one pass kills.

    Args:
        limit: seconds after which to give up on processes that the kernel does not let die.

    Returns:
        Number of processes that had to be killed.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + limit
    while _reap() and time.monotonic() < deadline:
        found = descendants(os.getpid())
        for pid in found:
            kill(pid)
        killed.update(found)
        time.sleep(0.002)
    return len(killed)


def _reap() -> bool:
    """Collect children that have ended; whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def end_marked(mark: str, limit: float = 5.0) -> int:
    """Kill every process started under `mark`: the way out when the launcher itself was killed.

    Args:
        mark: value of `MARKER` in the environment of the processes.
        limit: seconds after which to give up.

    Returns:
        Number of processes that had to be killed.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + limit
    while (found := marked(mark)) and time.monotonic() < deadline:
        for pid in found:
            kill(pid)
        killed.update(found)
        time.sleep(0.01)
    return len(killed)
