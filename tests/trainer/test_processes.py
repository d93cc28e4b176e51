"""No process outlives its trial, whatever the trial or the system does."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from paretune_trainer import processes
from paretune_trainer.ending import Listener
from paretune_trainer.node import Run

HERE = str(Path(__file__).parent)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids_in(folder):
    return [int(entry.name.removeprefix("pid-")) for entry in folder.iterdir()]


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.01)


@pytest.fixture
def node(make_node):
    """Its trials know the ids of their processes by which others know them."""
    return make_node(pid_namespace="never")


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def test_a_double_forked_daemon_and_fifty_children_end_with_the_trial(train, marks):
    verdict = train("double_fork", {"folder": str(marks), "children": 50})
    assert verdict.outcome.kind.name == "OK"
    assert verdict.metadata["processes_left_behind"] == "51"
    (daemon,) = pids_in(marks)
    assert not alive(daemon)


def test_a_daemon_ends_with_a_trial_that_is_cancelled(train, task, marks):
    run = Run(task("double_fork", {"folder": str(marks), "then": "wait"}))
    threading.Thread(target=lambda: (eventually(lambda: pids_in(marks)), run.steering.cancel())).start()
    assert train("", run=run, listener=Listener()) is None
    assert not any(alive(pid) for pid in pids_in(marks))


def test_a_trial_that_kills_its_launcher_takes_nothing_else_along(node, train, marks):
    verdict = train("kill_parent", {"folder": str(marks)})
    assert verdict.outcome.kind.name == "CRASHED"
    assert len(pids_in(marks)) == 2
    assert not any(alive(pid) for pid in pids_in(marks))
    assert train("ok").outcome.kind.name == "OK"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_node_that_dies_leaves_no_process(tmp_path, marks, number):
    script = f"""
        from pathlib import Path
        from paretune.experiment import Workload
        from paretune_trainer.config import Config
        from paretune_trainer.node import Node, Run, Task
        from paretune_trainer.schema import resolve
        config = Config("w", 1, Path({str(tmp_path)!r}), python_path=({HERE!r},), pid_namespace="never")
        node = Node(config, {{"PATH": "/bin"}})
        workload = Workload("sample_workloads:double_fork")
        parameters = {{"folder": {str(marks)!r}, "then": "wait", "children": 3}}
        node.train(Run(Task(workload, resolve(workload.name), parameters, 1)))
    """
    dying = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        eventually(lambda: pids_in(marks))
        family = processes.descendants(dying.pid)
        assert len(family) >= 3  # launcher, trial, children; the daemon's parent is the launcher
    finally:
        dying.send_signal(number)
        dying.wait()
    eventually(lambda: not any(alive(pid) for pid in [*family, *pids_in(marks)]))
    eventually(lambda: not list(tmp_path.glob("node-*/trial-*")))


def test_descendants_are_found_at_any_depth():
    shell = subprocess.Popen(
        ["/bin/sh", "-c", "(sleep 60 & wait) & wait"], start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        eventually(lambda: len(processes.descendants(shell.pid)) == 2)
        assert shell.pid in processes.descendants(os.getpid())
    finally:
        processes.kill_group(shell.pid)
        shell.wait()
    assert processes.descendants(shell.pid) == []


def test_marked_processes_are_found_and_ended():
    environment = {processes.MARKER: "a-test", "PATH": "/bin"}
    sleeper = subprocess.Popen(["/bin/sleep", "60"], env=environment)
    other = subprocess.Popen(["/bin/sleep", "60"], env={**environment, processes.MARKER: "another"})
    try:
        eventually(lambda: processes.marked("a-test") == [sleeper.pid])
        # Nobody reaps it during the call, so that it would be waited for in vain.
        assert processes.end_marked("a-test", limit=0.2) == 1
        assert sleeper.wait(5) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (sleeper, other):
            process.kill()
            process.wait()


def test_signals_to_processes_that_are_gone_are_fine():
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    processes.kill(gone.pid)
    processes.kill_group(gone.pid)
