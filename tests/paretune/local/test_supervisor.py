"""The supervisor: what dies is started again, what cannot start is said, and nothing outlives it."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from paretune.errors import Unavailable
from paretune.local import free_ports, is_free, service
from paretune.local.service import Backoff, Service
from paretune.local.supervisor import Supervisor
from paretune.rpc.health import is_serving

FAKE = """
import asyncio, os, signal, sys, time
from pathlib import Path
from paretune.rpc.server import Serving, serve

print("hello from", *sys.argv[2:], flush=True)
if "broken" in sys.argv:
    print("paretune bad: cannot open the database", flush=True)
    sys.exit(int(sys.argv[-1]))
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
asyncio.run(serve(Serving(sys.argv[1]), lambda server: None, []))
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes fake services that only answer health checks."""
    (tmp_path / "fake_service.py").write_text(FAKE)

    def service(name, *words):
        address = f"127.0.0.1:{free_ports(1)[0]}"
        return Service(name, "fake_service", (address, *words), address, {"PYTHONPATH": str(tmp_path)})

    return service


def until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_service_that_dies_is_started_again_at_the_same_address(make, tmp_path, number):
    said = []
    one, two = make("one"), make("two")
    with Supervisor([one, two], tmp_path / "logs", notify=said.append) as supervisor:
        supervisor.wait_until_ready()
        before = supervisor.pids()
        os.kill(before["one"], number)
        until(lambda: supervisor.pids().get("one") not in (None, before["one"]))
        until(lambda: is_serving(one.address))
        assert supervisor.pids()["two"] == before["two"]
        assert len(said) == 1
        assert said[0].startswith("The one ")
        assert said[0].endswith("starting it again.")
        after = supervisor.pids()
    assert not any(psutil.pid_exists(pid) for pid in (*before.values(), *after.values()))
    assert is_free(int(one.address.rpartition(":")[2]))
    assert (tmp_path / "logs" / "one.log").read_text().count("hello from") == 2


def test_an_optional_service_that_keeps_dying_is_given_up_and_the_others_go_on(make, tmp_path):
    said = []
    broken = replace(make("view", "broken", "1"), optional=True)
    with Supervisor([make("one"), broken], tmp_path, notify=said.append) as supervisor:
        supervisor.wait_until_ready()
        until(lambda: len(said) >= 3)
        assert "The view ended with code 1 3 times in a row" in said[-1]
        assert said[-1].endswith("The other services go on without the view.")
        pid = supervisor.pids()["one"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.pids().get("one") not in (None, pid))
        supervisor.check()
        assert list(supervisor.pids()) == ["one"]


def test_every_one_of_many_deaths_is_survived(make, tmp_path):
    with Supervisor([make("one")], tmp_path, notify=lambda text: None) as supervisor:
        supervisor.wait_until_ready()
        for _ in range(4):
            pid = supervisor.pids()["one"]
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: supervisor.pids().get("one") not in (None, pid))
        supervisor.wait_until_ready()
        supervisor.check()


def test_a_service_that_keeps_dying_is_given_up_with_what_it_said(make, tmp_path):
    good, bad = make("good"), make("bad", "broken", "1")
    with Supervisor([good, bad], tmp_path, notify=lambda text: None) as supervisor:
        with pytest.raises(Unavailable) as caught:
            supervisor.wait_until_ready()
        assert supervisor.wait(0)
    log = tmp_path / "bad.log"
    said = "saying: cannot open the database"
    assert str(caught.value) == f"The bad ended with code 1 3 times in a row, {said}. Its log: {log}"
    assert log.read_text().count("hello") == 3
    assert supervisor.pids() == {}


@pytest.mark.parametrize("code", ["2", "3", "4", "5"])
def test_a_service_that_says_why_it_cannot_start_is_quoted(make, tmp_path, code):
    supervisor = Supervisor([make("bad", "broken", code)], tmp_path)
    with supervisor, pytest.raises(Unavailable) as caught:
        supervisor.wait_until_ready()
    assert str(caught.value) == "cannot open the database"
    assert (tmp_path / "bad.log").read_text().count("hello") == 1


def test_services_can_be_added(make, tmp_path):
    with Supervisor([make("one")], tmp_path) as supervisor:
        supervisor.wait_until_ready()
        supervisor.add(make("two"))
        supervisor.wait_until_ready()
        assert sorted(supervisor.pids()) == ["one", "two"]


def test_a_service_that_ignores_the_request_to_end_is_killed(make, tmp_path):
    with Supervisor([make("deaf", "deaf")], tmp_path, grace=0.2) as supervisor:
        until(lambda: (tmp_path / "deaf.log").exists() and "hello" in (tmp_path / "deaf.log").read_text())
        pid = supervisor.pids()["deaf"]
    assert not psutil.pid_exists(pid)


def test_stopping_twice_or_before_it_is_ready_is_fine(make, tmp_path):
    supervisor = Supervisor([make("one")], tmp_path)
    supervisor.start()
    supervisor.stop()
    supervisor.stop()
    assert supervisor.pids() == {}


SCRIPT = """
import sys, time
from pathlib import Path
from paretune.local.service import Service
from paretune.local.supervisor import Supervisor
supervisor = Supervisor(
    [Service("one", "fake_service", (sys.argv[1],), sys.argv[1], {"PYTHONPATH": sys.argv[2]})],
    Path(sys.argv[2]),
)
supervisor.start()
supervisor.wait_until_ready()
print(supervisor.pids()["one"], flush=True)
if len(sys.argv) > 3:
    raise KeyboardInterrupt
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_no_service_outlives_a_killed_supervisor(make, tmp_path):
    service = make("one")
    command = [sys.executable, "-c", SCRIPT, service.address, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as script:
        pid = int(script.stdout.readline())
        assert psutil.pid_exists(pid)
        script.kill()
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_an_uncaught_exception_ends_the_services(make, tmp_path):
    service = make("one")
    command = [sys.executable, "-c", SCRIPT, service.address, str(tmp_path), "raise"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not psutil.pid_exists(int(ended.stdout))


def test_the_wait_grows_while_a_service_dies_at_once():
    backoff = Backoff(first=0.1, longest=1.0, attempts=6, settled=10)
    assert [backoff.after(0.5) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, None]


def test_a_service_that_lived_long_starts_counting_anew():
    backoff = Backoff(attempts=3, settled=10)
    waits = [backoff.after(lived) for lived in (0, 0.5, 60, 0.5, 11, 0.1)]
    assert waits[2] == waits[4] == waits[0]
    assert None not in waits


def test_a_service_that_never_served_is_given_up_sooner():
    backoff = Backoff(attempts=10, first_attempts=3)
    assert [backoff.after(0.1, served=False) is None for _ in range(3)] == [False, False, True]


def test_logs_that_grew_long_are_put_aside(make, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(service, "LOG_BYTES", 10)
    (tmp_path / "one.log").write_text("x" * 100)
    with Supervisor([make("one")], tmp_path) as supervisor:
        supervisor.wait_until_ready()
    assert (tmp_path / "one.log.old").read_text() == "x" * 100
    assert "x" not in (tmp_path / "one.log").read_text().split("hello")[0]
