"""Run a Python module tied to its parent: when the parent ends, however it ends, so does the module.

    python -I -S tether.py PARENT_PID -m module [argument ...]

The supervisor starts every service through this file. It asks the kernel (Linux: prctl(2),
PR_SET_PDEATHSIG) for SIGTERM at the parent's end, which survives exec, and becomes the module. Elsewhere
than on Linux nothing is asked. Doing this in the child, and not in ``preexec_fn``, is safe with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the module."""
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit(1)
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
