"""The process between the node and its trials: it forks each of them, waits, and ends what they leave behind.

    node (threads, gRPC)  --control-->  launcher (one thread)  --fork-->  trial  [--> its own children]

It exists for three reasons. It is the subreaper of one trial at a time, so every descendant left at the end,
double-forked ones too, belongs to that trial and is killed. It notices the death of the node, however sudden,
by the end of the control channel, and then kills the trial and leaves. And it can import a workload's
framework once and fork each trial from there, which saves seconds per trial; it has a single thread and has
opened no device when it forks, and it never runs a workload itself.

Messages on the control channel, JSON lines. From the node: `{"start": {"folder": ..., "preload": [modules],
"apart": whether in a PID namespace of its own}}` with three descriptors (results, directives, output), and
`{"kill": true}`. To the node: `{"started": {"preload_s": seconds}}` or `{"threads": n}` (it cannot fork
safely; nothing was started), then `{"ended": {"status": wait status, "killed": number of leftovers}}`.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretune_trainer import child, namespace
from paretune_trainer.job import Job
from paretune_trainer.processes import adopt_orphans, die_with_parent, end_descendants, thread_count


class Launcher:
    """Serves one node over one control channel, one trial at a time."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lines: list[dict[str, Any]] = []
        self._descriptors: list[int] = []
        self._rest = b""
        self._alarm, self._wake = os.pipe()
        for descriptor in (self._alarm, self._wake):
            os.set_blocking(descriptor, False)
        # A child's end makes `select` return: the handler does nothing, the wakeup descriptor does.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Run trials until the node closes the control channel."""
        while (message := self._next()) is not None:
            if "start" in message:
                descriptors, self._descriptors = self._descriptors[:3], self._descriptors[3:]
                self._trial(message["start"], descriptors)

    def _trial(self, order: dict[str, Any], descriptors: Sequence[int]) -> None:
        folder = Path(order["folder"])
        start = time.monotonic()
        self._preload(order["preload"], folder, descriptors[2])
        threads = thread_count()
        receive, tell = os.pipe()
        pid = os.fork() if threads == 1 else -1
        if pid == 0:
            self._control.close()
            os.close(self._alarm)
            signal.set_wakeup_fd(-1)  # asyncio, where it is loaded, has done so already
            os.close(self._wake)
            os.close(receive)
            die_with_parent(_LAUNCHER)
            try:
                if order["apart"]:
                    namespace.enter(tell, descriptors)
                else:
                    os.close(tell)
            except OSError:  # allowed a while ago, and no more: then without
                os.close(tell)
            _become_trial(folder, descriptors)
        for descriptor in (*descriptors, tell):
            os.close(descriptor)
        if pid < 0:
            self._send("threads", threads)
            return
        self._send("started", {"preload_s": time.monotonic() - start})
        try:
            status = self._wait(pid)
            killed = end_descendants()
            if found := namespace.told(receive):
                killed = found[1]
                status = None if status is None else found[0]
        finally:
            os.close(receive)
        if status is None:
            shutil.rmtree(folder, ignore_errors=True)
            return
        self._send("ended", {"status": status, "killed": killed})

    def _preload(self, modules: Sequence[str], folder: Path, output: int) -> None:
        """Import what every trial of the workload imports; what fails here fails again in the trial."""
        missing = [module for module in modules if module not in sys.modules]
        if not missing:
            return
        own_path = sys.path[:]
        sys.path[:0] = Job.read(folder).python_path
        with _output_to(output):
            for module in missing:
                with contextlib.suppress(Exception):
                    importlib.import_module(module)
        sys.path[:] = own_path
        # Objects made so far move out of the collector's sight: trials then share their memory.
        gc.collect()
        gc.freeze()

    def _wait(self, pid: int) -> int | None:
        """Wait status of the trial; None when the node is gone. Kills the trial when told to."""
        while True:
            # First, as what ended before this line leaves a byte in the alarm for the next round.
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            readable, _, _ = select.select([self._control.fileno(), self._alarm], [], [])
            if self._alarm in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._alarm, 512)
            if self._control.fileno() in readable:
                message = self._next()
                if message is None or "kill" in message:
                    os.kill(pid, signal.SIGKILL)
                    _, status = os.waitpid(pid, 0)
                    return None if message is None else status

    def _next(self) -> dict[str, Any] | None:
        """The next message of the node; None when there will be no more."""
        while not self._lines:
            data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 3)
            self._descriptors += descriptors
            if not data:
                return None
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines += [json.loads(line) for line in lines]
        return self._lines.pop(0)

    def _send(self, kind: str, content: object) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendall(json.dumps({kind: content}).encode() + b"\n")


@contextlib.contextmanager
def _output_to(descriptor: int) -> Any:
    """Within it, standard output and error go to `descriptor`."""
    kept = [os.dup(1), os.dup(2)]
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor_kept in enumerate(kept, start=1):
            os.dup2(descriptor_kept, number)
            os.close(descriptor_kept)


def _become_trial(folder: Path, descriptors: Sequence[int]) -> None:
    """Everything the forked process does; it never returns."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # Low numbers are left to the workload: a command reports on descriptor 3.
        results, directives, output = (fcntl.fcntl(d, fcntl.F_DUPFD_CLOEXEC, 10) for d in descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        job = Job.read(folder)
        os.chdir(folder)
        os.environ.update(job.environment)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        _limit(job.memory_bytes)
        child.run(job, results, directives)
        status = 0
    except SystemExit as request:
        status = request.code if isinstance(request.code, int) else int(request.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        # Not sys.exit: handlers that were registered in the launcher are not the trial's to run.
        os._exit(status & 0xFF)


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        # Data, not address space: frameworks and drivers reserve far more addresses than they use.
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def main() -> None:
    """Entry of the process; the descriptor of the control channel is the only argument."""
    adopt_orphans()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        Launcher(control).serve()


_LAUNCHER = os.getpid()

if __name__ == "__main__":
    main()
