"""A PID namespace for each trial, where the system allows it: nothing in it can outlive it or see others.

    launcher --fork--> keeper (waits) --fork--> init (number 1 in there) --fork--> trial [--> its children]

A namespace begins with the first process forked after `unshare`, hence the keeper; that process must reap
orphans and is deaf to most signals from inside, hence init. When init ends, the kernel kills all that is left
in there. A mount namespace goes with it, in which /proc shows the new ids. Without the right to make one,
which root has, a user namespace is tried, in which users keep their ids.

    python -m paretune_trainer.namespace    # exit code 0: it works on this system
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from paretune_trainer.processes import descendants, end_with_parent

# From linux/sched.h, linux/mount.h and linux/prctl.h.
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWPID: Final = 0x20000000
_MS_NOSUID_NODEV_NOEXEC: Final = 2 | 4 | 8
_MS_REC_PRIVATE: Final = 16384 | (1 << 18)

_TOLD: Final = struct.Struct("ii")
_PROBE_SECONDS: Final = 20.0


@cache
def refusal() -> str:
    """Why trials cannot have a namespace of their own on this system; empty: they can."""
    if sys.platform != "linux":
        return "only Linux has them"
    command = [sys.executable, "-P", "-m", "paretune_trainer.namespace"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, timeout=_PROBE_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return (said[-1] if said else f"exit status {done.returncode}") if done.returncode else ""


def enter(tell: int, inherited: Sequence[int] = ()) -> None:
    """Become a new process that is, with all its descendants, in a namespace of its own.

    The calling process, which must have a single thread, waits for it and never returns from here.

    Args:
        tell: descriptor to which the wait status of the new process is written at its end, and the number of
            processes that it left behind; see `told`.
        inherited: descriptors that only the new process keeps.

    Raises:
        OSError: the system does not allow it; then this is still the calling process.
    """
    _unshare()
    end_with_parent()  # again: a user namespace made it forget
    init = os.fork()
    if init:
        _close(tell, *inherited)
        _, status = os.waitpid(init, 0)
        os._exit(1 if status else 0)
    code = 1
    try:
        end_with_parent()
        _show_own_processes()
        trial = os.fork()
        if not trial:
            os.close(tell)
            return
        _close(*inherited)
        status = _reap_until(trial)
        os.write(tell, _TOLD.pack(status, len(descendants(os.getpid()))))
        code = 0
    finally:
        if os.getpid() == 1:
            os._exit(code)


def told(descriptor: int) -> tuple[int, int] | None:
    """What `enter` wrote: (wait status, processes left behind); None when it did not come to that."""
    os.set_blocking(descriptor, False)
    try:
        data = os.read(descriptor, _TOLD.size)
    except BlockingIOError:  # a process that the kernel does not let die still has the other end
        return None
    return _TOLD.unpack(data) if len(data) == _TOLD.size else None


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _reap_until(pid: int) -> int:
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            return status


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _unshare() -> None:
    user, group = os.geteuid(), os.getegid()
    try:
        _call("unshare", _CLONE_NEWPID | _CLONE_NEWNS)
    except PermissionError:
        _call("unshare", _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS)
        itself = Path("/proc/self")
        (itself / "setgroups").write_text("deny", encoding="ascii")
        (itself / "uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        (itself / "gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _show_own_processes() -> None:
    """Put a /proc with the ids of this namespace in the place of the old one, for this namespace alone."""
    _call("mount", None, b"/", None, ctypes.c_ulong(_MS_REC_PRIVATE), None)
    _call("mount", b"proc", b"/proc", b"proc", ctypes.c_ulong(_MS_NOSUID_NODEV_NOEXEC), None)


def main() -> None:
    """Try it; exit status 0 when it works."""
    receive, tell = os.pipe()
    if os.fork() == 0:
        try:
            enter(tell, [receive])
            os._exit(0 if os.getpid() == 2 and Path("/proc/self").readlink() == Path("2") else 1)
        except OSError as error:
            sys.stderr.write(f"{error.strerror}\n")
            os._exit(1)
    os.close(tell)
    os.wait()
    sys.exit(0 if told(receive) == (0, 0) else 1)


if __name__ == "__main__":
    main()
