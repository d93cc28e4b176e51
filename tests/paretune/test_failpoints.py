"""Failpoints do what their text says, and nothing in a process that is not a test's."""

import os
import signal
import subprocess
import sys

import pytest

from paretune import failpoints

PASS = "from paretune import failpoints; [failpoints.hit('after_write') for _ in range(3)]; print('alive')"


def run(**environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", PASS], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def test_without_the_flag_there_are_none():
    assert run(PARETUNE_FAILPOINTS="after_write=kill").stdout == "alive\n"


def test_the_process_dies_at_the_passage_that_was_named():
    flags = {"PARETUNE_TEST": "1"}
    assert run(PARETUNE_FAILPOINTS="after_write=kill@3", **flags).returncode == -signal.SIGKILL
    assert run(PARETUNE_FAILPOINTS="after_write=kill@4", **flags).stdout == "alive\n"
    assert run(PARETUNE_FAILPOINTS="before_begin=kill", **flags).stdout == "alive\n"
    assert "a failpoint says so" in run(PARETUNE_FAILPOINTS="after_write=raise", **flags).stderr


@pytest.mark.parametrize("text", ["nowhere=kill", "after_write=explode", "after_write"])
def test_mistakes_are_refused(text):
    with pytest.raises(ValueError, match="no failpoint"):
        failpoints.parse(text)


def test_several_at_once():
    parsed = failpoints.parse("before_begin=sleep:0.01@2;after_write=raise")
    assert {name: point.at for name, point in parsed.items()} == {"before_begin": 2, "after_write": 0}
