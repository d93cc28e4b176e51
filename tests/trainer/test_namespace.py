"""Trials in PID namespaces of their own, where this system allows them, and beside them where it does not."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from paretune.observation import FailureReason, OutcomeKind
from paretune_trainer import namespace
from paretune_trainer.node import Run

HERE = str(Path(__file__).parent)

MARK = "TEST_OF_NAMESPACES"

allowed = pytest.mark.skipif(bool(namespace.refusal()), reason=f"not allowed here: {namespace.refusal()}")


@pytest.fixture
def mark(tmp_path):
    """By which the processes of one test are found."""
    return str(tmp_path)


@pytest.fixture
def node(make_node, mark):
    return make_node(environ={"PATH": "/usr/bin:/bin", MARK: mark}, pass_env=(MARK,))


def in_namespaces(mark):
    """Process ids of all processes with the mark that are in another PID namespace than this one."""
    found = []
    ours = Path("/proc/self/ns/pid").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if (
                    f"{MARK}={mark}".encode() in (entry / "environ").read_bytes()
                    and (entry / "ns" / "pid").readlink() != ours
                ):
                    found.append(int(entry.name))
    return found


@allowed
def test_a_trial_sees_itself_and_its_children_alone(train):
    verdict = train("visible")
    assert [value.value for value in verdict.values] == [2.0, 2.0]


@allowed
def test_nothing_that_a_trial_starts_outlives_it(train, mark, tmp_path):
    (tmp_path / "marks").mkdir()
    verdict = train("double_fork", {"folder": str(tmp_path / "marks"), "children": 50})
    assert verdict.outcome.kind is OutcomeKind.OK
    assert verdict.metadata["processes_left_behind"] == "51"
    assert not in_namespaces(mark)


@allowed
def test_a_cancelled_trial_ends_with_all_that_it_started(train, task, mark, tmp_path):
    run = Run(task("double_fork", {"folder": str(tmp_path), "then": "wait"}))
    seen = []

    def cancel():
        while not list(tmp_path.glob("pid-*")):
            time.sleep(0.01)
        seen.extend(in_namespaces(mark))
        run.steering.cancel()

    threading.Thread(target=cancel).start()
    assert train("", run=run) is None
    assert seen
    assert not in_namespaces(mark)


@allowed
def test_a_trial_cannot_signal_the_node(make_node, train):
    apart, beside = (
        train("reach", {"pid": os.getpid()}, on=make_node(pid_namespace=mode)) for mode in ("auto", "never")
    )
    assert (apart.values[0].value, beside.values[0].value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("function", "failure"), [("segfault", "SIGNAL"), ("kill_itself", "SIGNAL"), ("leave", "NO_RESULT")]
)
def test_bad_ends_are_what_they_are_without(make_node, train, function, failure):
    ends = {train(function, on=make_node(pid_namespace=mode)).outcome for mode in ("auto", "never")}
    assert len(ends) == 1
    assert ends.pop().failure is FailureReason[failure]


@allowed
def test_a_node_that_is_killed_leaves_nothing_in_a_namespace(mark, tmp_path):
    script = f"""
        from pathlib import Path
        from paretune.experiment import Workload
        from paretune_trainer.config import Config
        from paretune_trainer.node import Node, Run, Task
        from paretune_trainer.schema import resolve
        config = Config("w", 1, Path({str(tmp_path)!r}), python_path=({HERE!r},), pass_env=({MARK!r},))
        node = Node(config, {{"PATH": "/bin", {MARK!r}: {mark!r}}})
        workload = Workload("sample_workloads:double_fork")
        parameters = {{"folder": {str(tmp_path)!r}, "then": "wait", "children": 3}}
        node.train(Run(Task(workload, resolve(workload.name), parameters, 1)))
    """
    dying = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    while not list(tmp_path.glob("pid-*")):
        time.sleep(0.02)
    assert in_namespaces(mark)
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    deadline = time.monotonic() + 10
    while in_namespaces(mark):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_where_it_is_refused_trials_run_without_and_the_log_says_so(make_node, train, monkeypatch, caplog):
    monkeypatch.setattr(namespace, "refusal", lambda: "unshare: Operation not permitted")
    assert train("ok", on=make_node()).outcome.kind is OutcomeKind.OK
    assert "without a PID namespace of their own: unshare: Operation not permitted" in caplog.text
